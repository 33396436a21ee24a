/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_address.c - what is in a provider's addresses, as far as they are sockaddrs
 *
 * Worker thread only. Does not allocate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "../common/say.h"
#include "fabric_internal.h"

socklen_t fabric_address_size(const union fabric_address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return sizeof(address->v4);
	case AF_INET6:
		return sizeof(address->v6);
	default:
		return 0;
	}
}

/* Numeric host and port; getnameinfo() could do it, but may look into files. */
int fabric_host_port(const union fabric_address *address, char *host, size_t size,
                     uint16_t *port)
{
	bool v4 = address->any.sa_family == AF_INET;
	const void *ip = v4 ? (const void *)&address->v4.sin_addr
	                    : (const void *)&address->v6.sin6_addr;

	if (!fabric_address_size(address) || !inet_ntop(address->any.sa_family, ip, host, (socklen_t)size))
		return -EINVAL;
	*port = ntohs(v4 ? address->v4.sin_port : address->v6.sin6_port);
	return 0;
}

int fabric_numeric(const struct rm_fabric_addr *addr, char *host, size_t host_size, uint16_t *port)
{
	union fabric_address address;

	memset(&address, 0, sizeof(address));
	if (addr->length > sizeof(address.bytes))
		return -EINVAL;
	memcpy(address.bytes, addr->name, addr->length);
	if (addr->length < sizeof(sa_family_t) || addr->length < fabric_address_size(&address))
		return -EINVAL;
	return fabric_host_port(&address, host, host_size, port);
}

/* One can be inserted where the other is: the same format, and of sockaddrs the same family. */
bool fabric_same_kind(const struct rm_fabric_addr *a, const struct rm_fabric_addr *b)
{
	union fabric_address x, y;

	if (a->addr_format != b->addr_format || a->length != b->length ||
	    a->length > sizeof(x.bytes))
		return false;
	if (a->addr_format != FI_SOCKADDR && a->addr_format != FI_SOCKADDR_IN &&
	    a->addr_format != FI_SOCKADDR_IN6)
		return true;
	memset(&x, 0, sizeof(x));
	memset(&y, 0, sizeof(y));
	memcpy(x.bytes, a->name, a->length);
	memcpy(y.bytes, b->name, b->length);
	return x.any.sa_family == y.any.sa_family && a->length >= fabric_address_size(&x);
}

void fabric_network(const void *name, size_t length, uint8_t network[16])
{
	union fabric_address address;
	bool mapped;

	memset(network, 0, 16);
	memset(&address, 0, sizeof(address));
	memcpy(address.bytes, name, length < sizeof(address.bytes) ? length : sizeof(address.bytes));
	if (!fabric_address_size(&address) || length < fabric_address_size(&address)) {
		memcpy(network, address.bytes, 16);
	} else if (address.any.sa_family == AF_INET) {
		network[10] = network[11] = 0xff;
		memcpy(network + 12, &address.v4.sin_addr, 4);
	} else {
		mapped = IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr);
		memcpy(network, &address.v6.sin6_addr, mapped ? 16 : 8);
	}
}

void fabric_addr_text(const struct rm_fabric_addr *addr, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	uint16_t port;

	if (fabric_numeric(addr, host, sizeof(host), &port))
		rm_format(text, size, "%s (address format %u)", addr->provider, addr->addr_format);
	else
		rm_format(text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}
