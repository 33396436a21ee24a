/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - RMMAP_CHECK: words of the snapshot that point out of it
 *
 * C has no types to walk, so every aligned word counts: one that is an address
 * of this process, or of the window, but not of the snapshot, will not mean
 * anything to who attaches it. Words in freed blocks are found too: it says
 * what looks like a pointer. Any thread; own data is in own_pages().
 */
#include <string.h>

#include "../common/say.h"
#include "attach.h"

struct place {                          /* a mapping of this process */
	uint64_t start, end;
	char name[64];                  /* the end of its path, if it is longer */
};

struct search {
	const struct rm_segment *segments;      /* ascending */
	uint32_t segment_count;
	struct array places;                    /* ascending */
	bool places_cut;
	uint64_t low, high;                     /* all places and the window */
	uint64_t found;
	uint64_t first, target;                 /* where the first one is, and what it says */
};

static bool add_place(void *arg, const struct map_line *line)
{
	struct search *search = arg;
	struct place *place = array_add(&search->places);
	size_t length = strlen(line->name);

	if (!place) {
		search->places_cut = true;
		return true;
	}
	place->start = line->start;
	place->end = line->end;
	if (length >= sizeof(place->name))
		length = sizeof(place->name) - 1;
	memcpy(place->name, line->name + strlen(line->name) - length, length + 1);
	if (line->start < search->low)
		search->low = line->start;
	if (line->end > search->high)
		search->high = line->end;
	return false;
}

static const struct place *find_place(const struct search *search, uint64_t word)
{
	const struct place *places = search->places.data;
	size_t low = 0, high = search->places.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (word < places[middle].start)
			high = middle;
		else if (word >= places[middle].end)
			low = middle + 1;
		else
			return &places[middle];
	}
	return NULL;
}

static bool in_snapshot(const struct search *search, uint64_t word)
{
	uint32_t low = 0, high = search->segment_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct rm_segment *segment = &search->segments[middle];

		if (word < segment->addr)
			high = middle;
		else if (word - segment->addr >= segment->length)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

static void check_word(struct search *search, uint64_t word, uint64_t addr)
{
	if (word - search->low >= search->high - search->low || in_snapshot(search, word))
		return;
	if (!rm_in_window(word) && !find_place(search, word))
		return;
	if (search->found++ == 0) {
		search->first = addr;
		search->target = word;
	}
}

/* The memory itself: what a layer holds is what was there a moment ago. */
static void check_segment(struct search *search, const struct rm_segment *segment,
                          const uint64_t *bitmap)
{
	uint64_t first = segment->offset >> RM_PAGE_SHIFT, start, run;
	uint64_t end = first + (segment->length >> RM_PAGE_SHIFT);

	for (uint64_t from = first; rm_bit_run(bitmap, from, end, true, &start, &run);
	     from = start + run) {
		const uint64_t *words = (const void *)(uintptr_t)
		                        (segment->addr + ((start - first) << RM_PAGE_SHIFT));

		for (uint64_t i = 0; i < run * (RM_PAGE / sizeof(*words)); i++)
			check_word(search, words[i], (uintptr_t)&words[i]);
	}
}

static void report(const struct search *search, uint64_t data_bytes)
{
	const struct place *place = find_place(search, search->target);
	const char *name = "memory of rmmap's window that is not in the snapshot";

	if (!search->found) {
		rm_say_fd(2, "rmmap: check: no words point out of the snapshot's %llu KiB",
		          (unsigned long long)data_bytes >> 10);
		return;
	}
	if (!rm_in_window(search->target))
		name = place && place->name[0] ? place->name : "anonymous memory";
	rm_say_fd(2, "rmmap: check: %llu words look like pointers out of the snapshot; the first, "
	          "at 0x%llx, is 0x%llx, in %s", (unsigned long long)search->found,
	          (unsigned long long)search->first, (unsigned long long)search->target, name);
}

void check_snapshot(const struct snapshot *snapshot)
{
	struct search search = {
		.segments = rm_table_segments(snapshot->table),
		.segment_count = ((struct rm_table_header *)snapshot->table)->segment_count,
		.places.item = sizeof(struct place),
		.low = RM_WINDOW_BASE, .high = RM_WINDOW_END,
	};
	int err = maps_walk(add_place, &search);

	attached_lock();                /* heap memory is never unmapped, attached memory is */
	for (uint32_t i = 0; i < search.segment_count; i++)
		check_segment(&search, &search.segments[i],
		              rm_table_bitmap(snapshot->table, search.segments[i].layer));
	attached_unlock();
	if (err || search.places_cut)
		rm_say_fd(2, "rmmap: check: not all could be checked: %s",
		          err ? "/proc/self/maps cannot be read" : "out of memory");
	report(&search, snapshot->data_bytes);
	array_free(&search.places);
}
