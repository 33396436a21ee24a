/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * address.c - what is in a provider's addresses, as far as they are sockaddrs
 *
 * name[] of an address may come from another host. So it is copied into a union before it is looked
 * at, and its length is compared with the size that its family demands.
 *
 * Worker thread only. Does not allocate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "../../common/number.h"
#include "../../common/say.h"
#include "internal.h"
#include "providers.h"

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

bool fabric_link_local(const union fabric_address *address)
{
	return address->any.sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LINKLOCAL(&address->v6.sin6_addr);
}

int fabric_host_parse(const char *host, union fabric_address *out)
{
	char text[INET6_ADDRSTRLEN];
	size_t length = strcspn(host, "%");
	uint64_t scope;

	memset(out, 0, sizeof(*out));
	if (length >= sizeof(text))
		return -EINVAL;
	memcpy(text, host, length);
	text[length] = '\0';
	if (!host[length] && inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
		out->any.sa_family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1)
		return -EINVAL;
	out->any.sa_family = AF_INET6;
	if (!host[length])
		return 0;
	scope = if_nametoindex(host + length + 1);
	if (!scope && rm_parse_number(host + length + 1, 1, UINT32_MAX, &scope))
		return -EINVAL;
	out->v6.sin6_scope_id = (uint32_t)scope;
	return 0;
}

/* Append "%eth0", or "%2" if this host has no interface of that number. */
static void host_add_scope(const union fabric_address *address, char *host, size_t size)
{
	char name[IF_NAMESIZE];
	size_t length = strlen(host);

	if (if_indextoname(address->v6.sin6_scope_id, name))
		rm_format(host + length, size - length, "%%%s", name);
	else if (address->v6.sin6_scope_id)
		rm_format(host + length, size - length, "%%%u", address->v6.sin6_scope_id);
}

/* getnameinfo() could do it, but may look into files. */
int fabric_host_port(const union fabric_address *address, char *host, size_t size,
                     uint16_t *port)
{
	bool v4 = address->any.sa_family == AF_INET;
	const void *ip = v4 ? (const void *)&address->v4.sin_addr
	                    : (const void *)&address->v6.sin6_addr;

	if (!fabric_address_size(address) ||
	    !inet_ntop(address->any.sa_family, ip, host, (socklen_t)size))
		return -EINVAL;
	if (fabric_link_local(address))
		host_add_scope(address, host, size);
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

bool fabric_has_sockaddr(const struct rm_fabric_addr *addr)
{
	return addr->addr_format == FI_SOCKADDR || addr->addr_format == FI_SOCKADDR_IN ||
	       addr->addr_format == FI_SOCKADDR_IN6;
}

/* The same format and length, and for sockaddrs the same family. */
bool fabric_same_kind(const struct rm_fabric_addr *a, const struct rm_fabric_addr *b)
{
	union fabric_address x, y;

	if (a->addr_format != b->addr_format || a->length != b->length ||
	    a->length > sizeof(x.bytes))
		return false;
	if (!fabric_has_sockaddr(a))
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
	bool whole;

	memset(network, 0, 16);
	memset(&address, 0, sizeof(address));
	memcpy(address.bytes, name,
	       length < sizeof(address.bytes) ? length : sizeof(address.bytes));
	if (!fabric_address_size(&address) || length < fabric_address_size(&address)) {
		memcpy(network, address.bytes, 16);
	} else if (address.any.sa_family == AF_INET) {
		network[10] = network[11] = 0xff;
		memcpy(network + 12, &address.v4.sin_addr, 4);
	} else {
		whole = IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr) || fabric_link_local(&address);
		memcpy(network, &address.v6.sin6_addr, whole ? 16 : 8);
	}
}

/* Copy the sockaddr in addr->name. False: it is none. */
static bool address_decode(const struct rm_fabric_addr *addr, union fabric_address *out)
{
	memset(out, 0, sizeof(*out));
	if (addr->length > sizeof(out->bytes))
		return false;
	memcpy(out->bytes, addr->name, addr->length);
	return addr->length >= sizeof(sa_family_t) && addr->length >= fabric_address_size(out) &&
	       fabric_address_size(out);
}

int fabric_scoped(const struct rm_fabric_addr *ours, struct rm_fabric_addr *theirs, char *why,
                  size_t why_size)
{
	union fabric_address here, there;

	if (!address_decode(ours, &here) || !address_decode(theirs, &there) ||
	    !fabric_link_local(&there))
		return 0;
	if (!fabric_link_local(&here)) {
		rm_format(why, why_size, "the other host's address is link-local: name the "
		          "interface that leads to it in RMMAP_FABRIC (tcp@INTERFACE)");
		return -EPROTO;
	}
	there.v6.sin6_scope_id = here.v6.sin6_scope_id;
	memcpy(theirs->name, there.bytes, theirs->length);
	return 0;
}

void fabric_addr_text(const struct rm_fabric_addr *addr, char *text, size_t size)
{
	char host[FABRIC_HOST_MAX];
	uint16_t port;

	if (fabric_numeric(addr, host, sizeof(host), &port))
		rm_format(text, size, "%s (address format %u)", addr->provider, addr->addr_format);
	else if (strcspn(host, "%") < strlen(host))     /* no scope: it may be another host's */
		rm_format(text, size, "[%.*s]:%u", (int)strcspn(host, "%"), host, port);
	else
		rm_format(text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

const struct rm_fabric_addr *fabric_addr(const struct fabric *fabric)
{
	return &fabric->addr;
}

const char *fabric_device(const struct fabric *fabric)
{
	return provider_has_device(fabric->addr.provider) ? fabric->info->domain_attr->name : NULL;
}
