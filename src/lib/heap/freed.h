/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * freed.h - RMMAP_CHECK: was this block freed?
 *
 * Any thread, without a lock. Does not allocate from the heap: the table is in own pages.
 */
#ifndef RM_LIB_FREED_H
#define RM_LIB_FREED_H

#include <stdbool.h>

/* Note from now on what is freed. Called once, by heap.c when jemalloc is set up. */
void freed_watch(void);
/*
 * Is p the start of a block that was freed and not handed out again? True is certain. False is
 * not: p may have been freed long ago, or nothing is noted.
 */
bool freed_holds(const void *p);

#endif
