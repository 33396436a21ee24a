/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache.h - the pages of one remote layer that are here: a memfd and its bitmaps
 *
 * The order of the steps decides who can write: the memfd is mapped writable, then sealed with
 * F_SEAL_FUTURE_WRITE|GROW|SHRINK, then opened again read-only. From then on that one mapping is
 * the only way to write, and only the read-only descriptor is kept. The fabric registers the
 * parts that are about to be read into, never a hole.
 *
 * A new worker cannot write the file either. So it makes a cache of its own, copies into it
 * what was present, and continues there. A process that mapped the old file gets absent pages
 * by UFFDIO_COPY (../pager/map.c) instead of sharing them. A layer that was complete keeps its
 * old file. Each file has a generation, by which remote_shares() tells who maps it. README
 * has the alternatives.
 *
 * Worker thread only. cache_make(), cache_adopt() allocate.
 */
#ifndef RM_CACHE_H
#define RM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "../fabric/fabric.h"

struct cache {
	char *map;                      /* shared mapping of all of the memfd; NULL: none */
	uint64_t length, pages;         /* of the layer; length is pages * RM_PAGE and not 0 */
	int fd;                         /* opened read-only, to be handed out; the cache closes it.
	                                   -1: none */
	uint64_t generation;            /* remote.record at the time this file was made */
	bool writable;                  /* map is writable; if not, all pages of data are present */
	const uint64_t *data;           /* bitmap of the pages that the publication shows; the
	                                   others are holes */
	uint64_t *present;              /* bitmap; lies in the remote's state memfd */
	uint64_t *inflight;             /* bitmap of pages that are asked for and not settled; a
	                                   subset of data without present; the cache frees it */
	uint64_t absent;                /* the number of pages in data and not in present. The
	                                   sum of these is remote.absent */
};

/* Make an empty cache. data and present stay the caller's. 0 or -errno. */
int cache_make(struct cache *cache, uint64_t length, const uint64_t *data, uint64_t *present);
/*
 * Take over an earlier worker's cache that is complete: it is read and handed out, never
 * written. Takes fd, on failure too. 0 or -errno.
 */
int cache_adopt(struct cache *cache, int fd, uint64_t length, const uint64_t *data,
                uint64_t *present);
/* Copy the pages, by the bitmap had, from an earlier worker's file. Takes fd. 0 or -errno. */
int cache_inherit(struct cache *cache, int fd, const uint64_t *had);
/* No read may be under way. fabric has read into the cache; NULL: nothing has. */
void cache_drop(struct cache *cache, struct fabric *fabric);

/* Is the page present, or a hole? */
static inline bool cache_has(const struct cache *cache, uint64_t page)
{
	return !(cache->data[page / 64] >> (page % 64) & 1) ||
	       (cache->present[page / 64] >> (page % 64) & 1);
}

/*
 * The first run of absent pages in [from, to) that are (inflight) or are not in flight; at most
 * max pages. False if there is none.
 */
bool cache_wanted(const struct cache *cache, uint64_t from, uint64_t to, uint64_t max,
                  bool inflight, uint64_t *start, uint64_t *count);
/* The run of data pages around page, within the aligned block of that many pages. */
void cache_run(const struct cache *cache, uint64_t page, uint64_t block, uint64_t *start,
               uint64_t *count);
/* How many pages of [from, to) are absent. */
uint64_t cache_absent(const struct cache *cache, uint64_t from, uint64_t to);

void cache_mark_inflight(struct cache *cache, uint64_t page, uint64_t count, bool inflight);
/*
 * Mark pages as present. Their data must have been written before: a new worker trusts the
 * bitmap of a worker that died.
 */
void cache_mark_present(struct cache *cache, uint64_t page, uint64_t count);
/* Allocate the pages of the file: one call is cheaper than a fault for each page. 0 or -errno. */
int cache_populate(struct cache *cache, uint64_t page, uint64_t count);

#endif
