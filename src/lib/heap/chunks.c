/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunks.c - which pages of the heap jemalloc uses, see chunks.h
 *
 * One table for each slot that the heap has been in: 12 bytes for 2 MiB, and 128 where jemalloc
 * uses a part of them. Only what is touched takes memory. Under the hooks' lock.
 */
#include "chunks.h"

#include <string.h>
#include <sys/mman.h>

#include "heap.h"

#define SLOT_CHUNKS (RM_SLOT_SIZE / RM_HUGE)
#define TABLE_BYTES (SLOT_CHUNKS * (sizeof(struct chunk) + sizeof(struct chunk_bits)))

struct chunk_totals chunk_totals;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct chunk *tables[RM_SLOTS_MAX];
static struct chunk_bits *bits[RM_SLOTS_MAX];   /* lies behind the table */
/*
 * For each table, one more than the index of the last chunk that was ever used: a walk over all
 * chunks must not touch the rest of the table.
 */
static uint32_t ends[RM_SLOTS_MAX];
/* Memory of this slot came into use without a table. There must be none later: it would not know. */
static bool untold[RM_SLOTS_MAX];
static bool inherited[RM_SLOTS_MAX];    /* its pages do not count as used */

void hooks_lock(void)
{
	own_lock(&lock);
}

void hooks_unlock(void)
{
	own_unlock(&lock);
}

static unsigned index_of(uint64_t addr)
{
	return (unsigned)((addr & (RM_SLOT_SIZE - 1)) >> RM_HUGE_SHIFT);
}

static unsigned page_of(uint64_t addr)
{
	return (unsigned)(addr / RM_PAGE % CHUNK_PAGES);
}

struct chunk *chunk_at(uint64_t addr)
{
	struct chunk *table = rm_in_window(addr) ? tables[rm_slot_of(addr)] : NULL;

	return table ? &table[index_of(addr)] : NULL;
}

struct chunk_bits *chunk_bits_at(uint64_t addr)
{
	return &bits[rm_slot_of(addr)][index_of(addr)];
}

/* May jemalloc use the page at addr? */
static bool page_is_used(uint64_t addr)
{
	const struct chunk *chunk = chunk_at(addr);

	return !chunk || chunk->whole ||
	       (chunk->used_pages && rm_bit(chunk_bits_at(addr)->used, page_of(addr)));
}

void chunks_add_slot(uint64_t addr)
{
	unsigned slot = rm_slot_of(addr);

	if (tables[slot] || untold[slot])
		return;
	tables[slot] = own_pages(TABLE_BYTES);
	bits[slot] = (struct chunk_bits *)(tables[slot] ? tables[slot] + SLOT_CHUNKS : NULL);
	untold[slot] = !tables[slot];
	/* Where the system's default is huge pages, a few entries would take 2 MiB. */
	if (tables[slot])
		(void)madvise(tables[slot], TABLE_BYTES, MADV_NOHUGEPAGE);
}

/* A chunk is used for the first time, or again. */
static void chunk_touched(uint64_t addr)
{
	uint32_t *end = &ends[rm_slot_of(addr)];

	if (*end <= index_of(addr))
		*end = index_of(addr) + 1;
}

/* The bits [from, to) that lie in word i of a bitmap. */
static uint64_t word_mask(unsigned i, unsigned from, unsigned to)
{
	unsigned low = i * 64, a = from > low ? from - low : 0, b = to < low + 64 ? to - low : 64;

	return a >= b ? 0 : ~UINT64_C(0) >> (64 - (b - a)) << a;
}

/* n pages more are used. Modulo 2^64, as all these counts: n may be negative. */
static void chunk_count(struct chunk *chunk, uint64_t addr, uint64_t n)
{
	chunk->used_pages = (uint16_t)(chunk->used_pages + n);
	if (!inherited[rm_slot_of(addr)])
		chunk_totals.used += n;
	if (chunk->state == CHUNK_HUGE)
		chunk_totals.waste -= n;
}

void chunk_use(struct chunk *chunk, uint64_t addr, uint64_t length, uint64_t dirty[CHUNK_WORDS])
{
	unsigned from = page_of(addr), to = from + (unsigned)(length / RM_PAGE);
	struct chunk_bits *b = chunk_bits_at(addr);
	uint64_t n = 0;

	memset(dirty, 0, CHUNK_WORDS * sizeof(dirty[0]));
	if (chunk->whole)
		return;
	if (!chunk->used_pages)
		chunk_touched(addr);
	if (length == RM_HUGE) {
		if (chunk->stained) {           /* or the bits are not touched */
			memcpy(dirty, b->dirty, sizeof(b->dirty));
			memset(b->dirty, 0, sizeof(b->dirty));
		}
		if (chunk->used_pages)
			memset(b->used, 0, sizeof(b->used));
		chunk->stained = false;
		chunk->whole = true;
		chunk_count(chunk, addr, CHUNK_PAGES - chunk->used_pages);
		return;
	}
	for (unsigned i = from / 64; i < (to + 63) / 64; i++) {
		uint64_t mask = word_mask(i, from, to);

		n += (unsigned)__builtin_popcountll(mask & ~b->used[i]);
		dirty[i] = b->dirty[i] & mask;
		b->dirty[i] &= ~mask;
		b->used[i] |= mask;
	}
	chunk_count(chunk, addr, n);
}

void chunk_drop(struct chunk *chunk, uint64_t addr)
{
	own_require(chunk->whole);
	chunk->whole = false;
	chunk_count(chunk, addr, -CHUNK_PAGES);
	chunk_set_state(chunk, CHUNK_SMALL);
}

void chunk_free(struct chunk *chunk, uint64_t addr, uint64_t length)
{
	unsigned from = page_of(addr), to = from + (unsigned)(length / RM_PAGE);
	struct chunk_bits *b = chunk_bits_at(addr);
	uint64_t n = 0;

	if (chunk->whole)
		memset(b->used, 0xff, sizeof(b->used));
	chunk->whole = false;
	chunk->stained = true;
	for (unsigned i = from / 64; i < (to + 63) / 64; i++) {
		uint64_t mask = word_mask(i, from, to);

		n += (unsigned)__builtin_popcountll(mask & b->used[i]);
		b->dirty[i] |= mask;
		b->used[i] &= ~mask;
	}
	chunk_count(chunk, addr, -n);
}

void chunk_set_state(struct chunk *chunk, enum chunk_state state)
{
	unsigned unused = CHUNK_PAGES - chunk->used_pages;

	if (chunk->state == CHUNK_HUGE)
		chunk_totals.waste -= unused;
	if (state == CHUNK_HUGE)
		chunk_totals.waste += unused;
	chunk_totals.huge += (state != CHUNK_SMALL) - (chunk->state != CHUNK_SMALL);
	chunk->state = (uint8_t)state;
	if (state == CHUNK_SMALL && chunk->solid) {
		chunk->solid = false;
		chunk_totals.solid--;
	}
}

void chunks_freeze(void)
{
	for (unsigned slot = 0; slot < RM_WINDOW_SLOTS; slot++)
		for (uint32_t i = 0; i < ends[slot]; i++)
			if (tables[slot][i].state == CHUNK_HUGE)
				chunk_set_state(&tables[slot][i], CHUNK_FROZEN);
}

void chunks_inherit(void)
{
	for (unsigned slot = 0; slot < RM_WINDOW_SLOTS; slot++)
		inherited[slot] = tables[slot] != NULL;
	chunk_totals.used = 0;
}

bool chunks_unused(uint64_t addr, uint64_t length)
{
	const struct chunk *chunk;
	uint64_t step;

	for (uint64_t at = addr; at < addr + length; at += step) {
		chunk = chunk_at(at);
		step = chunk && !chunk->used_pages ? rm_huge_down(at) + RM_HUGE - at : RM_PAGE;
		if (page_is_used(at))
			return false;
	}
	return true;
}

/* The used bits of a whole chunk. */
static void chunk_used_words(uint64_t addr, uint64_t *words)
{
	const struct chunk *chunk = chunk_at(addr);

	if (!chunk || chunk->whole)
		memset(words, 0xff, CHUNK_WORDS * sizeof(*words));
	else if (chunk->used_pages)
		memcpy(words, chunk_bits_at(addr)->used, CHUNK_WORDS * sizeof(*words));
}

void chunks_used(uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	uint64_t end = addr + length, step;

	for (uint64_t at = addr; at < end; at += step) {
		step = addr % RM_HUGE == 0 && end - at >= RM_HUGE ? RM_HUGE : RM_PAGE;
		if (step == RM_HUGE)
			chunk_used_words(at, &bitmap[(at - addr) / RM_PAGE / 64]);
		else if (page_is_used(at))
			rm_bit_set(bitmap, (at - addr) / RM_PAGE);
	}
}

struct chunk *chunk_idle_from(uint64_t addr, uint64_t *found)
{
	unsigned first = rm_in_window(addr) ? rm_slot_of(addr) : 0;

	for (unsigned slot = first; slot < RM_WINDOW_SLOTS; slot++) {
		uint32_t i = slot == first && rm_in_window(addr) ? index_of(addr) : 0;

		for (; i < ends[slot]; i++) {
			if (!tables[slot][i].idle)
				continue;
			*found = rm_slot_base(slot) + i * RM_HUGE;
			return &tables[slot][i];
		}
	}
	return NULL;
}
