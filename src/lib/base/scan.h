/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - which pages of this process are there, and which were written
 *
 * scan.c asks the kernel, on any thread. track.c knows what is marked, under the lock of
 * attach/attachments.c. Allocates single own pages only.
 */
#ifndef RM_LIB_SCAN_H
#define RM_LIB_SCAN_H

#include "base.h"

#pragma GCC visibility push(hidden)

/* ---- scan.c ---- */
enum scan {
	SCAN_MAPPED,            /* pages of a shared mapping that are there */
	SCAN_PRIVATE,           /* pages with data that are this process's, not a file's */
	SCAN_CHANGED,           /* those of them written since they were marked; marks them anew */
};
struct scan_to {
	/*
	 * Called for each run, ascending. Returns 0, or -errno to stop. zeros: the run is of the
	 * kernel's page of zeros. Such a page was only read, or the kernel has put it in the place
	 * of a page that the program had filled with zeros.
	 */
	int (*run)(void *arg, uint64_t start, uint64_t end, bool zeros);
	void (*again)(void *arg);       /* or NULL: forget the runs so far, all will come again */
	void *arg;
	bool zeros;                     /* report runs of the page of zeros, too */
};
/*
 * SCAN_CHANGED is possible only in ranges that track.c has registered, else -EPERM. After an error
 * some pages may be marked that were not reported. 0 or -errno.
 */
int scan(enum scan what, uint64_t addr, uint64_t length, const struct scan_to *to);
/* For several scans in a row: a descriptor, which the caller closes, or -errno; and each scan. */
int scan_open(void);
int scan_in(int pagemap, enum scan what, uint64_t addr, uint64_t length,
            const struct scan_to *to);

/* ---- track.c ---- */
/*
 * Report the runs of [addr, addr + length), a private or anonymous mapping, that may have changed
 * since the last call for these addresses. Where the kernel cannot tell, all pages that are this
 * process's count as changed. 0 or -errno.
 */
int track_changed(uint64_t addr, uint64_t length, const struct scan_to *to);
/* Report all pages that are this process's, as if each had changed. 0 or -errno. */
int track_all(uint64_t addr, uint64_t length, const struct scan_to *to);

#pragma GCC visibility pop

#endif
