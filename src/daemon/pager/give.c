/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * give.c - gives a process a block (block.c): its range is unregistered, and the kernel maps it
 *
 * A page of a huge block exists in the file before it is filled. What keeps it invisible is the
 * registration alone; lazy_block_filled() proves for each block that it is filled. Worker thread
 * only; does not allocate.
 */
#include <errno.h>

#include "internal.h"
#include "uffd.h"

#define GIVEN_MAX 4096                  /* blocks: each may cost the process two mappings more */

bool block_give(struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t addr = lazy_segment_at(lazy, segment)->addr + block * RM_PAGE;
	bool touched = block_waited_since(lazy, segment, block);
	int error;

	if (lazy->blocks_given >= GIVEN_MAX || !lazy_block_filled(lazy, segment, block))
		return false;
	error = uffd_unregister(lazy->fds[LAZY_UFFD], addr, RM_HUGE);
	/* Whoever came after the first wake-up of this call, see ranges.c. */
	uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_HUGE);
	if (error == -ESRCH)
		lazy->dead = true;
	if (error)
		return false;
	*block_state(lazy, segment, block) |= BLOCK_GIVEN;
	lazy->blocks_given++;
	ahead_given(lazy, lazy->first[segment] + block, touched &&
	            block_untouched(lazy, segment, block));
	lazy_resolved(lazy, segment, block, LAZY_BLOCK);
	return true;
}

/* Pages [page, end) of this block have arrived, or will not come. */
static void block_arrived(struct lazy *lazy, uint32_t segment, uint64_t block, uint64_t page,
                          uint64_t end)
{
	bool untouched = block_untouched(lazy, segment, block);

	if (!block_absent(lazy, segment, block)) {
		if (untouched && !block_waited_since(lazy, segment, block))
			return;         /* the first fault in it is of use */
		if (block_give(lazy, segment, block))
			return;
	} else if (block_held(lazy, segment, block)) {
		return;
	}
	if (untouched) {                /* others of its pages may have been held */
		page = block;
		end = block + LAZY_BLOCK;
	}
	ahead_map(lazy, segment, page, end);
}

void blocks_arrived(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	uint64_t block, next;

	for (; page < end && !lazy->dead; page = next) {
		next = (rm_huge_down(s->addr + page * RM_PAGE) + RM_HUGE - s->addr) / RM_PAGE;
		next = next < end ? next : end;
		if (block_find(lazy, segment, page, &block))
			block_arrived(lazy, segment, block, page, next);
		else
			ahead_map(lazy, segment, page, next);
	}
}
