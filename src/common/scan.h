/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - finds words of a snapshot that look like pointers out of it
 *
 * C has no types at run time, so every aligned word is looked at. A word is a stray if it is an
 * address in one of the publisher's places (places.h), or if it is in the window, a multiple of 8
 * and not in the snapshot. So words in freed blocks are found too, and integers that look like
 * such addresses.
 *
 * The library (RMMAP_CHECK) and rmmap check use it. Any thread, no allocation. Pure, but for the
 * descriptions with files, which read ELF files.
 */
#ifndef RM_SCAN_H
#define RM_SCAN_H

#include "segment.h"

enum rm_stray_kind {
	RM_STRAY_PROGRAM, RM_STRAY_FILE, RM_STRAY_STACK, RM_STRAY_MEMORY, RM_STRAY_SLOT,
	RM_STRAY_KINDS
};
extern const char *const rm_stray_keys[RM_STRAY_KINDS];         /* names for JSON */

#define RM_SCAN_FIRST 8                 /* so many strays are kept, all are counted */
#define RM_STRAY_TEXT_MAX 4400          /* a path (4096) and the words around it */

struct rm_stray {
	uint64_t addr, word;            /* the word's address, and its value */
	/*
	 * A guess where its block begins, or 0. The sizes of blocks are not known here. So it is
	 * the highest address at or below addr that some pointer of the snapshot has as value.
	 */
	uint64_t block;
};

struct rm_scan {
	const struct rm_table *table;
	uint64_t low, high;             /* no stray's value is outside [low, high) */
	uint64_t bytes;                 /* of the pages with data, which were looked at */
	uint64_t total, found[RM_STRAY_KINDS];  /* strays; total is the sum of found[] */
	unsigned firsts;                /* used in first[]: total, but at most RM_SCAN_FIRST */
	struct rm_stray first[RM_SCAN_FIRST];   /* those with the lowest addresses, ascending */
};

/*
 * Look at all pages with data of a checked table. data() returns the memory of a segment, which has
 * to stay readable; another thread may write to it. The table has to outlive scan.
 */
void rm_scan(struct rm_scan *scan, const struct rm_table *table,
             const void *(*data)(void *arg, const struct rm_segment *segment), void *arg);
/* "3 words look like pointers out of the snapshot: 2 into the program, 1 into the stack" */
void rm_scan_summary(const struct rm_scan *scan, char *text, size_t size);
/* ".rodata of ./producer" */
void rm_stray_target(const struct rm_scan *scan, const struct rm_stray *stray, bool files,
                     char *text, size_t size);
/* "block at 0x101234567890 +16 -> .rodata of ./producer" */
void rm_stray_describe(const struct rm_scan *scan, const struct rm_stray *stray, bool files,
                       char *text, size_t size);

#endif
