/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache.h - the pages of one remote layer that are here: a memfd and its bitmaps
 *
 * The order of the steps decides who can write: map it writable, seal it
 * F_SEAL_FUTURE_WRITE|GROW|SHRINK, open it anew read-only. From then on that one mapping is
 * the only way to write, and only the read-only descriptor is kept. The fabric registers of
 * it what is about to be read, and no hole.
 *
 * That holds against a new worker too: it can read the old file, never write it. So it
 * makes a cache of its own, copies into it what was present, and goes on there; whoever
 * mapped the old file is given absent pages by UFFDIO_COPY (pager.c) instead of sharing
 * them. A layer that was complete keeps its old file. Each file has a generation, by which
 * remote_shares() tells who maps it. The other ways were: no seal, which
 * lets any consumer write what all the others read; and a writable mapping in the keeper,
 * inherited by each worker, which makes the keeper a part of every attach.
 *
 * Worker thread only; allocates.
 */
#ifndef RM_CACHE_H
#define RM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "../fabric/fabric.h"

struct cache {
	char *map;                      /* shared mapping of the memfd */
	uint64_t length, pages;         /* of the layer */
	int fd;                         /* opened read-only, to be handed out */
	uint64_t generation;            /* of the remote's when this file was made */
	bool writable;                  /* map is; else all of it is present */
	const uint64_t *data;           /* pages that the publication shows: clear is a hole */
	uint64_t *present;              /* in the remote's state memfd */
	uint64_t *inflight;             /* being read now */
	uint64_t absent;                /* pages of data that are not present */
};

/* Make an empty cache; data and present are the caller's. 0 or -errno. */
int cache_make(struct cache *cache, uint64_t length, const uint64_t *data, uint64_t *present);
/* An earlier worker's cache, complete: read it, hand it out. Takes fd, on failure too. */
int cache_adopt(struct cache *cache, int fd, uint64_t length, const uint64_t *data,
                uint64_t *present);
/* Copy the pages that an earlier worker's cache has. Takes fd. 0 or -errno. */
int cache_inherit(struct cache *cache, int fd, const uint64_t *had);
/* No read may be under way. fabric: what has read into it, or NULL. */
void cache_drop(struct cache *cache, struct fabric *fabric);

/* The page can be had without a fetch: it is a hole, or here. */
static inline bool cache_has(const struct cache *cache, uint64_t page)
{
	return !(cache->data[page / 64] >> (page % 64) & 1) ||
	       (cache->present[page / 64] >> (page % 64) & 1);
}

/*
 * The first run of pages in [from, to) that are data, not present, and in flight or not
 * as asked; at most max pages. False if there is none.
 */
bool cache_wanted(const struct cache *cache, uint64_t from, uint64_t to, uint64_t max,
                  bool inflight, uint64_t *start, uint64_t *count);
/* The run of data pages with page in it, inside [page - page % block, + block). */
void cache_run(const struct cache *cache, uint64_t page, uint64_t block, uint64_t *start,
               uint64_t *count);
uint64_t cache_absent(const struct cache *cache, uint64_t from, uint64_t to);

void cache_mark_inflight(struct cache *cache, uint64_t page, uint64_t count, bool inflight);
/* The data is there: the order of the two is what a new worker relies on. */
void cache_mark_present(struct cache *cache, uint64_t page, uint64_t count);
/* Make the pages before data comes: cheaper in one go than fault by fault. */
int cache_populate(struct cache *cache, uint64_t page, uint64_t count);

#endif
