/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pass_on.c - pages of another host's publication that are here, for other readers' hosts
 *
 * peer/ calls this through struct page_source. Worker thread only; does not allocate.
 */
#include <errno.h>

#include "internal.h"

/* One that is read over the same fabric: only there its memory is registered. */
static struct remote *pass_on_find(void *remotes, const struct fabric *fabric,
                                  const uint8_t id[RM_ID_BYTES], const uint8_t **secret)
{
	struct remote *remote = remotes_find(remotes, id);

	if (!remote || !remote->session || remote->fabric != fabric)
		return NULL;
	*secret = remote->handle.secret;
	return remote;
}

/*
 * The range comes from another host, so it is checked. Absent pages are promised only if this
 * host fetches all pages anyway.
 */
static int pass_on_fetch(struct remote *remote, struct page_wait *waiter)
{
	const struct cache *cache;

	if (waiter->layer >= remote->table.layer_count)
		return -ENODATA;
	cache = &remote->caches[waiter->layer];
	if (waiter->page >= cache->pages || waiter->count > cache->pages - waiter->page)
		return -ENODATA;
	if (cache_absent(cache, waiter->page, waiter->page + waiter->count) && !remote_whole(remote))
		return -ENODATA;
	remote_fetch(remote, NULL, waiter);
	return 0;
}

static void *pass_on_data(struct remote *remote, uint32_t layer, uint64_t page)
{
	return remote->caches[layer].map + page * RM_PAGE;
}

static void pass_on_passed(struct remote *remote, uint64_t bytes)
{
	remote->helper.passed += bytes;
}

const struct page_source pass_on_source = {
	.find = pass_on_find,
	.fetch = pass_on_fetch,
	.forget = remote_forget,
	.data = pass_on_data,
	.passed = pass_on_passed,
};
