/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retained.h - large free extents whose pages stay
 *
 * Called by hooks.c under the hooks' lock, except for retained_clear() and a read of
 * retained_bytes. Allocates nothing: the list has a fixed size.
 */
#ifndef RM_LIB_RETAINED_H
#define RM_LIB_RETAINED_H

#include <stdbool.h>
#include <stdint.h>

#define RETAINED_MAX 32                 /* ranges at a time */
#define RETAINED_MIN ((uint64_t)8 << 20)        /* the size of jemalloc's large extents */

struct retained_range {
	uint64_t addr, length;
	uint32_t ms;                    /* when it was given back */
};

#pragma GCC visibility push(hidden)

/*
 * The sum of all ranges. Read without the lock it tells one thing for certain: if it is 0,
 * nothing of the memory that the reader has just been given is retained.
 */
extern uint64_t retained_bytes;

/* An extent is given back. True if its pages stay; false: the caller gives them to the kernel. */
bool retained_add(uint64_t addr, uint64_t length);
/* Release what has been retained for more than a second. */
void retained_expire(void);
/* LENGTH bytes came into use. Release as many retained bytes, oldest first. */
void retained_release(uint64_t length);
/*
 * [addr, addr + length) is used again. Stores the retained parts of it, at most RETAINED_MAX, and
 * returns their number; the caller clears each before it hands the memory out.
 */
unsigned retained_take(uint64_t addr, uint64_t length, struct retained_range *taken);
/* Make it read as zeros. Without the lock: the memory is the caller's by now. */
void retained_clear(const struct retained_range *range);

#pragma GCC visibility pop

#endif
