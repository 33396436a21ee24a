/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment.c - lays out, checks and searches the table of a snapshot; see segment.h
 *
 * A table has exactly one valid form: rm_table_layout() decides where each bitmap lies, and
 * rm_table_check() accepts no other place.
 */
#include "segment.h"

#include <errno.h>

#define PAGES(bytes) ((bytes) >> RM_PAGE_SHIFT)
#define WORDS(bytes) ((PAGES(bytes) + 63) / 64)

static bool whole_pages(uint64_t x)
{
	return (x & (RM_PAGE - 1)) == 0;
}

static bool layer_length_fits(uint64_t length)
{
	return length != 0 && whole_pages(length) && length <= RM_LAYER_MAX;
}

static size_t arrays_end(uint32_t layers, uint32_t segments)
{
	return sizeof(struct rm_table_header) + layers * sizeof(struct rm_layer_desc) +
	       segments * sizeof(struct rm_segment);
}

size_t rm_table_size(const uint64_t *layer_lengths, uint32_t layers, uint32_t segments)
{
	size_t size;

	if (layers > RM_TABLE_LAYERS_MAX || segments > RM_TABLE_SEGMENTS_MAX)
		return 0;
	size = arrays_end(layers, segments);
	for (uint32_t i = 0; i < layers; i++) {
		if (!layer_length_fits(layer_lengths[i]))
			return 0;
		size += WORDS(layer_lengths[i]) * sizeof(uint64_t);
	}
	return size;
}

void rm_table_layout(void *memory, const uint64_t *layer_lengths, uint32_t layers,
                     uint32_t segments, uint64_t root)
{
	struct rm_table_header *header = memory;
	struct rm_layer_desc *desc = rm_table_layers(memory);
	uint64_t bitmap = arrays_end(layers, segments);

	for (uint32_t i = 0; i < layers; i++) {
		desc[i].length = layer_lengths[i];
		desc[i].bitmap = bitmap;
		bitmap += WORDS(layer_lengths[i]) * sizeof(uint64_t);
	}
	header->magic = RM_TABLE_MAGIC;
	header->layer_count = layers;
	header->segment_count = segments;
	header->reserved = 0;
	header->root = root;
	header->size = bitmap;
}

struct rm_layer_desc *rm_table_layers(void *memory)
{
	return (struct rm_layer_desc *)((struct rm_table_header *)memory + 1);
}

struct rm_segment *rm_table_segments(void *memory)
{
	const struct rm_table_header *header = memory;

	return (struct rm_segment *)(rm_table_layers(memory) + header->layer_count);
}

uint64_t *rm_table_bitmap(void *memory, uint32_t layer)
{
	return (uint64_t *)memory + rm_table_layers(memory)[layer].bitmap / sizeof(uint64_t);
}

void rm_table_add_places(void *memory, size_t bytes)
{
	((struct rm_table_header *)memory)->size += bytes;
}

static const char *check_header(const struct rm_table_header *header, size_t size)
{
	if (header->magic != RM_TABLE_MAGIC)
		return "not a segment table";
	if (header->size != size)
		return "the table's size is not what its header says";
	if (header->layer_count > RM_TABLE_LAYERS_MAX ||
	    header->segment_count > RM_TABLE_SEGMENTS_MAX ||
	    arrays_end(header->layer_count, header->segment_count) > size)
		return "the table counts more than it holds";
	return NULL;
}

/* The bits beyond the last page must be clear: code that counts or scans words relies on it. */
static bool tail_clear(const uint64_t *bitmap, uint64_t pages)
{
	return pages % 64 == 0 || bitmap[pages / 64] >> (pages % 64) == 0;
}

static const char *check_layers(struct rm_table *t)
{
	uint64_t bitmap = arrays_end(t->layer_count, t->segment_count);

	for (uint32_t i = 0; i < t->layer_count; i++) {
		const struct rm_layer_desc *desc = &t->layers[i];
		uint64_t bytes;

		if (!layer_length_fits(desc->length))
			return "a layer's length is not whole pages within the limit";
		bytes = WORDS(desc->length) * sizeof(uint64_t);
		if (desc->bitmap != bitmap || bytes > t->size - bitmap)
			return "a layer's bitmap is not in its place";
		if (!tail_clear(rm_table_view_bitmap(t, i), PAGES(desc->length)))
			return "a layer's bitmap has bits beyond its pages";
		bitmap += bytes;
	}
	if (bitmap == t->size)
		return NULL;
	return rm_places_check((const char *)t->header + bitmap, t->size - bitmap, &t->places);
}

static const char *check_segment(const struct rm_table *t, const struct rm_segment *s)
{
	if (!whole_pages(s->addr | s->length | s->offset) || s->length == 0)
		return "a segment is not whole pages";
	if (!rm_in_window(s->addr) || s->length > RM_WINDOW_END - s->addr)
		return "a segment lies outside the window";
	if (s->layer >= t->layer_count)
		return "a segment names a layer that is not there";
	if (s->offset > t->layers[s->layer].length ||
	    s->length > t->layers[s->layer].length - s->offset)
		return "a segment exceeds its layer";
	return NULL;
}

static const char *check_segments(const struct rm_table *t)
{
	const char *why;
	uint64_t end = 0;

	for (uint32_t i = 0; i < t->segment_count; i++) {
		const struct rm_segment *s = &t->segments[i];

		why = check_segment(t, s);
		if (why)
			return why;
		if (s->addr < end)
			return "segments overlap or are not in order";
		end = s->addr + s->length;
	}
	return rm_table_find(t, t->root) ? NULL : "the root is in no segment";
}

int rm_table_check(const void *memory, size_t size, struct rm_table *view, const char **why)
{
	const struct rm_table_header *header = memory;
	const char *wrong;
	struct rm_table t;

	if (!memory || (uintptr_t)memory % 8 || size < sizeof(*header)) {
		wrong = "too short for a segment table";
		goto bad;
	}
	wrong = check_header(header, size);
	if (wrong)
		goto bad;
	t = (struct rm_table) {
		.header = header,
		.layers = (const struct rm_layer_desc *)(header + 1),
		.segments = (const struct rm_segment *)
			((const struct rm_layer_desc *)(header + 1) + header->layer_count),
		.layer_count = header->layer_count,
		.segment_count = header->segment_count,
		.root = header->root,
		.size = size,
	};
	wrong = check_layers(&t);
	if (!wrong)
		wrong = check_segments(&t);
	if (wrong)
		goto bad;
	*view = t;
	return 0;
bad:
	if (why)
		*why = wrong;
	return -EINVAL;
}

const uint64_t *rm_table_view_bitmap(const struct rm_table *table, uint32_t layer)
{
	return (const uint64_t *)table->header + table->layers[layer].bitmap / sizeof(uint64_t);
}

/* Set each bit in to that is set in from, within [start, end). */
static void copy_bits(uint64_t *to, const uint64_t *from, uint64_t start, uint64_t end)
{
	while (start < end) {
		uint64_t word = start / 64, mask = ~(uint64_t)0 << (start % 64);

		if (end < (word + 1) * 64)
			mask &= ((uint64_t)1 << (end % 64)) - 1;
		to[word] |= from[word] & mask;
		start = (word + 1) * 64;
	}
}

void rm_table_visible(const struct rm_table *table, uint64_t *const *bitmaps)
{
	for (uint32_t i = 0; i < table->segment_count; i++) {
		const struct rm_segment *s = &table->segments[i];

		copy_bits(bitmaps[s->layer], rm_table_view_bitmap(table, s->layer),
		          PAGES(s->offset), PAGES(s->offset) + PAGES(s->length));
	}
}

const struct rm_segment *rm_table_find(const struct rm_table *table, uint64_t addr)
{
	uint32_t low = 0, high = table->segment_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct rm_segment *s = &table->segments[middle];

		if (addr < s->addr)
			high = middle;
		else if (addr - s->addr >= s->length)
			low = middle + 1;
		else
			return s;
	}
	return NULL;
}

/* The first bit in [from, to) that is value, or to. Looks at 64 bits at a time. */
static uint64_t next_bit(const uint64_t *bitmap, uint64_t from, uint64_t to, bool value)
{
	while (from < to) {
		uint64_t word = (value ? bitmap[from / 64] : ~bitmap[from / 64]) >> (from % 64);

		if (word) {
			from += (uint64_t)__builtin_ctzll(word);
			return from < to ? from : to;
		}
		from = (from / 64 + 1) * 64;
	}
	return to;
}

bool rm_bit_run(const uint64_t *bitmap, uint64_t from, uint64_t to, bool value,
                uint64_t *start, uint64_t *count)
{
	uint64_t first = next_bit(bitmap, from, to, value);

	if (first >= to)
		return false;
	*start = first;
	*count = next_bit(bitmap, first, to, !value) - first;
	return true;
}

uint64_t rm_bit_count(const uint64_t *bitmap, uint64_t bits)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < bits / 64; i++)
		count += (uint64_t)__builtin_popcountll(bitmap[i]);
	if (bits % 64)
		count += (uint64_t)__builtin_popcountll(bitmap[bits / 64] &
		                                        (((uint64_t)1 << (bits % 64)) - 1));
	return count;
}
