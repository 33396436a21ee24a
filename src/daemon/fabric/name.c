/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.c - an address made of a numeric host and a port, for a host that no handle names
 *
 * Worker thread only. Does not allocate. Host names are not looked up: that may take long.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "../../common/say.h"
#include "internal.h"

int fabric_addr_of(const struct fabric *fabric, const char *host, uint16_t port,
                   struct rm_fabric_addr *addr, char *why, size_t why_size)
{
	union fabric_address name;
	size_t size;

	*addr = *fabric_addr(fabric);
	if (!fabric_has_sockaddr(addr)) {
		rm_format(why, why_size, "provider %s has no addresses of a host and a port: name "
		          "another one in RMMAP_FABRIC", addr->provider);
		return -ENOTSUP;
	}
	if (fabric_host_parse(host, &name)) {
		rm_format(why, why_size, "the other host's address is none");
		return -EINVAL;
	}
	*(name.any.sa_family == AF_INET ? &name.v4.sin_port : &name.v6.sin6_port) = htons(port);
	size = fabric_address_size(&name);
	/* fabric_peer() refuses an address of another family, as it does for one in a handle. */
	memset(addr->name, 0, sizeof(addr->name));
	memcpy(addr->name, &name, size);
	addr->length = (uint8_t)size;
	if (addr->addr_format != FI_SOCKADDR)
		addr->addr_format = name.any.sa_family == AF_INET ? FI_SOCKADDR_IN
		                                                  : FI_SOCKADDR_IN6;
	return 0;
}
