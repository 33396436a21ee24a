/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unused.c - addresses of the heap that jemalloc does not use: never committed, or decommitted
 *
 * A mapping of a frozen file holds all of the file's memory, and the end of a file is mostly
 * what the heap has grown by and nobody took yet. Here is known when nothing else is left of
 * one. Ranges are in ascending order, joined where they meet; what finds no room is not
 * known, and taken for used. Under the hooks' lock.
 */
#include "free_ranges.h"

#include <string.h>

#define FREE_RANGES_MAX 4096

static struct range {
	uint64_t addr, end;
} ranges[FREE_RANGES_MAX];
static unsigned count;

/* The first range that ends at addr or above. */
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

/* In the place of so many ranges there are these now. */
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
