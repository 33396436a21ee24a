/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - which pages of a publication are to be mapped, and which are not
 *
 * At an address stands: own content, if that is the memory whose content the
 * publication has (by fork, or since it was handed on and came back); else what another attachment has mapped, if that is
 * the same place of the same layer (a diamond); else the publication's. Two
 * different contents at one address are a conflict; so is memory that two
 * programs took for themselves at the same addresses, since pointers would lead
 * into the wrong one's. Pure: unit-tested apart.
 */
#include <errno.h>
#include <string.h>

#include "attach.h"

/* The own range that holds addr, or else the first above it; NULL if there is none. */
static const struct heap_range *own_at(const struct array *own, uint64_t addr)
{
	const struct heap_range *range = own->data;

	for (size_t i = 0; i < own->count; i++)
		if (addr < rm_page_up(range[i].top))
			return &range[i];
	return NULL;
}

bool plan_own(const struct array *own, uint64_t addr)
{
	const struct heap_range *range = own_at(own, addr);

	return range && addr >= rm_page_down(range->base);
}

/* A piece that holds addr; *next gets the nearest start of a piece above it. */
static const struct piece *piece_at(const struct array *pieces, uint64_t addr, uint64_t *next)
{
	const struct piece *piece = pieces->data, *found = NULL;

	for (size_t i = 0; i < pieces->count; i++, piece++) {
		if (addr - piece->addr < piece->length)
			found = piece;
		else if (piece->addr > addr && piece->addr < *next)
			*next = piece->addr;
	}
	return found;
}

static int add_run(struct array *runs, const struct rm_segment *segment, uint64_t from,
                   uint64_t to, bool shared)
{
	struct run *run = array_add(runs);

	if (!run)
		return -ENOMEM;
	run->addr = from;
	run->length = to - from;
	run->offset = segment->offset + (from - segment->addr);
	run->layer = segment->layer;
	run->shared = shared;
	return 0;
}

static bool same_content(const struct piece *piece, const uint8_t *layer,
                         const struct rm_segment *segment, uint64_t addr)
{
	return memcmp(piece->layer, layer, RM_ID_BYTES) == 0 &&
	       piece->offset + (addr - piece->addr) == segment->offset + (addr - segment->addr);
}

static int plan_segment(const struct rm_segment *segment, const uint8_t *layer,
                        const struct array *own, const struct array *pieces,
                        struct array *runs, uint64_t *left, struct conflict *conflict)
{
	uint64_t at = segment->addr, end = segment->addr + segment->length;

	while (at < end) {
		const struct heap_range *range = own_at(own, at);
		const struct piece *piece;
		uint64_t stop = end;
		int err;

		if (range && at >= rm_page_down(range->base)) {
			if (segment->heap != range->heap) {
				*conflict = (struct conflict){ at, 0 };
				return -EADDRINUSE;
			}
			stop = rm_page_up(range->top) < end ? rm_page_up(range->top) : end;
			*left += (stop - at) >> RM_PAGE_SHIFT;
			at = stop;
			continue;
		}
		if (range && rm_page_down(range->base) < stop)
			stop = rm_page_down(range->base);
		piece = piece_at(pieces, at, &stop);
		if (piece && !same_content(piece, layer, segment, at)) {
			*conflict = (struct conflict){ at, piece->owner };
			return -EADDRINUSE;
		}
		if (piece && piece->addr + piece->length < stop)
			stop = piece->addr + piece->length;
		err = add_run(runs, segment, at, stop, piece != NULL);
		if (err)
			return err;
		at = stop;
	}
	return 0;
}

int plan_attach(const struct rm_table *table, const struct array *own,
                const struct array *pieces, struct array *runs, uint64_t *own_pages_left,
                struct conflict *conflict)
{
	int err = 0;

	*own_pages_left = 0;
	for (uint32_t i = 0; !err && i < table->segment_count; i++) {
		const struct rm_segment *segment = &table->segments[i];

		err = plan_segment(segment, table->layers[segment->layer].id, own, pieces, runs,
		                   own_pages_left, conflict);
	}
	return err;
}

bool plan_sole(const struct array *pieces, uint64_t owner, uint64_t *from, uint64_t to,
               uint64_t *length)
{
	const struct piece *piece = pieces->data;
	uint64_t stop = to;
	size_t i = 0;

	while (i < pieces->count && *from < to) {       /* step over what others have */
		if (piece[i].owner != owner && *from - piece[i].addr < piece[i].length) {
			*from = piece[i].addr + piece[i].length;
			i = 0;
		} else {
			i++;
		}
	}
	if (*from >= to)
		return false;
	for (i = 0; i < pieces->count; i++)
		if (piece[i].owner != owner && piece[i].addr > *from && piece[i].addr < stop)
			stop = piece[i].addr;
	*length = stop - *from;
	return true;
}
