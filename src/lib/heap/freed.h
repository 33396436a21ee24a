/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * freed.h - RMMAP_CHECK: was this block freed?
 *
 * Does not allocate from the heap. Any thread.
 */
#ifndef RM_LIB_FREED_H
#define RM_LIB_FREED_H

#include <stdbool.h>

/* From now on note what is freed. Once, when jemalloc is set up, before there are threads. */
void freed_watch(void);
/*
 * Was p freed, and is it still? True is certain; false also where p is no block's begin, was
 * freed long ago, or nobody watches.
 */
bool freed_holds(const void *p);

#endif
