/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * free_ranges.h - which of the heap's addresses jemalloc does not use
 *
 * Called by hooks.c and backing.c under the hooks' lock, only in a program that publishes.
 * The list has a fixed size and allocates nothing. A range that finds no room in it counts as
 * used, which costs memory but is safe.
 */
#ifndef RM_LIB_FREE_RANGES_H
#define RM_LIB_FREE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* jemalloc does not use these addresses until it commits them. */
void free_ranges_add(uint64_t addr, uint64_t length);
/* jemalloc uses them from now on. */
void free_ranges_remove(uint64_t addr, uint64_t length);
/* True only if jemalloc uses none of these addresses. */
bool free_ranges_cover(uint64_t addr, uint64_t length);

#pragma GCC visibility pop

#endif
