/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * claim.c - what a remote publication's caches may take of the memory that base/limit.h counts
 *
 * remote.made counts the pages that are present or being read. remote.claimed counts these and
 * the pages promised to users who fetch all. A read that failed leaves its pages allocated in
 * the file, but the claim is given back: the next read of these pages claims and uses them
 * again. Worker thread only; does not allocate.
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
	uint64_t all = remote->data_bytes / RM_PAGE;

	return all > remote->claimed ? claim_more(remote, all - remote->claimed) : 0;
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
	remote->made = remote->claimed = 0;
}

/* ---- all remotes ---- */

/* Bytes of the caches of one remote that are also layers of publications of this host. */
static uint64_t remote_adopted_bytes(const struct remote *remote, struct layers *layers)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; remote->caches && i < remote->table.layer_count; i++) {
		const struct cache *cache = &remote->caches[i];

		if (!cache->absent && layers_hold_file(layers, &remote->table.layers[i], cache->fd))
			pages += rm_bit_count(cache->data, cache->pages);
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
