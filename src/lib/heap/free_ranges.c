/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * free_ranges.c - addresses of the heap that jemalloc does not use: never committed, or
 * decommitted
 *
 * A mapping of a frozen file holds all of the file's memory. The end of most files is memory that
 * the heap has grown by and jemalloc never committed. This list tells when no more than such
 * memory is left of a file, so that backing.c can let go of it. Under the hooks' lock. Allocates
 * nothing.
 */
#include "free_ranges.h"

#include <string.h>

#define FREE_RANGES_MAX 4096

/* Ascending, without overlap, and joined where they meet. A range that finds no room is lost. */
static struct range {
	uint64_t addr, end;
} ranges[FREE_RANGES_MAX];
static unsigned count;

/* The index of the first range that ends at addr or above, or count. */
static unsigned range_find(uint64_t addr)
{
	unsigned low = 0, high = count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (ranges[middle].end < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replace the `old` ranges from index at on by n others, of which the last is dropped if full. */
static void ranges_replace(unsigned at, unsigned old, const struct range *by, unsigned n)
{
	if (count - old + n > FREE_RANGES_MAX)
		n--;
	memmove(&ranges[at + n], &ranges[at + old], (count - at - old) * sizeof(ranges[0]));
	memcpy(&ranges[at], by, n * sizeof(ranges[0]));
	count += n - old;
}

void free_ranges_add(uint64_t addr, uint64_t length)
{
	struct range range = { addr, addr + length };
	unsigned at = range_find(addr), to = at;

	if (!length)
		return;
	for (; to < count && ranges[to].addr <= range.end; to++) {
		if (ranges[to].addr < range.addr)
			range.addr = ranges[to].addr;
		if (ranges[to].end > range.end)
			range.end = ranges[to].end;
	}
	ranges_replace(at, to - at, &range, 1);
}

void free_ranges_remove(uint64_t addr, uint64_t length)
{
	uint64_t end = addr + length;
	unsigned at = range_find(addr + 1), to = at, n = 0;
	struct range left[2];

	while (to < count && ranges[to].addr < end)
		to++;
	if (to == at || !length)
		return;
	if (ranges[at].addr < addr)
		left[n++] = (struct range){ ranges[at].addr, addr };
	if (ranges[to - 1].end > end)
		left[n++] = (struct range){ end, ranges[to - 1].end };
	ranges_replace(at, to - at, left, n);
}

bool free_ranges_cover(uint64_t addr, uint64_t length)
{
	unsigned at = range_find(addr + length);

	return at < count && ranges[at].addr <= addr;
}
