/* SPDX-License-Identifier: BSD-2-Clause */
/* info.c - what others ask of a remote publication. Worker thread only; does not allocate. */
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../store/visible.h"

uint32_t remotes_count(struct remotes *remotes)
{
	struct remote *remote;
	uint32_t n = 0;

	for (remote = remotes->first; remote; remote = remote->next)
		n += !remote->dying;
	return n;
}

static void remote_describe(const struct remote *remote, struct rm_pub_info *info)
{
	const struct rm_table *table = &remote->table;
	const struct remote_user *user;
	uint32_t i;

	memset(info, 0, sizeof(*info));
	rm_short_id(remote->handle.id, info->id);
	info->remote = 1;
	info->unpublished = remote->state == REMOTE_LOST;
	info->root = table->root;
	info->layers = table->layer_count;
	info->segments = table->segment_count;
	for (i = 0; i < table->segment_count; i++)
		info->bytes += table->segments[i].length;
	info->data_bytes = remote->data_bytes;
	for (user = remote->users; user; user = user->next)
		info->attached += !user->done;
	info->admitted = remote->admitted;
	info->age_ms = (rm_now_ns() - remote->created_ns) / 1000000;
	info->expires_ms = UINT64_MAX;
	info->slot = rm_slot_of(table->root);
	info->counters = remote->counters;
	info->relayed_bytes = remote->helper.bytes;
	info->served_bytes = remote->helper.passed;
}

void remotes_list(struct remotes *remotes, void (*each)(void *arg, const struct rm_pub_info *info),
                  void *arg)
{
	struct rm_pub_info info;
	struct remote *remote;

	for (remote = remotes->first; remote; remote = remote->next) {
		if (remote->dying || !remote->users || remote->state == REMOTE_ASKING ||
		    !remote->caches)
			continue;
		remote_describe(remote, &info);
		each(arg, &info);
	}
}

int remote_table_fd(const struct remote *remote, uint64_t *size)
{
	*size = remote->table_size;
	return remote->table_fd;
}

uint32_t remote_layers(const struct remote *remote)
{
	return remote->table.layer_count;
}

int remote_layer_fd(const struct remote *remote, uint32_t layer)
{
	return remote->caches[layer].fd;
}

const uint64_t *remote_visible(const struct remote *remote, uint32_t layer, bool *whole)
{
	*whole = visible_whole(&remote->table, remote->visible, layer);
	return remote->visible[layer];
}

bool remote_complete(const struct remote *remote)
{
	return !remote->absent;
}

uint64_t remote_absent(const struct remote *remote)
{
	return remote->absent;
}

const char *remote_provider(const struct remote *remote)
{
	return remote->handle.fabric.provider;
}

const struct rm_table *remote_table(const struct remote *remote)
{
	return &remote->table;
}

bool remote_present(const struct remote *remote, uint32_t layer, uint64_t page)
{
	return cache_has(&remote->caches[layer], page);
}

struct rm_counters *remote_counters(struct remote *remote)
{
	return &remote->counters;
}

bool remote_wanted(const struct remote *remote, uint32_t layer, uint64_t page)
{
	const struct cache *cache = &remote->caches[layer];

	return !cache_has(cache, page) && !rm_bit(cache->inflight, page);
}

bool remote_is_huge(const struct remote *remote, uint32_t layer, uint64_t page)
{
	return cache_is_huge(&remote->caches[layer], page);
}

const void *remote_data(const struct remote *remote, uint32_t layer, uint64_t page)
{
	return remote->caches[layer].map + page * RM_PAGE;
}

uint64_t remote_generation(const struct remote *remote)
{
	return remote->record;
}

bool remote_shares(const struct remote *remote, uint32_t layer, uint64_t generation)
{
	return remote->caches[layer].generation <= generation;
}

uint64_t remote_missing(const struct remote *remote, uint32_t layer, uint64_t page, uint64_t end)
{
	return cache_absent(&remote->caches[layer], page, end);
}

uint64_t remote_origin(const struct remote *remote)
{
	return remote->origin;
}

struct remote *remotes_find_origin(struct remotes *remotes, uint64_t origin)
{
	struct remote *remote = remotes->first;

	while (remote && (remote->origin != origin || remote->dying))
		remote = remote->next;
	return remote;
}

struct context *remote_context(const struct remote *remote)
{
	return remote->remotes->context;
}

const uint8_t *remote_id(const struct remote *remote)
{
	return remote->handle.id;
}

const char *remote_why(const struct remote *remote)
{
	return remote->why;
}

bool remote_find_layer(const struct remote *remote, const struct rm_layer_desc *desc,
                       uint32_t *layer)
{
	uint32_t i;

	if (remote->dying || remote->state == REMOTE_ASKING || !remote->caches)
		return false;
	for (i = 0; i < remote->table.layer_count; i++) {
		const struct rm_layer_desc *ours = &remote->table.layers[i];

		if (ours->length != desc->length || memcmp(ours->id, desc->id, RM_ID_BYTES))
			continue;
		*layer = i;
		return true;
	}
	return false;
}

struct remote *remotes_find_layer(struct remotes *remotes, const struct rm_layer_desc *desc,
                                  uint32_t *layer)
{
	struct remote *remote = remotes->first;

	while (remote && !remote_find_layer(remote, desc, layer))
		remote = remote->next;
	return remote;
}
