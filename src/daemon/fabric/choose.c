/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choose.c - which provider to open, on which address
 *
 * With no provider named, the best of providers.c is taken that can be opened here. A device is
 * taken only if rdma.c says that it is usable, since libfabric may open one that nothing can
 * connect to.
 *
 * Worker thread only. Allocates what libfabric does, and frees it.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../common/say.h"
#include "internal.h"
#include "providers.h"
#include "rdma.h"

#define RDMA_ADDRESSES 32       /* of this host, tried in turn */

/*
 * The process is rmmapd's own. So its environment is overwritten: the program that started rmmapd
 * may have variables of libfabric there for its MPI.
 *
 * FI_PROVIDER: libfabric would hide all providers but the named ones. RMMAP_FABRIC decides.
 * FI_MR_CACHE_*: the registration cache would keep keys of closed regions open, so that a revoked
 * reader could go on reading; and it conflicts with userfaultfd.
 * FI_UNIVERSE_SIZE: ofi_rxm multiplies its queues by it, and more than 64 is beyond what some RDMA
 * devices have.
 * FI_AV_REMOVE_CLEANUP: after a remote access error (a key that was closed) an RDMA connection is
 * dead and neither end hangs up. Removing the address has to close it.
 * FI_OFI_RXM_*: messages are small and few; ofi_rxm would keep 4,096 buffers of 16 KiB over tcp.
 */
void fabric_environment(void)
{
	unsetenv("FI_PROVIDER");
	setenv("FI_MR_CACHE_MAX_COUNT", "0", 1);
	setenv("FI_MR_CACHE_MONITOR", "disabled", 1);
	setenv("FI_UNIVERSE_SIZE", "64", 1);
	setenv("FI_AV_REMOVE_CLEANUP", "1", 1);
	setenv("FI_OFI_RXM_MSG_RX_SIZE", "128", 1);
	setenv("FI_OFI_RXM_BUFFER_SIZE", "4096", 1);
}

/* Hints: reliable datagrams, messages, one-sided reads. provider may be "". NULL: no memory. */
static struct fi_info *hints_new(const char *provider, int more_modes)
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

/* No use: processes of one host get the layers of a publication by their descriptors. */
static bool info_is_local(const struct fi_info *info)
{
	return info->ep_attr->protocol == FI_PROTO_SHM;
}

/*
 * Return a copy of the best entry of list, and free the list. named, if it is not "", has to be the
 * entry's provider, with or without the layer; rdma: a device may be taken though none is named.
 * Entries that demand an mr_mode outside of modes are passed over.
 */
static struct fi_info *info_best(struct fi_info *list, const char *named, bool rdma, int modes)
{
	struct fi_info *entry, *found = NULL, *copy;
	unsigned place, found_place = named[0] ? PROVIDER_OTHER : provider_count;

	for (entry = list; entry; entry = entry->next) {
		const char *provider = entry->fabric_attr->prov_name;

		place = named[0] ? (unsigned)provider_match(named, provider)
		                 : provider_rank(provider);
		if (place < found_place && !info_is_local(entry) &&
		    !(entry->domain_attr->mr_mode & ~modes) &&
		    (named[0] || rdma || !provider_has_device(provider))) {
			found = entry;
			found_place = place;
		}
	}
	copy = found ? fi_dupinfo(found) : NULL;
	fi_freeinfo(list);
	return copy;
}

/* "tcp, net, sockets": the providers that work on some address of this host. */
static void providers_list(char *text, size_t size)
{
	struct fi_info *hints = hints_new("", 0), *list = NULL, *entry;
	size_t at = 0, length;
	unsigned seen = 0;

	text[0] = 0;
	if (hints && !fi_getinfo(FABRIC_API, NULL, NULL, 0, hints, &list)) {
		for (entry = list; entry; entry = entry->next) {
			const char *provider = entry->fabric_attr->prov_name;
			unsigned place = provider_rank(provider);

			if (place == provider_count || seen >> place & 1 || at >= size)
				continue;
			seen |= 1u << place;
			length = provider_base_length(provider);
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

/* Is provider, without its layer, in a list that providers_list() made? */
static bool providers_listed(const char *list, const char *provider)
{
	size_t length = provider_base_length(provider);
	const char *at;

	for (at = list; *at; at += strcspn(at, ","), at += strspn(at, ", "))
		if (strcspn(at, ",") == length && !strncmp(at, provider, length))
			return true;
	return false;
}

/*
 * The best entry for provider ("": any) on host. rdma: a device may be taken though no provider is
 * named. libfabric looks for RDMA devices only at the process's first fi_getinfo(), so a worker
 * that began while no port was active has no verbs until it ends. 0 or -errno (-FI_ENODATA: none).
 */
static int info_get(const char *provider, const char *host, uint16_t port, bool rdma,
                    int more_modes, struct fi_info **info)
{
	struct fi_info *hints = hints_new(provider, more_modes), *list = NULL;
	char service[8];
	int error;

	if (!hints)
		return -ENOMEM;
	rm_format(service, sizeof(service), "%u", port);
	error = fi_getinfo(FABRIC_API, host, port ? service : NULL, FI_SOURCE, hints, &list);
	fi_freeinfo(hints);
	if (error)
		return error;
	*info = info_best(list, provider, rdma, FABRIC_MR_MODES | more_modes);
	return *info ? 0 : -FI_ENODATA;
}

/* Does libfabric have the provider, but with keys longer than messages have room for? */
static bool provider_has_long_keys(const char *provider, const char *host)
{
	struct fi_info *info;
	int error = info_get(provider, host, 0, true, FI_MR_RAW, &info);

	if (!error)
		fi_freeinfo(info);
	return !error;
}

/* On the address that spec names, or again has: the provider named, or else the best one. */
static int choose_named(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again,
                        bool rdma, struct fi_info **info, char *why, size_t why_size)
{
	const char *provider = again ? again->provider : spec->provider;
	char host[FABRIC_HOST_MAX], there[128];
	uint16_t port = spec->port;
	int error;

	error = again ? fabric_numeric(again, host, sizeof(host), &port)
	              : fabric_address_here(spec->address, host, sizeof(host), why, why_size);
	if (error)
		return error;
	error = info_get(provider, host, port, rdma, 0, info);
	if (!error)
		return 0;
	providers_list(there, sizeof(there));
	if (error != -FI_ENODATA)
		rm_format(why, why_size, "libfabric: %s", fi_strerror(-error));
	else if (!provider[0])
		rm_format(why, why_size, "no libfabric provider can read over %s; this libfabric "
		          "has: %s", host, there);
	else if (provider_has_long_keys(provider, host))
		rm_format(why, why_size, "provider '%s' has memory keys that must be mapped by who "
		          "reads (FI_MR_RAW), which rmmap does not do; this libfabric also has: %s",
		          provider, there);
	else if (providers_listed(there, provider))
		rm_format(why, why_size, "provider '%s' cannot use the address %s: name another "
		          "address or interface in RMMAP_FABRIC", provider, host);
	else
		rm_format(why, why_size, "unknown provider '%s'; this libfabric has: %s",
		          provider, there);
	if (error == -FI_ENODATA)
		error = provider[0] && !providers_listed(there, provider) ? -EINVAL
		                                                          : -EADDRNOTAVAIL;
	return error;
}

/*
 * The addresses of this host that may be an RDMA device's: the one of the default route first, then
 * all others that are up, since a cluster's RDMA network often has no route out. Their number.
 */
static unsigned rdma_addresses(char hosts[RDMA_ADDRESSES][FABRIC_HOST_MAX])
{
	struct ifaddrs *all = NULL, *entry;
	union fabric_address found;
	unsigned count = 0;
	uint16_t port;

	memset(&found, 0, sizeof(found));
	if (!fabric_default_source(AF_INET, &found) &&
	    !fabric_host_port(&found, hosts[0], sizeof(hosts[0]), &port))
		count = 1;
	if (getifaddrs(&all))
		all = NULL;
	for (entry = all; entry && count < RDMA_ADDRESSES; entry = entry->ifa_next)
		if (fabric_usable(entry) && !(entry->ifa_flags & IFF_LOOPBACK) &&
		    !fabric_host_port((const void *)entry->ifa_addr, hosts[count], sizeof(hosts[0]),
		                      &port))
			count++;
	if (all)
		freeifaddrs(all);
	return count;
}

/* A device's provider on an address of this host: rdma_cm knows which addresses are a device's. */
static int choose_rdma(uint16_t listen, struct fi_info **info)
{
	char hosts[RDMA_ADDRESSES][FABRIC_HOST_MAX], provider[RM_PROVIDER_MAX];
	unsigned count = rdma_addresses(hosts);

	for (unsigned row = 0; row < provider_count; row++) {
		if (!providers[row].device)
			continue;
		provider_full_name(&providers[row], provider);
		for (unsigned i = 0; i < count; i++)
			if (!info_get(provider, hosts[i], listen, true, 0, info))
				return 0;
	}
	return -FI_ENODATA;
}

int fabric_choose(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again, bool rdma,
                  struct fi_info **info, char *why, size_t why_size)
{
	bool any = !again && !spec->provider[0];

	if (any && rdma)
		rdma = rdma_usable(why, why_size) == 1;
	/* An endpoint on an unusable device might open, but no connection to it could be made. */
	if (!again && provider_has_device(spec->provider) && rdma_usable(why, why_size) < 0)
		return -EINVAL;
	if (!again && !spec->address[0] && (any ? rdma : provider_has_device(spec->provider)) &&
	    !choose_rdma(spec->port, info))
		return 0;
	return choose_named(spec, again, rdma, info, why, why_size);
}

void fabric_failed(const struct fi_info *info, int error, char *why, size_t why_size)
{
	const char *provider = info->fabric_attr->prov_name;
	char host[FABRIC_HOST_MAX];
	uint16_t port = 0;

	if (!info->src_addr || fabric_host_port(info->src_addr, host, sizeof(host), &port))
		port = 0;
	if (error == -FI_EADDRINUSE && port)
		rm_format(why, why_size, "port %u of %s is in use by another program: name another "
		          "one in RMMAP_FABRIC, or none for a free one", port, host);
	else if (error == -FI_EACCES && port)
		rm_format(why, why_size, "port %u of %s may not be opened by this user: name one "
		          "from 1024 on in RMMAP_FABRIC, or none for a free one", port, host);
	else
		rm_format(why, why_size, "libfabric provider %s cannot be opened: %s", provider,
		          error == -EKEYREVOKED ?
		          "it does not close memory keys, so that nothing could be revoked" :
		          fi_strerror(-error));
}
