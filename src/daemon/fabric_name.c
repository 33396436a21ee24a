/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_name.c - an address from numbers, where no handle says it
 *
 * Worker thread only. Nothing is looked up: that may take long.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/say.h"
#include "fabric.h"

union socket_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

int fabric_addr_of(const struct fabric *fabric, const char *host, uint16_t port,
                   struct rm_fabric_addr *addr, char *why, size_t why_size)
{
	union socket_name name = { .any.sa_family = AF_UNSPEC };
	size_t size = sizeof(name.v4);

	*addr = *fabric_addr(fabric);
	if (addr->addr_format != FI_SOCKADDR && addr->addr_format != FI_SOCKADDR_IN &&
	    addr->addr_format != FI_SOCKADDR_IN6) {
		rm_format(why, why_size, "provider %s has no addresses of a host and a port: name "
		          "another one in RMMAP_FABRIC", addr->provider);
		return -ENOTSUP;
	}
	if (inet_pton(AF_INET, host, &name.v4.sin_addr) == 1) {
		name.v4.sin_family = AF_INET;
		name.v4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, host, &name.v6.sin6_addr) == 1) {
		name.v6.sin6_family = AF_INET6;
		name.v6.sin6_port = htons(port);
		size = sizeof(name.v6);
	} else {
		rm_format(why, why_size, "the other host's address is none");
		return -EINVAL;
	}
	/* of another family it is refused as an address in a handle is, by fabric_peer() */
	memset(addr->name, 0, sizeof(addr->name));
	memcpy(addr->name, &name, size);
	addr->length = (uint8_t)size;
	if (addr->addr_format != FI_SOCKADDR)
		addr->addr_format = name.any.sa_family == AF_INET ? FI_SOCKADDR_IN : FI_SOCKADDR_IN6;
	return 0;
}
