/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.c - which pages of a range hold data of their own, by /proc/self/pagemap
 *
 * Linux 6.7 reports runs of pages in one call (PAGEMAP_SCAN) and can mark what it reported, so
 * that the next call reports only what was written since. Older kernels have one word for each
 * page. The file is opened for each use, or for a few in a row: a descriptor that a child
 * inherits would scan its parent.
 *
 * Any thread. Allocates one own page.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scan.h"

/* <linux/fs.h> has these since Linux 6.7; the build host's may be older. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_WRITTEN (1u << 1)          /* since it was marked, or never marked */
#define SCAN_FILE (1u << 2)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_ZERO (1u << 5)             /* the shared zero page */
#define SCAN_MARK 1u                    /* PM_SCAN_WP_MATCHING */
#define SCAN_ONLY_MARKABLE 2u           /* PM_SCAN_CHECK_WPASYNC */

/* Bits of one word of /proc/self/pagemap. */
#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)
#define PAGEMAP_FILE ((uint64_t)1 << 61)

#define REGIONS 128
#define WORDS 256

_Static_assert(REGIONS * sizeof(struct scan_region) <= RM_PAGE &&
               WORDS * sizeof(uint64_t) <= RM_PAGE, "either fits a page");

/* buffer: a page, not on the stack, since a thread's stack may be small. 0 or -errno. */
static int scan_by_ioctl(int pagemap, void *buffer, enum scan what, uint64_t addr, uint64_t length,
                         const struct scan_to *to)
{
	struct scan_region *regions = buffer;
	const uint64_t not = what == SCAN_MAPPED ? 0 :
	                     to->zeros ? SCAN_FILE : SCAN_FILE | SCAN_ZERO;
	struct scan_arg arg = {
		.size = sizeof(arg), .start = addr, .end = addr + length,
		.flags = what == SCAN_CHANGED ? SCAN_MARK | SCAN_ONLY_MARKABLE : 0,
		.vec = (uintptr_t)regions, .vec_len = REGIONS,
		.category_inverted = not,
		.category_mask = not | (what == SCAN_CHANGED ? SCAN_WRITTEN : 0),
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_ZERO,       /* nothing else: a run ends where these differ */
	};

	while (arg.start < arg.end) {
		int n = ioctl(pagemap, SCAN_IOCTL, &arg);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++) {
			int error = to->run(to->arg, regions[i].start, regions[i].end,
			                    regions[i].categories & SCAN_ZERO);

			if (error)
				return error;
		}
		arg.start = arg.walk_end;
	}
	return 0;
}

static bool word_is_private(uint64_t word)
{
	return word & PAGEMAP_SWAPPED || (word & PAGEMAP_PRESENT && !(word & PAGEMAP_FILE));
}

/* The same from one word for each page. Without marks, and without the page of zeros. */
static int scan_by_words(int pagemap, void *buffer, uint64_t addr, uint64_t length,
                         const struct scan_to *to)
{
	uint64_t *words = buffer, end = addr + length, at = addr, start = 0;
	int error = 0;

	while (!error && at < end) {
		uint64_t want = (end - at) >> RM_PAGE_SHIFT;
		ssize_t n = pread(pagemap, words, (want < WORDS ? want : WORDS) * sizeof(words[0]),
		                  (off_t)((at >> RM_PAGE_SHIFT) * sizeof(words[0])));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(words[0]))
			return n < 0 ? -errno : -EIO;
		for (size_t i = 0; !error && i < (size_t)n / sizeof(words[0]); i++, at += RM_PAGE) {
			bool in = word_is_private(words[i]);

			if (in && !start)
				start = at;
			if (!in && start) {
				error = to->run(to->arg, start, at, false);
				start = 0;
			}
		}
	}
	return !error && start ? to->run(to->arg, start, end, false) : error;
}

int scan_open(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return pagemap < 0 ? -errno : pagemap;
}

int scan_in(int pagemap, enum scan what, uint64_t addr, uint64_t length,
            const struct scan_to *to)
{
	void *buffer = own_pages(RM_PAGE);
	int error = buffer ? scan_by_ioctl(pagemap, buffer, what, addr, length, to) : -ENOMEM;

	/* An older kernel refuses the first call, before anything was reported. */
	if ((error == -ENOTTY || error == -EINVAL) && what == SCAN_PRIVATE)
		error = scan_by_words(pagemap, buffer, addr, length, to);
	own_pages_free(buffer, RM_PAGE);
	return error;
}

int scan(enum scan what, uint64_t addr, uint64_t length, const struct scan_to *to)
{
	int error, pagemap = scan_open();

	if (pagemap < 0)
		return pagemap;
	error = scan_in(pagemap, what, addr, length, to);
	close(pagemap);
	return error;
}
