/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ranges.c - the used ranges of the heap, in an array
 *
 * Any thread; takes the hooks' lock. Allocates in struct array.
 */
#include <errno.h>

#include "heap.h"

/* The heap may grow while the array is made: then it is made again, with room to spare. */
int heap_ranges(struct array *ranges)
{
	unsigned max = 64;

	*ranges = (struct array){ .item = sizeof(struct heap_range) };
	for (;;) {
		unsigned n;

		while (ranges->count < max)
			if (!array_add(ranges))
				return -ENOMEM;
		n = hooks_ranges(ranges->data, max);
		if (n <= max) {
			ranges->count = n;
			return 0;
		}
		max = n + n / 4;
	}
}
