/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c - what was gathered and is in no layer yet, into new ones
 *
 * Bases hold a stretch of addresses each, changes one page after the other. Under
 * publish.c's lock; own data is in own_pages().
 */
#include <errno.h>

#include "internal.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int new_layer(const struct gathered *g, const struct layer *layer, struct array *over,
                     const struct rm_segment *s, size_t count)
{
	struct layer *kept = array_add(g->layers);
	uint64_t offset = 0;
	int err = 0;

	if (!kept)
		return -ENOMEM;
	*kept = *layer;
	for (size_t i = 0; !err && i < count; i++) {
		struct rm_segment to = s[i];

		to.layer = (uint32_t)(g->layers->count - 1);
		to.offset = offset;
		offset += to.length;
		err = weave_add(over, &to);
	}
	return err;
}

static void set_pages(uint64_t *bitmap, uint64_t addr, uint64_t from, uint64_t to)
{
	for (uint64_t page = (from - addr) >> RM_PAGE_SHIFT; page < (to - addr) >> RM_PAGE_SHIFT;
	     page++)
		rm_bit_set(bitmap, page);
}

/* Bits of the pages of one segment that its layer has data for. */
static void set_known(const struct gathered *g, uint64_t *bitmap, uint64_t addr,
                      const struct rm_segment *s)
{
	const struct layer *layer = (struct layer *)g->layers->data + s->layer;
	uint64_t first = s->offset >> RM_PAGE_SHIFT, end = first + (s->length >> RM_PAGE_SHIFT);
	uint64_t start, run;

	for (uint64_t from = first; rm_bit_run(layer->bitmap, from, end, true, &start, &run);
	     from = start + run) {
		uint64_t at = s->addr + ((start - first) << RM_PAGE_SHIFT);

		set_pages(bitmap, addr, at, at + (run << RM_PAGE_SHIFT));
	}
}

/* Where data is in [addr, addr + length): what was known of it, and what was written. */
static int data_of(const struct gathered *g, uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	struct array part = { .item = sizeof(struct rm_segment) };
	int err = weave_cut(&g->under, addr, addr + length, &part);

	for (size_t i = 0; !err && i < part.count; i++)
		set_known(g, bitmap, addr, (struct rm_segment *)part.data + i);
	part.count = 0;
	if (!err)
		err = weave_cut(&g->written, addr, addr + length, &part);
	for (size_t i = 0; !err && i < part.count; i++) {
		const struct rm_segment *s = (struct rm_segment *)part.data + i;

		set_pages(bitmap, addr, s->addr, s->addr + s->length);
	}
	array_free(&part);
	return err;
}

#define BITMAP_BYTES (RM_LAYER_MAX / RM_PAGE / 8)

/* bitmap: BITMAP_BYTES of zeros. */
static int write_base_by(const struct gathered *g, const struct rm_segment *s, struct array *over,
                         uint64_t *copied, uint64_t *bitmap)
{
	bool blind = s->offset == WEAVE_BLIND;
	struct layer layer;
	int err = blind ? 0 : data_of(g, s->addr, s->length, bitmap);

	if (!err)
		err = layer_base(&layer, s->addr, s->length, blind ? NULL : bitmap);
	if (err)
		return err;
	*copied += rm_bit_count(layer.bitmap, layer_pages(&layer)) << RM_PAGE_SHIFT;
	return new_layer(g, &layer, over, s, 1);
}

static int write_base(const struct gathered *g, const struct rm_segment *s, struct array *over,
                      uint64_t *copied)
{
	uint64_t *bitmap = own_pages(BITMAP_BYTES);
	int err = bitmap ? write_base_by(g, s, over, copied, bitmap) : -ENOMEM;

	own_pages_free(bitmap, BITMAP_BYTES);
	return err;
}

static int write_bases(const struct gathered *g, struct array *over, uint64_t *copied)
{
	const struct rm_segment *gap = g->gaps.data;
	int err = 0;

	for (size_t i = 0; !err && i < g->gaps.count; i++) {
		struct rm_segment s = gap[i];
		uint64_t end = s.addr + s.length;

		for (; !err && s.addr < end; s.addr += s.length) {
			s.length = least(end - s.addr, RM_LAYER_MAX);
			err = write_base(g, &s, over, copied);
		}
	}
	return err;
}

/* So many of the runs as fit a layer; the last is cut where it is too long. */
static int cut_changes(const struct array *changed, size_t *at, uint64_t *skip, struct array *runs)
{
	uint64_t room = RM_LAYER_MAX;

	runs->count = 0;
	while (room && *at < changed->count) {
		struct rm_segment *s = array_add(runs);

		if (!s)
			return -ENOMEM;
		*s = ((struct rm_segment *)changed->data)[*at];
		s->addr += *skip;
		s->length = least(s->length - *skip, room);
		room -= s->length;
		*skip += s->length;
		if (*skip == ((struct rm_segment *)changed->data)[*at].length) {
			*skip = 0;
			++*at;
		}
	}
	return 0;
}

static int write_changes(const struct gathered *g, struct array *over, uint64_t *copied)
{
	struct array runs = { .item = sizeof(struct rm_segment) };
	uint64_t skip = 0;
	size_t at = 0;
	int err = 0;

	while (!err && at < g->changed.count) {
		struct layer layer;

		err = cut_changes(&g->changed, &at, &skip, &runs);
		if (!err)
			err = layer_changes(&layer, runs.data, runs.count);
		if (!err) {
			*copied += layer.length;
			err = new_layer(g, &layer, over, runs.data, runs.count);
		}
	}
	array_free(&runs);
	return err;
}

int write_layers(const struct gathered *g, struct array *all, uint64_t *copied)
{
	struct array bases = { .item = sizeof(struct rm_segment) }, changes = bases, both = bases;
	int err = write_bases(g, &bases, copied);

	if (!err)
		err = write_changes(g, &changes, copied);
	if (!err)
		err = weave(&bases, &changes, &both);
	if (!err)
		err = weave(&g->under, &both, all);
	array_free(&bases);
	array_free(&changes);
	array_free(&both);
	return err;
}
