/* SPDX-License-Identifier: BSD-2-Clause */
/* cache_bits.c - questions to the bitmaps of a cache, see cache.h. Pure. */
#include "cache.h"

/* 64 pages: the absent ones that are, or are not, in flight. */
static uint64_t cache_wanted_word(const struct cache *cache, uint64_t word, bool inflight)
{
	uint64_t absent = cache->data[word] & ~cache->present[word];

	return absent & (inflight ? cache->inflight[word] : ~cache->inflight[word]);
}

bool cache_wanted(const struct cache *cache, uint64_t from, uint64_t to, uint64_t max,
                  bool inflight, uint64_t *start, uint64_t *count)
{
	uint64_t page = from, bits;

	for (; page < to; page = (page / 64 + 1) * 64) {
		bits = cache_wanted_word(cache, page / 64, inflight) >> (page % 64);
		if (bits) {
			page += (unsigned)__builtin_ctzll(bits);
			break;
		}
	}
	if (page >= to)
		return false;
	*start = page;
	while (page < to && page - *start < max &&
	       (cache_wanted_word(cache, page / 64, inflight) >> (page % 64) & 1))
		page++;
	*count = page - *start;
	return true;
}

void cache_run(const struct cache *cache, uint64_t page, uint64_t block, uint64_t *start,
               uint64_t *count)
{
	uint64_t low = page - page % block, high = low + block, end = page + 1;

	if (high > cache->pages)
		high = cache->pages;
	while (page > low && rm_bit(cache->data, page - 1))
		page--;
	while (end < high && rm_bit(cache->data, end))
		end++;
	*start = page;
	*count = end - page;
}

uint64_t cache_absent(const struct cache *cache, uint64_t from, uint64_t to)
{
	uint64_t page = from, n = 0, bits, left;

	while (page < to) {
		bits = (cache->data[page / 64] & ~cache->present[page / 64]) >> (page % 64);
		left = 64 - page % 64;
		if (to - page < left) {
			left = to - page;
			bits &= ((uint64_t)1 << left) - 1;
		}
		n += (unsigned)__builtin_popcountll(bits);
		page += left;
	}
	return n;
}

void cache_mark_inflight(struct cache *cache, uint64_t page, uint64_t count, bool inflight)
{
	for (; count; count--, page++) {
		if (inflight)
			rm_bit_set(cache->inflight, page);
		else
			rm_bit_clear(cache->inflight, page);
	}
}

static uint64_t cache_block_end(const struct cache *cache, uint64_t block)
{
	uint64_t end = (block + 1) * CACHE_BLOCK_PAGES;

	return end < cache->pages ? end : cache->pages;
}

uint64_t cache_block_data(const struct cache *cache, uint64_t block)
{
	uint64_t from = block * CACHE_BLOCK_PAGES, to = cache_block_end(cache, block);

	return rm_bit_count(cache->data + from / 64, to - from);
}

uint64_t cache_block_absent(const struct cache *cache, uint64_t block)
{
	return cache_absent(cache, block * CACHE_BLOCK_PAGES, cache_block_end(cache, block));
}

uint64_t cache_small(const struct cache *cache, uint64_t page, uint64_t count)
{
	uint64_t end = page + count, next, small = 0;

	for (; page < end; page = next) {
		next = (page / CACHE_BLOCK_PAGES + 1) * CACHE_BLOCK_PAGES;
		next = next < end ? next : end;
		if (!cache_is_huge(cache, page))
			small += next - page;
	}
	return small;
}
