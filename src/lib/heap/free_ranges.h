/* SPDX-License-Identifier: BSD-2-Clause */
/* unused.h - which of the heap's addresses jemalloc does not use (see unused.c) */
#ifndef RM_LIB_UNUSED_H
#define RM_LIB_UNUSED_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* jemalloc does not use them until it commits them. */
void free_ranges_add(uint64_t addr, uint64_t length);
void free_ranges_remove(uint64_t addr, uint64_t length);
/* True only if nobody uses any of them. */
bool free_ranges_cover(uint64_t addr, uint64_t length);

#pragma GCC visibility pop

#endif
