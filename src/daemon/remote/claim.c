/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * claim.c - what a remote publication's caches may take of the memory that base/limit.h counts
 *
 * remote.made counts the pages that are present or being read. remote.claimed counts these and
 * the pages promised to users who fetch all. A read that failed leaves its pages allocated in
 * the file, but the claim is given back: the next read of these pages claims and uses them
 * again. A huge block is made as a whole: its pages are claimed when it is made, and no more when
 * they are read. Worker thread only; does not allocate.
 */
#include <assert.h>
#include <errno.h>

#include "../store/layers.h"
#include "internal.h"
#include "../store/store.h"

#define LEAST_PAGES 16                  /* a lazy attach is of no use with fewer */

static struct context *claim_context(const struct remote *remote)
{
	return remote->remotes->context;
}

/* Promise this many pages beyond those claimed. 0 or -ENOSPC. */
static int claim_more(struct remote *remote, uint64_t pages)
{
	int error = limit_promise(claim_context(remote), pages * RM_PAGE);

	if (!error)
		remote->claimed += pages;
	return error;
}

int claim_pages(struct remote *remote, uint64_t pages)
{
	uint64_t promised = remote->claimed - remote->made;
	int error = pages > promised ? claim_more(remote, pages - promised) : 0;

	if (error)
		return error;
	remote->made += pages;
	limit_make(claim_context(remote), pages * RM_PAGE);
	return 0;
}

int claim_all(struct remote *remote)
{
	uint64_t all = remote->data_bytes / RM_PAGE, claimed = remote->claimed - remote->extra;

	return all > claimed ? claim_more(remote, all - claimed) : 0;
}

int claim_block(struct remote *remote, struct block_claim *claim)
{
	uint64_t promised = remote->claimed - remote->made, more = claim->extra;
	int error;

	if (claim->absent > promised)
		more += claim->absent - promised;
	if (limit_room(claim_context(remote)) / RM_PAGE < more)
		return -ENOSPC;
	error = claim_more(remote, more);
	if (error)
		return error;
	claim->promised = more;
	remote->extra += claim->extra;
	remote->made += claim->absent + claim->extra;
	limit_make(claim_context(remote), (claim->absent + claim->extra) * RM_PAGE);
	return 0;
}

void claim_unblock(struct remote *remote, const struct block_claim *claim)
{
	uint64_t pages = claim->absent + claim->extra;

	remote->extra -= claim->extra;
	claim_return(remote, pages);
	/* What had been promised before is promised again: there is room, since it was given back. */
	claim_more(remote, pages - claim->promised);
}

int claim_some(struct remote *remote)
{
	uint64_t pages = remote->absent < LEAST_PAGES ? remote->absent : LEAST_PAGES;
	int error = limit_promise(claim_context(remote), pages * RM_PAGE);

	if (!error)
		limit_return(claim_context(remote), 0, pages * RM_PAGE);
	return error;
}

void claim_found(struct remote *remote, uint64_t pages)
{
	remote->made += pages;
	remote->claimed += pages;
	limit_found(claim_context(remote), pages * RM_PAGE);
}

void claim_trim(struct remote *remote)
{
	const struct remote_user *user = remote->users;

	while (user && !user->fetch_all.remote)
		user = user->next;
	if (user)
		return;                 /* another user still fetches all, and was promised all */
	assert(remote->claimed >= remote->made);
	limit_return(claim_context(remote), 0, (remote->claimed - remote->made) * RM_PAGE);
	remote->claimed = remote->made;
}

void claim_return(struct remote *remote, uint64_t pages)
{
	assert(remote->made >= pages && remote->claimed >= remote->made);
	remote->made -= pages;
	remote->claimed -= pages;
	limit_return(claim_context(remote), pages * RM_PAGE, 0);
}

void claim_free(struct remote *remote)
{
	limit_return(claim_context(remote), remote->made * RM_PAGE,
	             (remote->claimed - remote->made) * RM_PAGE);
	remote->made = remote->claimed = remote->extra = 0;
}

/* ---- all remotes ---- */

static uint64_t adopted_pages(const struct cache *cache)
{
	uint64_t pages = rm_bit_count(cache->data, cache->pages) + cache->extra;

	return pages < cache->pages ? pages : cache->pages;
}

/*
 * Bytes of the caches of one remote that are also layers of publications of this host. Holes in
 * huge blocks take memory, too, and the layer counts them as far as they lie in it.
 */
static uint64_t remote_adopted_bytes(const struct remote *remote, struct layers *layers)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; remote->caches && i < remote->table.layer_count; i++) {
		const struct cache *cache = &remote->caches[i];

		if (!cache->absent && layers_hold_file(layers, &remote->table.layers[i], cache->fd))
			pages += adopted_pages(cache);
	}
	return pages * RM_PAGE;
}

uint64_t remotes_adopted(struct remotes *remotes, struct layers *layers)
{
	uint64_t bytes = 0;

	for (struct remote *remote = remotes->first; remote; remote = remote->next)
		bytes += remote_adopted_bytes(remote, layers);
	return bytes;
}

uint64_t remotes_evict(struct remotes *remotes)
{
	struct remote *remote, *next;
	uint64_t bytes = 0;

	for (remote = remotes->first; remote; remote = next) {
		next = remote->next;
		if (remote->users || remote->hold || remote->dying || remote->absent ||
		    !remote->caches)
			continue;
		bytes += remote->made * RM_PAGE;
		remote_drop(remote);
	}
	return bytes;
}
