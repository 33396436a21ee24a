/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c - new layers for collected pages that are in no layer yet
 *
 * A base holds a stretch of addresses; a layer of changes holds single pages, one after the other.
 * Under publish.c's lock and attached_lock(). Allocates layers, struct array and own pages.
 */
#include <errno.h>

#include "internal.h"

static uint64_t length_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Add a layer, and append the segments that it holds, in order; the first one is at offset in it. 0
 * or -ENOMEM.
 */
static int layer_add(const struct collected *set, const struct snapshot_layer *layer, struct array
                     *over, const struct rm_segment *s, size_t count, uint64_t offset)
{
	struct snapshot_layer *added = array_add(set->layers);
	int error = 0;

	if (!added)
		return -ENOMEM;
	*added = *layer;
	for (size_t i = 0; !error && i < count; i++) {
		struct rm_segment to = s[i];

		to.layer = (uint32_t)(set->layers->count - 1);
		to.offset = offset;
		offset += to.length;
		error = overlay_add(over, &to);
	}
	return error;
}

static void bitmap_set_pages(uint64_t *bitmap, uint64_t addr, uint64_t from, uint64_t to)
{
	for (uint64_t page = (from - addr) >> RM_PAGE_SHIFT; page < (to - addr) >> RM_PAGE_SHIFT;
	     page++)
		rm_bit_set(bitmap, page);
}

/* Set the bits of those pages of a segment for which its layer has data. */
static void bitmap_set_known(const struct collected *set, uint64_t *bitmap, uint64_t addr,
                             const struct rm_segment *s)
{
	const struct snapshot_layer *layer = collected_layer(set, s->layer);
	uint64_t first = s->offset >> RM_PAGE_SHIFT, end = first + (s->length >> RM_PAGE_SHIFT);
	uint64_t start, run;

	for (uint64_t from = first; rm_bit_run(layer->bitmap, from, end, true, &start, &run);
	     from = start + run) {
		uint64_t at = s->addr + ((start - first) << RM_PAGE_SHIFT);

		bitmap_set_pages(bitmap, addr, at, at + (run << RM_PAGE_SHIFT));
	}
}

/*
 * Which pages of the segment have data: those known to have, and those written. Bit 0 of bitmap is
 * the page at addr.
 */
static int bitmap_of_data(const struct collected *set, const struct rm_segment *segment, uint64_t
                          addr, uint64_t *bitmap)
{
	struct array part = { .item = sizeof(struct rm_segment) };
	uint64_t from = segment->addr, to = from + segment->length;
	int error = overlay_cut(&set->under, from, to, &part);

	for (size_t i = 0; !error && i < part.count; i++)
		bitmap_set_known(set, bitmap, addr, (struct rm_segment *)part.data + i);
	part.count = 0;
	if (!error)
		error = overlay_cut(&set->written, from, to, &part);
	for (size_t i = 0; !error && i < part.count; i++) {
		const struct rm_segment *s = (struct rm_segment *)part.data + i;

		bitmap_set_pages(bitmap, addr, s->addr, s->addr + s->length);
	}
	array_free(&part);
	return error;
}

/*
 * Where the file of a base begins. If the segment has a whole huge page, at a multiple of that, and
 * the file ends at one: then whoever maps it gets huge pages where they were made. What lies before
 * and behind the segment is a hole.
 */
static uint64_t base_addr(const struct rm_segment *s)
{
	if (rm_huge_up(s->addr) + RM_HUGE > s->addr + s->length)
		return s->addr;
	return rm_huge_down(s->addr);
}

#define BITMAP_BYTES (RM_LAYER_MAX / RM_PAGE / 8)

/* bitmap: BITMAP_BYTES of zeros. */
static int base_write_with(const struct collected *set, const struct rm_segment *s, struct array
                           *over, uint64_t *copied, uint64_t *bitmap)
{
	bool blind = s->offset == OVERLAY_BLIND;
	uint64_t addr = base_addr(s), end = addr == s->addr ? s->addr + s->length :
	                                                      rm_huge_up(s->addr + s->length);
	struct snapshot_layer layer;
	int error = 0;

	if (blind)
		bitmap_set_pages(bitmap, addr, s->addr, s->addr + s->length);
	else
		error = bitmap_of_data(set, s, addr, bitmap);
	if (!error)
		error = layer_base(&layer, addr, end - addr, bitmap, blind);
	if (error)
		return error;
	*copied += rm_bit_count(layer.bitmap, layer_pages(&layer)) << RM_PAGE_SHIFT;
	return layer_add(set, &layer, over, s, 1, s->addr - addr);
}

static int base_write(const struct collected *set, const struct rm_segment *s, struct array *over,
                      uint64_t *copied)
{
	uint64_t *bitmap = own_pages(BITMAP_BYTES);
	int error = bitmap ? base_write_with(set, s, over, copied, bitmap) : -ENOMEM;

	own_pages_free(bitmap, BITMAP_BYTES);
	return error;
}

static int bases_write(const struct collected *set, struct array *over, uint64_t *copied)
{
	const struct rm_segment *gap = set->gaps.data;
	int error = 0;

	for (size_t i = 0; !error && i < set->gaps.count; i++) {
		struct rm_segment s = gap[i];
		uint64_t end = s.addr + s.length;

		for (; !error && s.addr < end; s.addr += s.length) {
			s.length = length_min(end - s.addr, RM_LAYER_MAX -
			                                    (s.addr - rm_huge_down(s.addr)));
			error = base_write(set, &s, over, copied);
		}
	}
	return error;
}

/* The next runs that fit into a layer. *at and *skip tell where to go on, within a segment too. */
static int changes_cut(const struct array *changed, size_t *at, uint64_t *skip, struct array *runs)
{
	uint64_t room = RM_LAYER_MAX;

	runs->count = 0;
	while (room && *at < changed->count) {
		struct rm_segment *s = array_add(runs);

		if (!s)
			return -ENOMEM;
		*s = ((struct rm_segment *)changed->data)[*at];
		s->addr += *skip;
		s->length = length_min(s->length - *skip, room);
		room -= s->length;
		*skip += s->length;
		if (*skip == ((struct rm_segment *)changed->data)[*at].length) {
			*skip = 0;
			++*at;
		}
	}
	return 0;
}

static int changes_write(const struct collected *set, struct array *over, uint64_t *copied)
{
	struct array runs = { .item = sizeof(struct rm_segment) };
	uint64_t skip = 0;
	size_t at = 0;
	int error = 0;

	while (!error && at < set->changed.count) {
		struct snapshot_layer layer;

		error = changes_cut(&set->changed, &at, &skip, &runs);
		if (!error)
			error = layer_changes(&layer, runs.data, runs.count);
		if (!error) {
			*copied += layer.length;
			error = layer_add(set, &layer, over, runs.data, runs.count, 0);
		}
	}
	array_free(&runs);
	return error;
}

int write_layers(const struct collected *set, struct array *all, uint64_t *copied)
{
	struct array bases = { .item = sizeof(struct rm_segment) }, changes = bases, both = bases;
	int error = bases_write(set, &bases, copied);

	if (!error)
		error = changes_write(set, &changes, copied);
	if (!error)
		error = overlay_lists(&bases, &changes, &both);
	if (!error)
		error = overlay_lists(&set->under, &both, all);
	array_free(&bases);
	array_free(&changes);
	array_free(&both);
	return error;
}
