/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * providers.c - the table of providers, and questions about a provider's name
 *
 * Pure. Does not allocate.
 */
#include <string.h>

#include "../../common/say.h"
#include "providers.h"

#define LAYER ";ofi_rxm"

/*
 * Not listed, and so never chosen: shm, which stays on one host, and udp;ofi_rxd, which is slower
 * than tcp everywhere.
 */
const struct provider providers[] = {
	{ .name = "verbs", .layered = true, .device = true },
	{ .name = "efa" },
	{ .name = "psm3" },
	{ .name = "tcp", .layered = true, .tcp = true },
	{ .name = "tcp", .tcp = true },
	{ .name = "net", .tcp = true },
	{ .name = "sockets", .tcp = true },
};
const unsigned provider_count = sizeof(providers) / sizeof(providers[0]);

size_t provider_base_length(const char *name)
{
	return strcspn(name, ";");
}

bool provider_layered(const char *name)
{
	return strcmp(name + provider_base_length(name), LAYER) == 0;
}

static bool provider_is_of_row(const struct provider *row, const char *name)
{
	size_t length = provider_base_length(name);

	return strlen(row->name) == length && strncmp(row->name, name, length) == 0;
}

unsigned provider_rank(const char *name)
{
	const char *layer = name + provider_base_length(name);
	unsigned i;

	for (i = 0; i < provider_count; i++)
		if (provider_is_of_row(&providers[i], name) &&
		    strcmp(layer, providers[i].layered ? LAYER : "") == 0)
			break;
	return i;
}

void provider_full_name(const struct provider *provider, char name[RM_PROVIDER_MAX])
{
	rm_format(name, RM_PROVIDER_MAX, "%s%s", provider->name, provider->layered ? LAYER : "");
}

enum provider_match provider_match(const char *asked, const char *name)
{
	size_t length = strlen(asked);

	if (strcmp(asked, name) == 0)
		return PROVIDER_SAME;
	return strncmp(asked, name, length) == 0 && strcmp(name + length, LAYER) == 0 ?
	       PROVIDER_LAYERED : PROVIDER_OTHER;
}

bool provider_fits(const char *asked, const char *name)
{
	size_t length = strlen(asked);

	return strncmp(asked, name, length) == 0 && (!name[length] || name[length] == ';');
}

/* The facts that do not depend on the layer: of the first row with the name, or of none. */
static const struct provider *provider_find(const char *name)
{
	for (unsigned i = 0; i < provider_count; i++)
		if (provider_is_of_row(&providers[i], name))
			return &providers[i];
	return NULL;
}

bool provider_has_device(const char *name)
{
	const struct provider *provider = provider_find(name);

	return provider && provider->device;
}

bool provider_uses_tcp(const char *name)
{
	const struct provider *provider = provider_find(name);

	return provider && provider->tcp;
}
