/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge.c - which chunks of the heap become huge pages
 *
 * A chunk is made huge while little of it is in use, since pages that are there are copied, and
 * only if most of it will be used. jemalloc fills its lowest extents first, so the chunk that an
 * arena grows in is the only one that stays half empty. So a limit for what all huge chunks leave
 * unused is enough: a heap grows by less than 2 MiB and a twentieth.
 *
 * Under the hooks' lock, except for huge_make(). Does not allocate.
 */
#include <errno.h>
#include <sys/mman.h>

#include "backing.h"
#include "chunks.h"
#include "pages.h"

/* Pages that may be unused in huge chunks: so many, and one in WASTE_PART of them all. */
#define WASTE_PAGES (CHUNK_PAGES * 3 / 4)
#define WASTE_PART 25
/* A heap of fewer pages has none. */
#define HEAP_MIN (CHUNK_PAGES / 2)
/* Chunks of large blocks that are made huge: so many, and one to so many others. */
#define SOLID_CHUNKS 16
#define SOLID_PART 4
/* After a refusal for want of memory so many chunks are not tried; doubles up to the maximum. */
#define SKIP_MIN 8
#define SKIP_MAX 4096

static enum rm_huge_mode mode = RM_HUGE_OFF;    /* set by huge_init(), before there are threads */
static bool impossible;         /* the kernel never makes any */
static unsigned skip, skip_next = SKIP_MIN;     /* chunks that are not tried */
static uint64_t refusals;

void huge_init(void)
{
	mode = rm_huge_fits() ? env_options()->huge : RM_HUGE_OFF;
}

/*
 * Who allocates a large block may write to a small part of it only: hash tables, buffers for the
 * worst case, arrays of many GiB. So chunks that come into use as a whole are made huge up to a
 * part of the memory that is certainly there.
 */
static bool blocks_allow(void)
{
	return mode == RM_HUGE_ON || chunk_totals.solid < SOLID_CHUNKS +
	                             (chunk_totals.huge - chunk_totals.solid) / SOLID_PART;
}

static bool waste_allows(uint64_t unused)
{
	uint64_t pages = (chunk_totals.huge - chunk_totals.solid) * CHUNK_PAGES;

	return mode == RM_HUGE_ON ||
	       chunk_totals.waste + unused <= WASTE_PAGES + pages / WASTE_PART;
}

bool huge_wanted(struct chunk *chunk, uint64_t addr, bool fresh)
{
	if (mode == RM_HUGE_OFF || impossible || chunk->state != CHUNK_SMALL || chunk->refused)
		return false;
	if (mode == RM_HUGE_AUTO && chunk_totals.used < HEAP_MIN)
		return false;
	if (chunk->whole && fresh && !blocks_allow())
		return false;
	if (!waste_allows(CHUNK_PAGES - chunk->used_pages) || !backing_is_shared(addr, RM_HUGE))
		return false;
	if (skip) {
		skip--;
		return false;
	}
	chunk_set_state(chunk, CHUNK_HUGE);
	if (chunk->whole && fresh) {
		chunk->solid = true;
		chunk_totals.solid++;
	}
	return true;
}

/* It is not huge after all. Under the hooks' lock. */
static void huge_refused(uint64_t addr, int error)
{
	struct chunk *chunk = chunk_at(addr);

	refusals++;
	chunk->refused = true;
	if (chunk->state == CHUNK_HUGE)
		chunk_set_state(chunk, CHUNK_SMALL);
	if (error == -EINVAL && !chunk_totals.huge)
		impossible = true;
	if (error == -ENOMEM || error == -EAGAIN) {
		skip = skip_next;
		skip_next = skip_next < SKIP_MAX ? 2 * skip_next : SKIP_MAX;
	}
}

/* If a freeze has come in between, the frozen file's pages become one, which does no harm. */
void huge_make(uint64_t addr)
{
	int error = rm_huge_make((void *)addr, RM_HUGE, false);

	hooks_lock();
	if (error)
		huge_refused(addr, error);
	else
		skip_next = SKIP_MIN;
	hooks_unlock();
}

bool huge_keeps_waste(void)
{
	return waste_allows(0);
}

void huge_stats(uint64_t *bytes, uint64_t *refused)
{
	hooks_lock();
	*bytes = chunk_totals.huge * RM_HUGE;
	*refused = refusals;
	hooks_unlock();
}
