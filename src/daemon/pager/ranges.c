/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ranges.c - which addresses of a publication this userfaultfd covers
 *
 * All of them, unless the process says otherwise: it may keep content of its own in some pages,
 * or share pages with another attachment, whose userfaultfd serves them. The kernel does not
 * enforce it: a page may be mapped, and marked as lost, through any userfaultfd of the process,
 * and some kernels even let one unregister another's range. Worker thread only; allocates.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "uffd.h"

/* The process named no ranges: all segments. */
static int ranges_all(struct lazy *lazy, const struct rm_table *table)
{
	lazy->range_count = table->segment_count;
	lazy->ranges = calloc(table->segment_count + 1, sizeof(*lazy->ranges));
	if (!lazy->ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->segment_count; i++)
		lazy->ranges[i] = (struct rm_wire_range){ table->segments[i].addr,
		                                          table->segments[i].length };
	return 0;
}

/* The ranges that the process named: untrusted, so they are checked to ascend in the window. */
static int ranges_read(struct lazy *lazy, const struct rm_table *table, uint64_t pages)
{
	uint64_t end = 0;
	size_t size;
	struct stat st;

	if (lazy->fds[LAZY_RANGES] < 0)
		return ranges_all(lazy, table);
	if (fstat(lazy->fds[LAZY_RANGES], &st) || st.st_size % (off_t)sizeof(*lazy->ranges) ||
	    (uint64_t)st.st_size > pages * sizeof(*lazy->ranges))
		return -EINVAL;
	size = (size_t)st.st_size;
	lazy->range_count = size / sizeof(*lazy->ranges);
	lazy->ranges = calloc(lazy->range_count + 1, sizeof(*lazy->ranges));
	if (!lazy->ranges)
		return -ENOMEM;
	if (pread(lazy->fds[LAZY_RANGES], lazy->ranges, size, 0) != (ssize_t)size)
		return -EINVAL;
	for (size_t i = 0; i < lazy->range_count; i++) {
		const struct rm_wire_range *range = &lazy->ranges[i];

		if (range->addr < end || !range->length || range->addr > RM_WINDOW_END ||
		    range->length > RM_WINDOW_END - range->addr)
			return -EINVAL;
		end = range->addr + range->length;
	}
	return 0;
}

int lazy_number(struct lazy *lazy)
{
	const struct rm_table *table = remote_table(lazy->remote);
	uint64_t pages = 0;
	size_t range = 0;
	int error;

	lazy->first = calloc(table->segment_count + 1, sizeof(*lazy->first));
	if (!lazy->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->segment_count; i++) {
		lazy->first[i] = pages;
		pages += table->segments[i].length / RM_PAGE;
	}
	lazy->pages = pages;
	error = ranges_read(lazy, table, pages);
	if (error)
		return error;
	lazy->ahead.state = calloc(pages + 1, sizeof(*lazy->ahead.state));
	if (!lazy->ahead.state)
		return -ENOMEM;
	lazy->mapped = calloc((pages + 63) / 64 + 1, sizeof(*lazy->mapped));
	lazy->blocks = calloc(pages / LAZY_BLOCK + 1, sizeof(*lazy->blocks));
	if (!lazy->mapped || !lazy->blocks)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->segment_count; i++) {
		const struct rm_segment *s = &table->segments[i];
		const uint64_t *data = rm_table_view_bitmap(table, s->layer);
		bool shares = lazy_shares(lazy, s->layer);

		for (uint64_t page = 0; page < s->length / RM_PAGE; page++) {
			uint64_t addr = s->addr + page * RM_PAGE;

			while (range < lazy->range_count &&
			       lazy->ranges[range].addr + lazy->ranges[range].length <= addr)
				range++;
			if (range == lazy->range_count || lazy->ranges[range].addr > addr) {
				rm_bit_set(lazy->mapped, lazy->first[i] + page);
				block_foreign(lazy, i, page);
			} else if (rm_bit(data, s->offset / RM_PAGE + page)) {
				lazy->left++;
				lazy->left_copies += !shares;
			}
		}
	}
	return 0;
}

/*
 * UFFDIO_UNREGISTER wakes all threads that wait, and then takes the range out. A thread that
 * faults again in between would wait for ever (seen once in 250 lazy walks on a busy machine,
 * Linux 6.18). So all are woken again at the end.
 */
void lazy_unregister(const struct lazy *lazy)
{
	const struct rm_wire_range *last;

	if (!lazy->range_count)
		return;
	last = lazy->ranges + lazy->range_count - 1;
	for (size_t i = 0; i < lazy->range_count; i++)
		uffd_unregister(lazy->fds[LAZY_UFFD], lazy->ranges[i].addr, lazy->ranges[i].length);
	uffd_wake(lazy->fds[LAZY_UFFD], lazy->ranges->addr,
	          last->addr + last->length - lazy->ranges->addr);
}
