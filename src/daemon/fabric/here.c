/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * here.c - which address of this host to listen on
 *
 * Never "all addresses": rmmapd listens where its handles say, and nowhere else.
 *
 * Worker thread only. Allocates nothing itself; getifaddrs() does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/say.h"
#include "internal.h"

int fabric_default_source(int family, union fabric_address *out)
{
	union fabric_address to = { .any.sa_family = (sa_family_t)family };
	socklen_t size = sizeof(*out);
	int fd, error = 0;

	if (family == AF_INET)
		inet_pton(family, "192.0.2.1", &to.v4.sin_addr);
	else
		inet_pton(family, "2001:db8::1", &to.v6.sin6_addr);
	/* v4 and v6 have the port in the same place. Connecting a UDP socket sends nothing. */
	to.v4.sin_port = htons(9);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &to.any, fabric_address_size(&to)) || getsockname(fd, &out->any, &size))
		error = -errno;
	close(fd);
	return error;
}

/* Up, with an IPv4 or IPv6 address. */
static bool interface_up(const struct ifaddrs *entry)
{
	const union fabric_address *address = (const void *)entry->ifa_addr;

	return address && (entry->ifa_flags & IFF_UP) && fabric_address_size(address);
}

bool fabric_usable(const struct ifaddrs *entry)
{
	return interface_up(entry) && !fabric_link_local((const void *)entry->ifa_addr);
}

/* Without a scope in b, any interface will do. */
static bool address_same_host(const union fabric_address *a, const union fabric_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) &&
	       (!b->v6.sin6_scope_id || a->v6.sin6_scope_id == b->v6.sin6_scope_id);
}

/*
 * Is entry what was asked for: of the interface called name; else equal to want; else, if both are
 * NULL, a loopback interface or not?
 */
static bool interface_asked_for(const struct ifaddrs *entry, const char *name,
                                const union fabric_address *want, bool loopback)
{
	if (name)
		return !strcmp(name, entry->ifa_name);
	if (want)
		return address_same_host((const void *)entry->ifa_addr, want);
	return !(entry->ifa_flags & IFF_LOOPBACK) != loopback;
}

/*
 * The first address that was asked for: IPv4 before IPv6, and link-local ones last. Those are taken
 * only if an interface or address is named. 0 or -errno.
 */
static int address_find(const char *name, const union fabric_address *want, bool loopback,
                        union fabric_address *out)
{
	static const struct { int family; bool link_local; } kinds[] = {
		{ AF_INET, false }, { AF_INET6, false }, { AF_INET6, true },
	};
	unsigned count = name || want ? 3 : 2;
	struct ifaddrs *all, *entry;
	int error = -EADDRNOTAVAIL;

	if (getifaddrs(&all))
		return -errno;
	for (unsigned i = 0; i < count && error; i++) {
		for (entry = all; entry && error; entry = entry->ifa_next) {
			const union fabric_address *address = (const void *)entry->ifa_addr;

			if (!interface_up(entry) || address->any.sa_family != kinds[i].family ||
			    fabric_link_local(address) != kinds[i].link_local ||
			    !interface_asked_for(entry, name, want, loopback))
				continue;
			memset(out, 0, sizeof(*out));
			memcpy(out, address, fabric_address_size(address));
			error = 0;
		}
	}
	freeifaddrs(all);
	return error;
}

/* "eth0 10.0.0.1, lo 127.0.0.1": the addresses that could have been named. */
static void addresses_list(char *text, size_t size)
{
	struct ifaddrs *all, *entry;
	char host[FABRIC_HOST_MAX];
	size_t at = 0;
	uint16_t port;

	text[0] = 0;
	if (getifaddrs(&all))
		return;
	for (entry = all; entry && at < size; entry = entry->ifa_next) {
		if (!interface_up(entry) ||
		    fabric_host_port((const void *)entry->ifa_addr, host, sizeof(host), &port))
			continue;
		at += rm_format(text + at, size - at, "%s%s %s", at ? ", " : "",
		                entry->ifa_name, host);
	}
	freeifaddrs(all);
}

int fabric_address_here(const char *named, char *host, size_t host_size, char *why,
                        size_t why_size)
{
	union fabric_address want, found;
	char there[256];
	uint16_t port;
	int error;

	if (!named[0]) {
		if (fabric_default_source(AF_INET, &found) &&
		    address_find(NULL, NULL, false, &found) &&
		    fabric_default_source(AF_INET6, &found) &&
		    address_find(NULL, NULL, true, &found)) {
			rm_format(why, why_size, "no network interface is up, not even loopback");
			return -EADDRNOTAVAIL;
		}
		return fabric_host_port(&found, host, host_size, &port);
	}
	error = fabric_host_parse(named, &want) == 0 ? address_find(NULL, &want, false, &found)
	                                             : address_find(named, NULL, false, &found);
	if (!error)
		return fabric_host_port(&found, host, host_size, &port);
	addresses_list(there, sizeof(there));
	rm_format(why, why_size, "this host has no interface or address '%s' that is up "
	          "(RMMAP_FABRIC); it has: %s", named, there);
	return -EADDRNOTAVAIL;
}
