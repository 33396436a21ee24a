/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.h - memory that jemalloc takes into use and gives back, in a program that publishes
 *
 * Called by hooks.c and publish/ on any thread. chunks.h tells what is used, backing.h what it is
 * made of; this decides what becomes of memory that is free, and which becomes huge pages.
 * Nothing allocates from the heap.
 */
#ifndef RM_LIB_PAGES_H
#define RM_LIB_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/*
 * jemalloc uses [addr, addr + length) from now on: it reads as zeros, and where it pays it is huge
 * pages. Without the hooks' lock.
 */
void pages_use(uint64_t addr, uint64_t length);
/*
 * jemalloc uses these addresses no more. True: refused, so they count as used. The memory is given
 * back at once, or, with later, when it was not used for a second, or by pages_purge(). Under the
 * hooks' lock.
 */
bool pages_free(uint64_t addr, uint64_t length, bool later);
/*
 * Give all free memory back, so that none of it is published. From now on free memory may wait for
 * its next use if postpone is set. Without the hooks' lock.
 */
void pages_purge(bool postpone);
/* Give back what has been free for a second. Under the hooks' lock. */
void pages_expire(void);

/* A clock for how long memory has been free. It wraps: compare differences. */
uint32_t pages_now_ms(void);

/* ---- huge.c ---- */
/* May chunks become huge pages here? Asks RMMAP_HUGE and the machine; once, before threads. */
void huge_init(void);
struct chunk;
/*
 * Memory of the chunk comes into use; fresh: none of it was before. Is it to become a huge page?
 * Then it counts as one, and the caller gives the lock back and calls huge_make(). Under the hooks'
 * lock.
 */
bool huge_wanted(struct chunk *chunk, uint64_t addr, bool fresh);
void huge_make(uint64_t addr);
/* May this huge chunk keep unused pages? Under the hooks' lock. */
bool huge_keeps_waste(void);
#pragma GCC visibility pop

#endif
