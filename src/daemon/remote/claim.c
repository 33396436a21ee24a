/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_claim.c - what a remote publication's caches may take of limit.h's memory
 *
 * made counts the pages that are present or being read, claimed those and the ones promised
 * to whoever fetches all. A read that failed leaves its pages made in the file, but they are
 * read into again when somebody asks for them, so they are given back here. Worker thread;
 * does not allocate.
 */
#include <errno.h>

#include "../store/layers.h"
#include "internal.h"
#include "../store/store.h"

#define LEAST_PAGES 16                  /* a lazy attach is of no use with less */

static struct context *worker_of(const struct remote *remote)
{
	return remote->remotes->context;
}

static int claim_more(struct remote *remote, uint64_t pages)
{
	int error = limit_promise(worker_of(remote), pages * RM_PAGE);

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
	limit_make(worker_of(remote), pages * RM_PAGE);
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
	int error = limit_promise(worker_of(remote), pages * RM_PAGE);

	if (!error)
		limit_return(worker_of(remote), 0, pages * RM_PAGE);
	return error;
}

void claim_found(struct remote *remote, uint64_t pages)
{
	remote->made += pages;
	remote->claimed += pages;
	limit_found(worker_of(remote), pages * RM_PAGE);
}

void claim_trim(struct remote *remote)
{
	const struct remote_user *user = remote->users;

	while (user && !user->sweep.remote)
		user = user->next;
	if (user)
		return;                 /* it was promised all */
	limit_return(worker_of(remote), 0, (remote->claimed - remote->made) * RM_PAGE);
	remote->claimed = remote->made;
}

void claim_return(struct remote *remote, uint64_t pages)
{
	remote->made -= pages;
	remote->claimed -= pages;
	limit_return(worker_of(remote), pages * RM_PAGE, 0);
}

void claim_free(struct remote *remote)
{
	limit_return(worker_of(remote), remote->made * RM_PAGE,
	             (remote->claimed - remote->made) * RM_PAGE);
	remote->made = remote->claimed = 0;
}

/* ---- all remotes ---- */

/* Bytes of those of its caches that are layers of publications here, too. */
static uint64_t adopted(const struct remote *remote, struct layers *layers)
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
		bytes += adopted(remote, layers);
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
