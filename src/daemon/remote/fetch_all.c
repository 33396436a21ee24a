/* SPDX-License-Identifier: BSD-2-Clause */
/* sweep.c - fetching all that is absent, see sweep.h. Worker thread; does not allocate. */
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/container.h"

#define START_WINDOW 8
#define QUICK_NS 200000000ull           /* a chunk came so quickly: queue more */
#define SLOW_NS 1000000000ull           /* so slowly: queue less */

static void pump(struct sweep *sweep);

static void chunk_done(struct page_wait *waiter, int error)
{
	struct sweep_chunk *chunk = container_of(waiter, struct sweep_chunk, waiter);
	struct sweep *sweep = chunk->sweep;
	uint64_t took = rm_now_ns() - chunk->started_ns;

	chunk->started_ns = 0;
	sweep->outstanding--;
	if (took < QUICK_NS && sweep->window < SWEEP_CHUNKS)
		sweep->window++;
	else if (took > SLOW_NS && sweep->window > 1)
		sweep->window /= 2;
	if (error && !sweep->error)
		sweep->error = error;
	if (!sweep->pumping)
		pump(sweep);
}

/* The next chunk that lacks something; false at the end. */
static bool next_range(struct sweep *sweep, uint64_t *page, uint64_t *count)
{
	struct remote *remote = sweep->remote;
	const struct cache *cache;
	uint64_t end;

	for (; sweep->layer < sweep->end; sweep->layer++, sweep->page = 0) {
		cache = &remote->caches[sweep->layer];
		while (cache->absent && sweep->page < cache->pages) {
			*page = sweep->page;
			end = *page + SWEEP_CHUNK_PAGES;
			if (end > cache->pages)
				end = cache->pages;
			sweep->page = end;
			*count = end - *page;
			if (cache_absent(cache, *page, end))
				return true;
		}
	}
	return false;
}

static void start_chunk(struct sweep *sweep, uint64_t page, uint64_t count)
{
	struct sweep_chunk *chunk = sweep->chunks;

	while (chunk->started_ns)
		chunk++;
	memset(chunk, 0, sizeof *chunk);
	chunk->sweep = sweep;
	chunk->started_ns = rm_now_ns();
	chunk->waiter.layer = sweep->layer;
	chunk->waiter.page = page;
	chunk->waiter.count = count;
	chunk->waiter.done = chunk_done;
	sweep->outstanding++;
	remote_fetch(sweep->remote, sweep->attachment, &chunk->waiter);
}

static void pump(struct sweep *sweep)
{
	uint64_t page, count;

	/* A fetch that fails at once calls chunk_done() from here: no recursion. */
	sweep->pumping = true;
	while (!sweep->error && sweep->outstanding < sweep->window &&
	       next_range(sweep, &page, &count))
		start_chunk(sweep, page, count);
	sweep->pumping = false;
	if (!sweep->outstanding) {
		sweep->remote = NULL;
		sweep->done(sweep, sweep->error);
	}
}

static void start(struct sweep *sweep, struct remote *remote, struct attachment *attachment,
                  uint32_t from, uint32_t end, void (*done)(struct sweep *sweep, int error))
{
	memset(sweep, 0, sizeof *sweep);
	sweep->remote = remote;
	sweep->attachment = attachment;
	sweep->layer = from;
	sweep->end = end;
	sweep->done = done;
	sweep->window = START_WINDOW;
	pump(sweep);
}

void sweep_start(struct sweep *sweep, struct remote *remote, struct attachment *attachment,
                 void (*done)(struct sweep *sweep, int error))
{
	start(sweep, remote, attachment, 0, remote->table.layer_count, done);
}

void sweep_layer(struct sweep *sweep, struct remote *remote, uint32_t layer,
                 void (*done)(struct sweep *sweep, int error))
{
	start(sweep, remote, NULL, layer, layer + 1, done);
}

void sweep_cancel(struct sweep *sweep)
{
	unsigned i;

	if (!sweep->remote)
		return;
	for (i = 0; i < SWEEP_CHUNKS; i++)
		if (sweep->chunks[i].started_ns)
			remote_forget(sweep->remote, &sweep->chunks[i].waiter);
	sweep->remote = NULL;
}
