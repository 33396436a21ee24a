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
 * A block is RM_HUGE bytes of the file, at a multiple of that. A block may be made one huge page
 * before its pages are read. Then all its pages exist in the file, read or not: that a page
 * exists says nothing, and only the bitmap says that it is present.
 *
 * Worker thread only. cache_make(), cache_adopt() allocate.
 */
#ifndef RM_CACHE_H
#define RM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/huge.h"
#include "../../common/segment.h"
#include "../fabric/fabric.h"

#define CACHE_BLOCK_PAGES (RM_HUGE / RM_PAGE)

struct cache {
	char *map;                      /* shared mapping of the memfd, at a multiple of RM_HUGE; NULL:
	                                   none */
	uint64_t length, pages;         /* of the layer; length is pages * RM_PAGE and not 0 */
	uint64_t mapped;                /* bytes of map: length, or more for a dense last block */
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
	uint64_t *huge;                 /* bitmap of the blocks that were made huge; in the state
	                                   memfd; NULL: none may be */
	uint64_t huge_blocks;           /* the number of bits in huge */
	uint64_t extra;                 /* pages of these that are no data: memory all the same */
	uint64_t unfilled;              /* pages of these that are data, and absent */
};

/* Words of the bitmap of the blocks of a layer of this length. */
static inline size_t cache_block_words(uint64_t length)
{
	return (size_t)((rm_huge_up(length) / RM_HUGE + 63) / 64);
}

/*
 * Make an empty cache. data, present and huge stay the caller's. If the last block has at least
 * dense pages of data, the file is as long as that block: what lies behind the layer is never
 * shown, written or read. 0 or -errno.
 */
int cache_make(struct cache *cache, uint64_t length, const uint64_t *data, uint64_t *present,
               uint64_t *huge, uint64_t dense);
/*
 * Take over an earlier worker's cache that is complete: it is read and handed out, never
 * written. huge says which blocks that worker had made. Takes fd, on failure too. 0 or -errno.
 */
int cache_adopt(struct cache *cache, int fd, uint64_t length, const uint64_t *data,
                uint64_t *present, uint64_t *huge);
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

/* Was the block that has this page made huge? */
static inline bool cache_is_huge(const struct cache *cache, uint64_t page)
{
	return cache->huge && rm_bit(cache->huge, page / CACHE_BLOCK_PAGES);
}

/* How many pages of data a block has; how many of them are absent. */
uint64_t cache_block_data(const struct cache *cache, uint64_t block);
uint64_t cache_block_absent(const struct cache *cache, uint64_t block);
/* How many pages of [page, page + count) are not in huge blocks. */
uint64_t cache_small(const struct cache *cache, uint64_t page, uint64_t count);

/* ---- cache_huge.c: does not allocate ---- */

/*
 * May this block be made huge now? Not if it is already, has fewer than dense pages of data, has
 * pages in flight, which somebody writes, or so many present that copying them costs more than it
 * gains.
 */
bool cache_block_fits(const struct cache *cache, uint64_t block, uint64_t dense);
/* Make such a block huge. 0 or -errno as rm_huge_make(), and then nothing has changed. */
int cache_make_huge(struct cache *cache, uint64_t block);

#endif
