/* SPDX-License-Identifier: BSD-2-Clause */
/* pointers.c - see pointers.h. Any thread; does not allocate. */
#include <string.h>

#include "pointers.h"

#define RECENT 32                       /* page numbers remembered, to skip repetitions */

unsigned pointers_find(const struct rm_table *table, const void *page,
                       struct pointer found[POINTERS_MAX])
{
	const struct rm_segment *first = table->segments, *in = first;
	const struct rm_segment *last = first + table->segment_count - 1;
	uint64_t low, extent, word, number, recent[RECENT] = { 0 };
	const char *at = page;
	unsigned count = 0;

	if (!table->segment_count)
		return 0;
	low = first->addr;
	extent = last->addr + last->length - low;
	for (size_t i = 0; i < POINTERS_MAX; i++) {
		memcpy(&word, at + i * sizeof(word), sizeof(word));
		if (word - low >= extent)
			continue;
		number = word / RM_PAGE;        /* never 0: the window begins far above */
		if (recent[number % RECENT] == number)
			continue;
		recent[number % RECENT] = number;
		if (word - in->addr >= in->length) {
			const struct rm_segment *s = rm_table_find(table, word);

			if (!s)
				continue;
			in = s;
		}
		found[count++] = (struct pointer){ (uint32_t)(in - first), (word - in->addr) / RM_PAGE };
	}
	return count;
}
