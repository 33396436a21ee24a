/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c - memory that jemalloc takes into use and gives back, see pages.h
 *
 * Free memory is dirty until it was given back, or cleared. Memory that was frozen is given fresh
 * memory, 2 MiB at a time, once jemalloc uses nothing of that: whoever writes to a frozen page has
 * the kernel copy it, and the next publish copies it once more.
 *
 * Under the hooks' lock, except where pages.h says otherwise. Allocates in struct array only.
 */
#include "backing.h"

#include <string.h>
#include <sys/mman.h>

#include "../../common/channel.h"
#include "chunks.h"
#include "pages.h"

#define IDLE_MS 1000            /* free memory that may wait for its next use waits so long */
#define GIANT ((uint64_t)4 << 30)       /* bytes of a block that is only noted */

static bool postpones;          /* free memory may wait: set by the first publish */
static uint32_t expired_ms;     /* when idle memory was last looked for */

uint32_t pages_now_ms(void)
{
	return (uint32_t)(rm_now_ns() / 1000000);
}

/* ---- giving back ---- */

/* Clear dirty pages in place, so that the chunk stays a huge page. False: they are protected. */
static bool pages_clear(uint64_t addr, uint64_t length)
{
	if (mprotect((void *)addr, length, PROT_READ | PROT_WRITE))
		return false;
	memset((void *)addr, 0, length);
	return true;
}

/*
 * Give a run of free pages back. True if they read as zeros now, and the next publish will find
 * zeros there, too.
 */
static bool run_give_back(uint64_t addr, uint64_t length, bool clear)
{
	if (clear && pages_clear(addr, length))
		return true;
	if (!backing_purge_forced(addr, length))
		return true;
	backing_purge_lazy(addr, length);
	return false;
}

static void pages_set_dirty(uint64_t base, uint64_t first, uint64_t count, bool dirty)
{
	struct chunk_bits *bits = chunk_bits_at(base);

	chunk_at(base)->stained |= dirty;
	for (uint64_t page = first; page < first + count; page++)
		if (dirty)
			rm_bit_set(bits->dirty, page);
		else
			rm_bit_clear(bits->dirty, page);
}

/*
 * Some of the chunk's pages are in use. A handler's fork freezes files without the hooks' lock, so a
 * chunk may be frozen that is CHUNK_HUGE. Then pages that were cleared, and are not dirty, have the
 * file's content again when they are given back, and become dirty.
 */
static void chunk_give_back_part(struct chunk *chunk, uint64_t base)
{
	bool clear = chunk->state == CHUNK_HUGE && huge_keeps_waste();
	struct chunk_bits *bits = chunk_bits_at(base);
	uint64_t start, count, give[CHUNK_WORDS];

	/* A huge page that is broken up gives back what it has beyond the used pages. */
	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		give[i] = chunk->state == CHUNK_HUGE && !clear ? ~bits->used[i] : bits->dirty[i];
	for (uint64_t at = 0; rm_bit_run(give, at, CHUNK_PAGES, true, &start, &count);
	     at = start + count)
		pages_set_dirty(base, start, count,
		                !run_give_back(base + start * RM_PAGE, count * RM_PAGE, clear));
	if (chunk->state == CHUNK_HUGE && !clear)
		chunk_set_state(chunk, CHUNK_SMALL);
}

/* No page of the chunk is used or dirty. */
static void bits_clean(uint64_t base)
{
	memset(chunk_bits_at(base)->dirty, 0, sizeof(chunk_bits_at(base)->dirty));
	chunk_at(base)->stained = false;
}

static void chunk_give_back(struct chunk *chunk, uint64_t base)
{
	chunk->idle = false;
	if (chunk->whole)
		return;
	if (chunk->used_pages) {
		chunk_give_back_part(chunk, base);
		return;
	}
	chunk->refused = false;
	if (!backing_purge_forced(base, RM_HUGE)) {
		bits_clean(base);
		chunk_set_state(chunk, CHUNK_SMALL);
	}
}

/* The part of [addr, end) in addr's chunk. */
static uint64_t part_length(uint64_t addr, uint64_t end)
{
	uint64_t next = rm_huge_down(addr) + RM_HUGE;

	return (next < end ? next : end) - addr;
}

bool pages_free(uint64_t addr, uint64_t length, bool later)
{
	uint64_t end = addr + length, part;
	bool given;

	if (!chunk_at(addr) || !chunk_at(end - 1))
		return true;
	given = length >= GIANT && !backing_purge_forced(addr, length);
	for (uint64_t at = addr; at < end; at += part) {
		struct chunk *chunk = chunk_at(at);
		uint64_t base = rm_huge_down(at);

		part = part_length(at, end);
		if (given && chunk->whole && part == RM_HUGE) {
			chunk_drop(chunk, at);
			continue;
		}
		chunk_free(chunk, at, part);
		if (!later || !postpones ||
		    (!chunk->used_pages && !backing_is_shared(base, RM_HUGE))) {
			chunk_give_back(chunk, base);
		} else if (!chunk->idle) {
			chunk->idle = true;
			chunk->idle_ms = pages_now_ms();
		}
	}
	return false;
}

void pages_expire(void)
{
	uint32_t now = postpones ? pages_now_ms() : 0;
	struct chunk *chunk;
	uint64_t base;

	if (!postpones || now - expired_ms < IDLE_MS)
		return;
	expired_ms = now;
	for (uint64_t at = 0; (chunk = chunk_idle_from(at, &base)); at = base + RM_HUGE)
		if (now - chunk->idle_ms >= IDLE_MS)
			chunk_give_back(chunk, base);
}

void pages_purge(bool postpone)
{
	struct chunk *chunk;
	uint64_t base = 0;

	for (uint64_t at = 0;; at = base + RM_HUGE) {
		/* Other threads take the lock between two chunks. */
		hooks_lock();
		postpones |= postpone;
		chunk = chunk_idle_from(at, &base);
		if (chunk)
			chunk_give_back(chunk, base);
		hooks_unlock();
		if (!chunk)
			return;
	}
}

/* ---- taking into use ---- */

/* How much memory from this chunk on is free, and may become fresh memory in one piece. */
static uint64_t free_length(uint64_t base)
{
	uint64_t length = RM_HUGE;

	while (length < RM_LAYER_MAX && chunks_unused(base + length, RM_HUGE))
		length += RM_HUGE;
	return length;
}

/*
 * Nothing of this chunk is in use. If it is no shared memory, it and the free ones behind it become
 * fresh pages of a memory file.
 */
static void chunk_renew(uint64_t base)
{
	uint64_t done = 0;

	if (!backing_is_shared(base, RM_HUGE))
		done = backing_renew(base, free_length(base));
	for (uint64_t at = base; at < base + done; at += RM_HUGE) {
		struct chunk *chunk = chunk_at(at);

		bits_clean(at);
		chunk_set_state(chunk, CHUNK_SMALL);
		chunk->idle = chunk->refused = false;
	}
}

/* Clear the dirty pages of this chunk, which nobody else can reach. Without the lock. */
static void dirty_clear(uint64_t base, const uint64_t dirty[CHUNK_WORDS])
{
	uint64_t start, count;

	for (uint64_t at = 0; rm_bit_run(dirty, at, CHUNK_PAGES, true, &start, &count);
	     at = start + count)
		memset((void *)(base + start * RM_PAGE), 0, count * RM_PAGE);
}

static void part_use(uint64_t addr, uint64_t length)
{
	uint64_t base = rm_huge_down(addr), dirty[CHUNK_WORDS];
	struct chunk *chunk;
	bool make, fresh;

	hooks_lock();
	chunk = chunk_at(addr);
	if (!chunk) {
		hooks_unlock();
		return;
	}
	fresh = !chunk->used_pages;
	if (fresh)
		chunk_renew(base);
	chunk_use(chunk, addr, length, dirty);
	make = huge_wanted(chunk, base, fresh);
	hooks_unlock();
	if (make)
		huge_make(base);
	dirty_clear(base, dirty);
}

/*
 * A block that is larger than all memory of most machines is used in part only. Its chunks stay what
 * they are, and are noted under one lock. Returns where that ended: at a chunk that is to be looked
 * at, or near the end.
 */
static uint64_t giant_use(uint64_t addr, uint64_t end)
{
	uint64_t at = addr, dirty[CHUNK_WORDS];

	hooks_lock();
	while (at % RM_HUGE == 0 && at + RM_HUGE <= end && chunk_at(at) &&
	       !chunk_at(at)->used_pages && !chunk_at(at)->stained) {
		chunk_use(chunk_at(at), at, RM_HUGE, dirty);
		at += RM_HUGE;
	}
	hooks_unlock();
	return at;
}

void pages_use(uint64_t addr, uint64_t length)
{
	uint64_t end = addr + length, part;

	for (uint64_t at = addr; at < end; at += part) {
		part = length >= GIANT ? giant_use(at, end) - at : 0;
		if (part)
			continue;
		part = part_length(at, end);
		part_use(at, part);
	}
}
