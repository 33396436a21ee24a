/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_table.c - segment tables from other hosts
 *
 * A table that passes the check is walked as rmmapd and the library walk it:
 * nothing may lie outside the block, the window, or a layer.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "segment.h"

static uint64_t walk_layer(const struct rm_table *t, uint32_t layer)
{
	uint64_t pages = t->layers[layer].length / RM_PAGE, at = 0, start, count, data = 0;
	const uint64_t *bitmap = rm_table_view_bitmap(t, layer);

	while (rm_bit_run(bitmap, at, pages, true, &start, &count)) {
		MUST(start >= at && count > 0 && count <= pages - start);
		data += count;
		at = start + count;
	}
	MUST(data == rm_bit_count(bitmap, pages));
	MUST(data == rm_bit_count(bitmap, (pages + 63) / 64 * 64));
	return data;
}

static void walk_places(const struct rm_places *places)
{
	char text[64];

	for (uint32_t i = 0; i < places->count; i++) {
		const struct rm_place *place = &places->place[i];

		MUST(rm_places_find(places, place->start) == place);
		MUST(rm_places_find(places, place->end - 1) == place);
		rm_place_describe(places, place, place->start, false, text, sizeof(text));
		MUST(text[0] && memchr(text, 0, sizeof(text)));
	}
}

static void walk(const struct rm_table *t)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < t->layer_count; i++)
		walk_layer(t, i);
	for (uint32_t i = 0; i < t->segment_count; i++) {
		const struct rm_segment *s = &t->segments[i];

		MUST(s->addr >= end && rm_in_window(s->addr));
		end = s->addr + s->length;
		MUST(end > s->addr && end <= RM_WINDOW_END);
		MUST(s->layer < t->layer_count);
		MUST(s->offset + s->length <= t->layers[s->layer].length);
		MUST(rm_table_find(t, s->addr) == s && rm_table_find(t, end - 1) == s);
		(void)rm_bit(rm_table_view_bitmap(t, s->layer), (s->offset + s->length - 1) / RM_PAGE);
	}
	MUST(rm_table_find(t, t->root) != NULL);
	walk_places(&t->places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *memory = malloc(size ? size : 1);         /* aligned, and of just this size */
	const char *why = NULL;
	struct rm_table t;
	int result;

	MUST(memory != NULL);
	memcpy(memory, data, size);
	for (int round = 0; round < 2; round++) {
		result = rm_table_check(memory, size, &t, &why);
		MUST(result == 0 || (result == -EINVAL && why));
		if (result == 0)
			walk(&t);
		/* once more with a size that is right, which a mutation seldom hits */
		if (size < sizeof(struct rm_table_header))
			break;
		((struct rm_table_header *)memory)->size = size;
	}
	free(memory);
	return 0;
}

static size_t add_places(uint64_t *to, uint32_t count)
{
	struct rm_places_header *header = (void *)to;
	struct rm_place *place = (void *)(header + 1);

	*header = (struct rm_places_header){ .count = count, .text_size = 16 };
	for (uint32_t i = 0; i < count; i++)
		place[i] = (struct rm_place){ 4096 * i, 4096 * i + 4000, 0, 1u << i, i * 3 % 12 };
	memcpy(place + count, "\0./a\0/a/a\0b\0c\0\0", 16);
	return sizeof(*header) + count * sizeof(*place) + 16;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	static const uint64_t lengths[] = { 3 * RM_PAGE, 64 * RM_PAGE, 100 * RM_PAGE, RM_LAYER_MAX };
	static uint64_t memory[FUZZ_INPUT_MAX / 8];
	uint32_t layers = n + 1;
	uint64_t addr = RM_WINDOW_BASE + n * RM_SLOT_SIZE;
	struct rm_segment *segments;
	size_t size;

	if (layers > 8)
		return 0;
	layers = n % 4 + 1;
	size = rm_table_size(lengths, layers, 2 * layers);
	MUST(size != 0 && size <= FUZZ_INPUT_MAX);
	memset(memory, 0, sizeof(memory));
	rm_table_layout(memory, lengths, layers, 2 * layers, addr + 8);
	segments = rm_table_segments(memory);
	for (uint32_t i = 0; i < layers; i++) {
		rm_bit_set(rm_table_bitmap(memory, i), i);
		segments[2 * i] = (struct rm_segment) { addr, RM_PAGE, 0, i, 0 };
		addr += RM_PAGE;
		segments[2 * i + 1] = (struct rm_segment)
			{ addr, lengths[i] - RM_PAGE, RM_PAGE, i, 0 };
		addr += lengths[i] + RM_PAGE;
	}
	if (n >= 4) {
		size_t more = add_places(memory + size / 8, 3 * (n - 4));

		rm_table_add_places(memory, more);
		size += more;
	}
	memcpy(data, memory, size);
	return size;
}
