/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pointers.h - which pages of a publication a page points to
 *
 * Nothing tells which words of a page are pointers. So every aligned word counts whose value is
 * an address in a segment, be it in a freed block or a number that happens to look like one.
 * The page comes from another host and may hold anything.
 *
 * Called by ahead.c. Pure: no globals, no allocation.
 */
#ifndef RM_POINTERS_H
#define RM_POINTERS_H

#include "../../common/segment.h"

#define POINTERS_MAX (RM_PAGE / sizeof(uint64_t))

struct pointer {
	uint32_t segment;
	uint64_t page;                  /* in that segment */
};

/*
 * Find the pages that the words of this page point to, in the order of the words. Most
 * repetitions are left out. Returns how many there are, at most POINTERS_MAX.
 */
unsigned pointers_find(const struct rm_table *table, const void *page,
                       struct pointer found[POINTERS_MAX]);

#endif
