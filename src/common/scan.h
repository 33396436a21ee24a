/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - words of a snapshot that look like pointers out of it
 *
 * C has no types to walk, so every aligned word counts: one that is an address of a place
 * of the publisher's, or one that is in the window, a multiple of 8, and not in the snapshot.
 * Words in freed blocks are found too, and numbers that happen to look so. Pure.
 */
#ifndef RM_SCAN_H
#define RM_SCAN_H

#include "segment.h"

enum rm_stray_kind {
	RM_STRAY_PROGRAM, RM_STRAY_FILE, RM_STRAY_STACK, RM_STRAY_MEMORY, RM_STRAY_SLOT,
	RM_STRAY_KINDS
};
extern const char *const rm_stray_keys[RM_STRAY_KINDS];         /* as in JSON */

#define RM_SCAN_FIRST 8
#define RM_STRAY_TEXT_MAX 4400          /* a path and some more */

struct rm_stray {
	uint64_t addr, word;            /* where it is, what it says */
	/*
	 * Where its block begins, or 0. Sizes of blocks are known to nobody here: it is where
	 * the nearest pointer of the snapshot that leads to it or before it leads to.
	 */
	uint64_t block;
};

struct rm_scan {
	const struct rm_table *table;
	uint64_t low, high;             /* of all that counts */
	uint64_t bytes;                 /* looked at */
	uint64_t total, found[RM_STRAY_KINDS];
	unsigned firsts;
	struct rm_stray first[RM_SCAN_FIRST];   /* by address */
};

/* data() gives a segment's pages, readable. */
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
