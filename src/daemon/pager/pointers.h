/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pointers.h - which pages of a publication a page points to
 *
 * C has no types to walk: every aligned word that is an address of a segment counts, also in
 * freed blocks, also a number that happens to look so. What is scanned comes from another
 * host and may hold anything. Pure: no globals, no allocation.
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
 * The pages that words of this page point to, in the order of the words; most repetitions
 * are left out. How many: at most POINTERS_MAX.
 */
unsigned pointers_find(const struct rm_table *table, const void *page,
                       struct pointer found[POINTERS_MAX]);

#endif
