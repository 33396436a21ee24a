/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_choose.c - which provider, and which address to listen on
 *
 * Never "all addresses": rmmapd listens where its handles say, nowhere else.
 * Worker thread only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/say.h"
#include "fabric_internal.h"
#include "rdma.h"

#define RDMA_ADDRESSES 32       /* of this host, tried in turn */

/* The source address of the route to a documentation address: the default route's. */
static int default_source(int family, union fabric_address *out)
{
	union fabric_address to = { .any.sa_family = (sa_family_t)family };
	socklen_t size = sizeof(*out);
	int fd, error = 0;

	if (family == AF_INET)
		inet_pton(family, "192.0.2.1", &to.v4.sin_addr);
	else
		inet_pton(family, "2001:db8::1", &to.v6.sin6_addr);
	to.v4.sin_port = htons(9);      /* the same place in both; connecting UDP sends nothing */
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &to.any, fabric_address_size(&to)) || getsockname(fd, &out->any, &size))
		error = -errno;
	close(fd);
	return error;
}

/* A link-local address means something on its own link only: no use in a handle. */
static bool usable(const struct ifaddrs *entry)
{
	const union fabric_address *address = (const void *)entry->ifa_addr;

	if (!address || !(entry->ifa_flags & IFF_UP) || !fabric_address_size(address))
		return false;
	return address->any.sa_family != AF_INET6 ||
	       !IN6_IS_ADDR_LINKLOCAL(&address->v6.sin6_addr);
}

static bool same_host(const union fabric_address *a, const union fabric_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

/*
 * The first address that passes: of the interface called name, or equal to want, or (both
 * NULL) of any interface whose IFF_LOOPBACK is loopback. IPv4 before IPv6.
 */
static int find_address(const char *name, const union fabric_address *want, bool loopback,
                        union fabric_address *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ifaddrs *all, *entry;
	int error = -EADDRNOTAVAIL;
	unsigned i;

	if (getifaddrs(&all))
		return -errno;
	for (i = 0; i < 2 && error; i++) {
		for (entry = all; entry && error; entry = entry->ifa_next) {
			const union fabric_address *address = (const void *)entry->ifa_addr;

			if (!usable(entry) || address->any.sa_family != families[i])
				continue;
			if (name ? strcmp(name, entry->ifa_name) != 0 :
			    want ? !same_host(address, want) :
			    !(entry->ifa_flags & IFF_LOOPBACK) == loopback)
				continue;
			memset(out, 0, sizeof(*out));
			memcpy(out, address, fabric_address_size(address));
			error = 0;
		}
	}
	freeifaddrs(all);
	return error;
}

/* "eth0 10.0.0.1, lo 127.0.0.1": what could have been named. */
static void list_addresses(char *text, size_t size)
{
	struct ifaddrs *all, *entry;
	char host[INET6_ADDRSTRLEN];
	size_t at = 0;
	uint16_t port;

	text[0] = 0;
	if (getifaddrs(&all))
		return;
	for (entry = all; entry && at < size; entry = entry->ifa_next) {
		if (!usable(entry) ||
		    fabric_host_port((const void *)entry->ifa_addr, host, sizeof(host), &port))
			continue;
		at += rm_format(text + at, size - at, "%s%s %s", at ? ", " : "",
		                entry->ifa_name, host);
	}
	freeifaddrs(all);
}

static int choose_address(const char *named, char *host, size_t host_size, char *why,
                          size_t why_size)
{
	union fabric_address want, found;
	char there[160];
	uint16_t port;
	int error;

	memset(&want, 0, sizeof(want));
	if (!named[0]) {
		if (default_source(AF_INET, &found) && find_address(NULL, NULL, false, &found) &&
		    default_source(AF_INET6, &found) && find_address(NULL, NULL, true, &found)) {
			rm_format(why, why_size, "no network interface is up, not even loopback");
			return -EADDRNOTAVAIL;
		}
		return fabric_host_port(&found, host, host_size, &port);
	}
	if (inet_pton(AF_INET, named, &want.v4.sin_addr) == 1)
		want.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, named, &want.v6.sin6_addr) == 1)
		want.any.sa_family = AF_INET6;
	error = want.any.sa_family ? find_address(NULL, &want, false, &found)
	                           : find_address(named, NULL, false, &found);
	if (!error)
		return fabric_host_port(&found, host, host_size, &port);
	list_addresses(there, sizeof(there));
	rm_format(why, why_size, "this host has no interface or address '%s' that is up "
	          "(RMMAP_FABRIC); it has: %s", named, there);
	return -EADDRNOTAVAIL;
}

/* What we ask for: reliable datagrams, messages, one-sided reads. */
static struct fi_info *wanted(const char *provider, int more_modes)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return NULL;
	hints->caps = FI_MSG | FI_RMA | FI_READ | FI_REMOTE_READ;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode = FABRIC_MR_MODES | more_modes;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
	hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
	hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
	if (provider[0]) {
		hints->fabric_attr->prov_name = strdup(provider);
		if (!hints->fabric_attr->prov_name) {
			fi_freeinfo(hints);
			return NULL;
		}
	}
	return hints;
}

/* shm stays on one host; udp;ofi_rxd loses to tcp everywhere and crawls. */
static const char *const preferred[] = {
	"verbs;ofi_rxm", "efa", "psm3", "tcp;ofi_rxm", "tcp", "net", "sockets",
};

static int rank(const char *provider)
{
	size_t i, count = sizeof(preferred) / sizeof(preferred[0]);

	for (i = 0; i < count && strcmp(preferred[i], provider) != 0; i++)
		;
	return (int)i;
}

/* provider itself, or over the utility that makes datagrams of its connections. */
static int match(const char *named, const char *provider)
{
	size_t length = strlen(named);

	if (!strcmp(named, provider))
		return 0;
	return !strncmp(named, provider, length) && !strcmp(provider + length, ";ofi_rxm") ? 1 : 2;
}

static bool is_verbs(const char *provider)
{
	return !strcmp(provider, "verbs") || !strncmp(provider, "verbs;", 6);
}

/* Processes of one host have layers by their descriptors. */
static bool stays_here(const struct fi_info *info)
{
	return info->ep_attr->protocol == FI_PROTO_SHM;
}

/* Take the best one out of the list, free the rest. Some ask for modes that we do not have. */
static struct fi_info *best(struct fi_info *list, const char *named, bool rdma, int modes)
{
	struct fi_info *entry, *found = NULL, *copy;
	int place, found_place = named[0] ? 2 : rank("");

	for (entry = list; entry; entry = entry->next) {
		const char *provider = entry->fabric_attr->prov_name;

		place = named[0] ? match(named, provider) : rank(provider);
		if (place < found_place && !stays_here(entry) &&
		    !(entry->domain_attr->mr_mode & ~modes) &&
		    (named[0] || rdma || !is_verbs(provider))) {
			found = entry;
			found_place = place;
		}
	}
	copy = found ? fi_dupinfo(found) : NULL;
	fi_freeinfo(list);
	return copy;
}

/* "tcp, net, sockets": what would have worked on some address of this host. */
static void list_providers(char *text, size_t size)
{
	struct fi_info *hints = wanted("", 0), *list = NULL, *entry;
	size_t at = 0, length;
	unsigned seen = 0;

	text[0] = 0;
	if (hints && !fi_getinfo(FABRIC_API, NULL, NULL, 0, hints, &list)) {
		for (entry = list; entry; entry = entry->next) {
			const char *provider = entry->fabric_attr->prov_name;
			int place = rank(provider);

			if (place == rank("") || seen >> place & 1 || at >= size)
				continue;
			seen |= 1u << place;
			length = strcspn(provider, ";");
			at += rm_format(text + at, size - at, "%s%.*s", at ? ", " : "",
			                (int)length, provider);
		}
		fi_freeinfo(list);
	}
	if (hints)
		fi_freeinfo(hints);
	if (!at)
		rm_format(text, size, "none that reads over a network");
}

/* Is provider, without what it is layered under, one of that list? */
static bool listed(const char *list, const char *provider)
{
	size_t length = strcspn(provider, ";");
	const char *at;

	for (at = list; *at; at += strcspn(at, ","), at += strspn(at, ", "))
		if (strcspn(at, ",") == length && !strncmp(at, provider, length))
			return true;
	return false;
}

/* rdma: verbs may be taken where no provider is named. */
static int get_info(const char *provider, const char *host, uint16_t port, bool rdma,
                    int more_modes, struct fi_info **info)
{
	struct fi_info *hints = wanted(provider, more_modes), *list = NULL;
	char service[8];
	int error;

	if (!hints)
		return -ENOMEM;
	rm_format(service, sizeof(service), "%u", port);
	error = fi_getinfo(FABRIC_API, host, port ? service : NULL, FI_SOURCE, hints, &list);
	fi_freeinfo(hints);
	if (error)
		return error;
	*info = best(list, provider, rdma, FABRIC_MR_MODES | more_modes);
	return *info ? 0 : -FI_ENODATA;
}

/* There, but with keys that are longer than messages have room for? */
static bool long_keys(const char *provider, const char *host)
{
	struct fi_info *info;
	int error = get_info(provider, host, 0, true, FI_MR_RAW, &info);

	if (!error)
		fi_freeinfo(info);
	return !error;
}

static int choose_named(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again,
                        bool rdma, struct fi_info **info, char *why, size_t why_size)
{
	const char *provider = again ? again->provider : spec->provider;
	char host[INET6_ADDRSTRLEN], there[128];
	uint16_t port = spec->port;
	int error;

	error = again ? fabric_numeric(again, host, sizeof(host), &port)
	              : choose_address(spec->address, host, sizeof(host), why, why_size);
	if (error)
		return error;
	error = get_info(provider, host, port, rdma, 0, info);
	if (!error)
		return 0;
	list_providers(there, sizeof(there));
	if (error != -FI_ENODATA)
		rm_format(why, why_size, "libfabric: %s", fi_strerror(-error));
	else if (!provider[0])
		rm_format(why, why_size, "no libfabric provider can read over %s; this libfabric "
		          "has: %s", host, there);
	else if (long_keys(provider, host))
		rm_format(why, why_size, "provider '%s' has memory keys that must be mapped by who "
		          "reads (FI_MR_RAW), which rmmap does not do; this libfabric also has: %s",
		          provider, there);
	else if (listed(there, provider))
		rm_format(why, why_size, "provider '%s' cannot use the address %s: name another "
		          "address or interface in RMMAP_FABRIC", provider, host);
	else
		rm_format(why, why_size, "unknown provider '%s'; this libfabric has: %s",
		          provider, there);
	if (error == -FI_ENODATA)
		error = provider[0] && !listed(there, provider) ? -EINVAL : -EADDRNOTAVAIL;
	return error;
}

/*
 * verbs on an address of this host: rdma_cm knows which are an RDMA device's. The default
 * route's comes first, then whatever is up: a cluster's RDMA network often has no route out.
 */
static int choose_rdma(uint16_t listen, struct fi_info **info)
{
	char hosts[RDMA_ADDRESSES][INET6_ADDRSTRLEN];
	struct ifaddrs *all = NULL, *entry;
	union fabric_address found;
	unsigned count = 0, i;
	uint16_t port;

	memset(&found, 0, sizeof(found));
	if (!default_source(AF_INET, &found) &&
	    !fabric_host_port(&found, hosts[0], sizeof(hosts[0]), &port))
		count = 1;
	if (getifaddrs(&all))
		all = NULL;
	for (entry = all; entry && count < RDMA_ADDRESSES; entry = entry->ifa_next)
		if (usable(entry) && !(entry->ifa_flags & IFF_LOOPBACK) &&
		    !fabric_host_port((const void *)entry->ifa_addr, hosts[count], sizeof(hosts[0]), &port))
			count++;
	if (all)
		freeifaddrs(all);
	for (i = 0; i < count; i++)
		if (!get_info("verbs;ofi_rxm", hosts[i], listen, true, 0, info))
			return 0;
	return -FI_ENODATA;
}

int fabric_choose(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again, bool rdma,
                  struct fi_info **info, char *why, size_t why_size)
{
	bool any = !again && !spec->provider[0];

	if (any && rdma)
		rdma = rdma_usable(why, why_size) == 1;
	/* An endpoint might still open, and then no connection to it could be made. */
	if (!again && is_verbs(spec->provider) && rdma_usable(why, why_size) < 0)
		return -EINVAL;
	if (!again && !spec->address[0] && (any ? rdma : is_verbs(spec->provider)) &&
	    !choose_rdma(spec->port, info))
		return 0;
	return choose_named(spec, again, rdma, info, why, why_size);
}
