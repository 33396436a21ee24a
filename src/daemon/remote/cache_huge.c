/* SPDX-License-Identifier: BSD-2-Clause */
/* cache_huge.c - blocks of a cache that are one huge page, see cache.h. Worker thread only. */
#include <assert.h>

#include "cache.h"

/*
 * The kernel copies pages that are present, at 1.5 to 4 us each, and a block of 4 KiB pages costs
 * about 2 ms: with more pages than this, making it huge gains nothing.
 */
#define COPIED_MAX 64

static bool cache_block_busy(const struct cache *cache, uint64_t block)
{
	uint64_t from = block * CACHE_BLOCK_PAGES, to = from + CACHE_BLOCK_PAGES, start, count;

	return rm_bit_run(cache->inflight, from, to < cache->pages ? to : cache->pages, true, &start,
	                  &count);
}

bool cache_block_fits(const struct cache *cache, uint64_t block, uint64_t dense)
{
	uint64_t data = cache_block_data(cache, block);

	return cache->huge && cache->writable && (block + 1) * RM_HUGE <= cache->mapped &&
	       !rm_bit(cache->huge, block) && data >= dense &&
	       data - cache_block_absent(cache, block) <= COPIED_MAX &&
	       !cache_block_busy(cache, block);
}

int cache_make_huge(struct cache *cache, uint64_t block)
{
	int error = rm_huge_make(cache->map + block * RM_HUGE, RM_HUGE, false);

	assert(!rm_bit(cache->huge, block));
	if (error)
		return error;
	rm_bit_set(cache->huge, block);
	cache->huge_blocks++;
	cache->extra += CACHE_BLOCK_PAGES - cache_block_data(cache, block);
	cache->unfilled += cache_block_absent(cache, block);
	return 0;
}
