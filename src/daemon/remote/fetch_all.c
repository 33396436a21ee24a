/* SPDX-License-Identifier: BSD-2-Clause */
/* fetch_all.c - see fetch_all.h. Worker thread only; does not allocate. */
#include <assert.h>
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/container.h"

#define START_WINDOW 8
#define QUICK_NS 200000000ull           /* a chunk that came sooner: queue more */
#define SLOW_NS 1000000000ull           /* a chunk that came later: queue fewer */

static void fetch_all_pump(struct fetch_all *all);

static void fetch_chunk_done(struct page_wait *waiter, int error)
{
	struct fetch_chunk *chunk = container_of(waiter, struct fetch_chunk, waiter);
	struct fetch_all *all = chunk->all;
	uint64_t took = rm_now_ns() - chunk->started_ns;

	/* Free before the pump runs, which may take this very chunk. */
	chunk->started_ns = 0;
	assert(all->outstanding > 0);
	all->outstanding--;
	if (took < QUICK_NS && all->window < FETCH_CHUNKS)
		all->window++;
	else if (took > SLOW_NS && all->window > 1)
		all->window /= 2;
	if (error && !all->error)
		all->error = error;
	if (!all->pumping)
		fetch_all_pump(all);
}

/* The next chunk with an absent page; false if there is none. */
static bool fetch_all_next(struct fetch_all *all, uint64_t *page, uint64_t *count)
{
	struct remote *remote = all->remote;
	const struct cache *cache;
	uint64_t end;

	for (; all->layer < all->end; all->layer++, all->page = 0) {
		cache = &remote->caches[all->layer];
		/* A layer that is complete is not searched. */
		while (cache->absent && all->page < cache->pages) {
			*page = all->page;
			end = *page + FETCH_CHUNK_PAGES;
			if (end > cache->pages)
				end = cache->pages;
			all->page = end;
			*count = end - *page;
			if (cache_absent(cache, *page, end))
				return true;
		}
	}
	return false;
}

static void fetch_chunk_start(struct fetch_all *all, uint64_t page, uint64_t count)
{
	struct fetch_chunk *chunk = all->chunks;

	assert(all->outstanding < FETCH_CHUNKS);        /* so one is free */
	while (chunk->started_ns)
		chunk++;
	memset(chunk, 0, sizeof(*chunk));
	chunk->all = all;
	chunk->started_ns = rm_now_ns();
	chunk->waiter.layer = all->layer;
	chunk->waiter.page = page;
	chunk->waiter.count = count;
	chunk->waiter.whole = true;
	chunk->waiter.done = fetch_chunk_done;
	all->outstanding++;
	remote_fetch(all->remote, all->attachment, &chunk->waiter);
}

static void fetch_all_pump(struct fetch_all *all)
{
	uint64_t page, count;

	/* A fetch that ends at once calls fetch_chunk_done() from here, which must not recurse. */
	all->pumping = true;
	while (!all->error && all->outstanding < all->window &&
	       fetch_all_next(all, &page, &count))
		fetch_chunk_start(all, page, count);
	all->pumping = false;
	if (!all->outstanding) {
		/*
		 * Not under way any more, so that done() may start it again or free its memory.
		 * Nothing here touches it after the call.
		 */
		all->remote = NULL;
		all->done(all, all->error);
	}
}

/* Of the layers from number from on, before number end. */
static void fetch_all_begin(struct fetch_all *all, struct remote *remote,
                            struct attachment *attachment,
                            uint32_t from, uint32_t end,
                            void (*done)(struct fetch_all *all, int error))
{
	memset(all, 0, sizeof(*all));
	all->remote = remote;
	all->attachment = attachment;
	all->layer = from;
	all->end = end;
	all->done = done;
	all->window = START_WINDOW;
	fetch_all_pump(all);
}

void fetch_all_start(struct fetch_all *all, struct remote *remote, struct attachment *attachment,
                 void (*done)(struct fetch_all *all, int error))
{
	fetch_all_begin(all, remote, attachment, 0, remote->table.layer_count, done);
}

void fetch_all_layer(struct fetch_all *all, struct remote *remote, uint32_t layer,
                 void (*done)(struct fetch_all *all, int error))
{
	fetch_all_begin(all, remote, NULL, layer, layer + 1, done);
}

void fetch_all_cancel(struct fetch_all *all)
{
	unsigned i;

	if (!all->remote)
		return;
	for (i = 0; i < FETCH_CHUNKS; i++)
		if (all->chunks[i].started_ns)
			remote_forget(all->remote, &all->chunks[i].waiter);
	all->remote = NULL;
}
