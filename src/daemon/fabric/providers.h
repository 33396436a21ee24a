/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * providers.h - the one table of libfabric's providers
 *
 * All facts that depend on a provider's name are here: which one is preferred, which ones are
 * used through the layer ofi_rxm, which one is an RDMA device's, which ones connect over TCP.
 * To add a provider, add a row in providers.c. What fi_getinfo() answers for itself (mr_mode,
 * key size, limits, address format) is not repeated here.
 *
 * A name is libfabric's, as fi_info has it: "verbs;ofi_rxm", with the layer behind the provider.
 * Pure: any thread may call these; nothing is allocated and libfabric is not called.
 */
#ifndef RM_PROVIDERS_H
#define RM_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "../../common/handle.h"

/* What is opened for messages where the current fabric has a device whose ports are down. */
#define PROVIDER_FALLBACK "tcp"

struct provider {
	const char *name;       /* without the layer */
	bool layered;           /* over ofi_rxm, which makes datagrams of its connections */
	bool device;            /* an RDMA device's; if not named, taken only if one is usable */
	bool tcp;               /* its endpoints listen on a TCP port, which their address names */
};

/* In order of preference. Providers that are not listed are used only if they are named. */
extern const struct provider providers[];
extern const unsigned provider_count;

/* The row of exactly this name, with the layer: the smaller the better; or provider_count. */
unsigned provider_rank(const char *name);
/* The row's name with the layer, as fi_getinfo() takes it. */
void provider_full_name(const struct provider *provider, char name[RM_PROVIDER_MAX]);

enum provider_match { PROVIDER_SAME, PROVIDER_LAYERED, PROVIDER_OTHER };
/* Does name fulfil what was asked for: the same name, or the one asked for over ofi_rxm? */
enum provider_match provider_match(const char *asked, const char *name);
/* Is name the provider asked for, over whatever layer? "tcp" asks for "tcp;ofi_rxm" too. */
bool provider_fits(const char *asked, const char *name);

/* The length of name without its layer. */
size_t provider_base_length(const char *name);
bool provider_layered(const char *name);        /* directly over ofi_rxm, and nothing above that */
bool provider_has_device(const char *name);
bool provider_uses_tcp(const char *name);

#endif
