/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.c - finds words that point out of a snapshot, and the blocks that they are in; see scan.h
 *
 * Two passes: the first finds and counts the strays, the second looks for pointers to the blocks
 * of the first few.
 */
#include "scan.h"

#include "say.h"

#define WORDS(bytes) ((bytes) / sizeof(uint64_t))
#define BLOCK_MAX ((uint64_t)64 << 10)  /* a pointer further before a stray is not its block */

const char *const rm_stray_keys[] = { "program", "files", "stack", "memory", "slots" };

static const char *const into[] = {
	"into the program", "into libraries and other files", "into the stack",
	"into other memory", "into slots, outside of the snapshot",
};

static enum rm_stray_kind place_kind(const struct rm_place *place)
{
	if (!place)
		return RM_STRAY_SLOT;
	if (place->flags & RM_PLACE_STACK)
		return RM_STRAY_STACK;
	if (place->flags & RM_PLACE_PROGRAM)
		return RM_STRAY_PROGRAM;
	return place->flags & (RM_PLACE_FILE | RM_PLACE_BSS) ? RM_STRAY_FILE : RM_STRAY_MEMORY;
}

/* First pass: count the word at addr if it is a stray. */
static void word_check(struct rm_scan *scan, uint64_t word, uint64_t addr)
{
	const struct rm_place *place = NULL;

	if (word - scan->low >= scan->high - scan->low)
		return;
	if (rm_in_window(word)) {
		if (word % 8 || rm_table_find(scan->table, word))
			return;
	} else {
		place = rm_places_find(&scan->table->places, word);
		if (!place)
			return;
	}
	scan->total++;
	scan->found[place_kind(place)]++;
	if (scan->firsts < RM_SCAN_FIRST)
		scan->first[scan->firsts++] = (struct rm_stray){ addr, word, 0 };
}

/*
 * Second pass: does this word point to the block of one of the kept strays? Blocks are aligned to
 * 16, and those of 8 bytes to 8. Other values point into the middle of a block.
 */
static void block_check(struct rm_scan *scan, uint64_t word)
{
	if (word % 8 || word > scan->first[scan->firsts - 1].addr ||
	    word + BLOCK_MAX < scan->first[0].addr)
		return;
	for (unsigned i = 0; i < scan->firsts; i++) {
		struct rm_stray *stray = &scan->first[i];

		if ((word % 16 == 0 ? word <= stray->addr : word == stray->addr) &&
		    stray->addr - word < BLOCK_MAX && word > stray->block &&
		    rm_table_find(scan->table, word))
			stray->block = word;
	}
}

static void segment_check(struct rm_scan *scan, const struct rm_segment *segment,
                          const char *data, bool blocks)
{
	const uint64_t *bitmap = rm_table_view_bitmap(scan->table, segment->layer);
	uint64_t first = segment->offset >> RM_PAGE_SHIFT, start, run;
	uint64_t end = first + (segment->length >> RM_PAGE_SHIFT);

	for (uint64_t from = first; rm_bit_run(bitmap, from, end, true, &start, &run);
	     from = start + run) {
		uint64_t at = (start - first) << RM_PAGE_SHIFT, bytes = run << RM_PAGE_SHIFT;
		const uint64_t *words = (const void *)(data + at);

		for (uint64_t i = 0; i < WORDS(bytes); i++) {
			/* read it once: another thread may write it meanwhile */
			uint64_t word = *(const volatile uint64_t *)&words[i];

			if (blocks)
				block_check(scan, word);
			else
				word_check(scan, word, segment->addr + at + i * sizeof(*words));
		}
		if (!blocks)
			scan->bytes += bytes;
	}
}

void rm_scan(struct rm_scan *scan, const struct rm_table *table,
             const void *(*data)(void *arg, const struct rm_segment *segment), void *arg)
{
	const struct rm_places *places = &table->places;

	*scan = (struct rm_scan){
		.table = table, .low = RM_WINDOW_BASE, .high = RM_WINDOW_END,
	};
	if (places->count && places->place[0].start < scan->low)
		scan->low = places->place[0].start;
	if (places->count && places->place[places->count - 1].end > scan->high)
		scan->high = places->place[places->count - 1].end;
	for (uint32_t i = 0; i < table->segment_count; i++)
		segment_check(scan, &table->segments[i], data(arg, &table->segments[i]), false);
	if (!scan->firsts)
		return;
	block_check(scan, table->root);
	for (uint32_t i = 0; i < table->segment_count; i++)
		segment_check(scan, &table->segments[i], data(arg, &table->segments[i]), true);
}

void rm_scan_summary(const struct rm_scan *scan, char *text, size_t size)
{
	const char *comma = ":";
	size_t used;

	if (!scan->total) {
		rm_format(text, size, "no words point out of the snapshot's %llu KiB",
		          (unsigned long long)scan->bytes >> 10);
		return;
	}
	used = rm_format(text, size, "%llu words look like pointers out of the snapshot",
	                 (unsigned long long)scan->total);
	for (int i = 0; i < RM_STRAY_KINDS; i++) {
		if (!scan->found[i])
			continue;
		used += rm_format(text + used, size - used, "%s %llu %s", comma,
		                  (unsigned long long)scan->found[i], into[i]);
		comma = ",";
	}
}

void rm_stray_target(const struct rm_scan *scan, const struct rm_stray *stray, bool files,
                     char *text, size_t size)
{
	const struct rm_place *place = rm_places_find(&scan->table->places, stray->word);

	if (place)
		rm_place_describe(&scan->table->places, place, stray->word, files, text, size);
	else
		rm_format(text, size, "slot %u, outside of the snapshot", rm_slot_of(stray->word));
}

void rm_stray_describe(const struct rm_scan *scan, const struct rm_stray *stray, bool files,
                       char *text, size_t size)
{
	size_t used;

	if (stray->block)
		used = rm_format(text, size, "block at 0x%llx +%llu -> ",
		                 (unsigned long long)stray->block,
		                 (unsigned long long)(stray->addr - stray->block));
	else
		used = rm_format(text, size, "word at 0x%llx -> ", (unsigned long long)stray->addr);
	rm_stray_target(scan, stray, files, text + used, size - used);
}
