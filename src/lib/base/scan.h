/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - which pages of this process are there, and which were written
 *
 * scan.c asks the kernel; track.c knows what was asked before. track.c under publish.c's
 * lock. Does not allocate.
 */
#ifndef RM_LIB_SCAN_H
#define RM_LIB_SCAN_H

#include "base.h"

#pragma GCC visibility push(hidden)

/* ---- scan.c ---- */
enum scan {
	SCAN_MAPPED,            /* pages that are there, of a shared mapping */
	SCAN_PRIVATE,           /* pages with data that are this process's alone, not a file's */
	SCAN_CHANGED,           /* PRIVATE, written since the last such scan; marks them anew */
};
struct scan_to {
	/*
	 * Ascending; 0, or -errno to stop. zeros: the kernel's page of zeros is there, which was
	 * only read, or which the kernel put in the place of a page that was written with zeros.
	 */
	int (*run)(void *arg, uint64_t start, uint64_t end, bool zeros);
	void (*again)(void *arg);       /* forget those so far: they are told once more; or NULL */
	void *arg;
	bool zeros;                     /* tell these, too */
};
/*
 * SCAN_CHANGED only where track.c has the kernel mark: else -EPERM; after an error some
 * pages may be marked that were not told. 0 or -errno.
 */
int scan(enum scan what, uint64_t addr, uint64_t length, const struct scan_to *to);
/* The same for several in a row: a descriptor to be closed, or -errno; and each of them. */
int scan_open(void);
int scan_in(int pagemap, enum scan what, uint64_t addr, uint64_t length,
            const struct scan_to *to);

/* ---- track.c ---- */
/*
 * Runs of [addr, addr + length), a private mapping of a file or anonymous, that may have
 * changed since this was last asked; more than that where the kernel cannot tell. 0 or -errno.
 */
int track_changed(uint64_t addr, uint64_t length, const struct scan_to *to);
/* All pages that are this process's alone, as if each had been changed. 0 or -errno. */
int track_all(uint64_t addr, uint64_t length, const struct scan_to *to);

#pragma GCC visibility pop

#endif
