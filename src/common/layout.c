/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.c - compares two layouts and describes how they differ
 *
 * Pure: any thread, no allocation, no system call.
 */
#include "layout.h"

#include "say.h"

bool rm_layout_same(const struct rm_layout *a, const struct rm_layout *b)
{
	return a->window_base == b->window_base && a->window_slots == b->window_slots &&
	       a->page_shift == b->page_shift && a->slot_shift == b->slot_shift &&
	       a->big_endian == b->big_endian && a->pointer_bytes == b->pointer_bytes;
}

void rm_layout_difference(const char *whose, const struct rm_layout *there, const char *ours,
                          char *text, size_t size)
{
	struct rm_layout here = rm_layout_here();

	if (there->big_endian != here.big_endian)
		rm_format(text, size, "%s byte order is another than %s: use a machine of the same "
		          "kind", whose, ours);
	else if (there->pointer_bytes != here.pointer_bytes)
		rm_format(text, size, "%s pointers have %u bytes, %s have %u: use programs of the same "
		          "kind", whose, there->pointer_bytes, ours, here.pointer_bytes);
	else if (there->page_shift != here.page_shift)
		rm_format(text, size, "%s pages have %llu bytes, %s have %llu: use machines of the "
		          "same kind", whose, 1ull << (there->page_shift & 63), ours,
		          1ull << here.page_shift);
	else
		rm_format(text, size, "%s window of addresses is 0x%llx:%u, %s is 0x%llx:%u: they are "
		          "of two builds of rmmap; configure both with the same --with-window", whose,
		          (unsigned long long)there->window_base, there->window_slots, ours,
		          (unsigned long long)here.window_base, here.window_slots);
}
