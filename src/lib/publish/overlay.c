/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overlay.c - lists of segments laid over each other
 *
 * Ascending lists without overlap, which are walked side by side, since a list may have as many
 * segments as pages were ever changed one by one. Pure functions on lists of the caller,
 * unit-tested by themselves; allocate in struct array.
 */
#include <errno.h>

#include "internal.h"

static uint64_t segment_end(const struct rm_segment *s)
{
	return s->addr + s->length;
}

int overlay_add(struct array *list, const struct rm_segment *segment)
{
	struct rm_segment *last = (struct rm_segment *)list->data + list->count - 1;

	if (!segment->length)
		return 0;
	/* Without a layer the offset is a mark (OVERLAY_BLIND), equal for all parts. */
	if (list->count && segment_end(last) == segment->addr && last->layer == segment->layer &&
	    last->heap == segment->heap &&
	    last->offset + (last->layer == OVERLAY_NONE ? 0 : last->length) == segment->offset) {
		last->length += segment->length;
		return 0;
	}
	last = array_add(list);
	if (!last)
		return -ENOMEM;
	*last = *segment;
	return 0;
}

/* Append the part [from, to) of a segment. A segment without a layer keeps its offset. */
static int overlay_add_part(struct array *list, const struct rm_segment *s, uint64_t from, uint64_t
                            to)
{
	struct rm_segment part = *s;

	part.addr = from;
	part.length = to - from;
	if (s->layer != OVERLAY_NONE)
		part.offset = s->offset + (from - s->addr);
	return overlay_add(list, &part);
}

/* The index of the first segment that ends above addr, or the number of segments. */
static size_t segment_find(const struct array *list, uint64_t addr)
{
	const struct rm_segment *s = list->data;
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (segment_end(&s[middle]) <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t address_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t address_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int overlay_cut(const struct array *list, uint64_t from, uint64_t to, struct array *out)
{
	const struct rm_segment *s = list->data;
	int error = 0;

	for (size_t i = segment_find(list, from); !error && i < list->count && s[i].addr < to; i++)
		error = overlay_add_part(out, &s[i], address_max(s[i].addr, from),
		                         address_min(segment_end(&s[i]), to));
	return error;
}

int overlay_gaps(const struct array *list, uint64_t from, uint64_t to, uint32_t heap,
                 struct array *out)
{
	const struct rm_segment *s = list->data;
	struct rm_segment gap = { .layer = OVERLAY_NONE, .heap = heap };
	int error = 0;

	/*
	 * In each round: [from, to) is still to be looked at, and s[i] is the first segment that
	 * ends above from. An empty gap is not added.
	 */
	for (size_t i = segment_find(list, from); !error && from < to; i++) {
		uint64_t stop = i < list->count ? address_min(address_max(s[i].addr, from), to) :
		        to;

		gap.addr = from;
		gap.length = stop - from;
		error = overlay_add(out, &gap);
		from = i < list->count ? segment_end(&s[i]) : to;
	}
	return error;
}

int overlay_minus(const struct array *list, const struct array *away, struct array *out)
{
	const struct rm_segment *s = list->data;
	int error = 0;

	for (size_t i = 0; !error && i < list->count; i++)
		error = overlay_gaps(away, s[i].addr, segment_end(&s[i]), s[i].heap, out);
	return error;
}

int overlay_lists(const struct array *under, const struct array *over, struct array *out)
{
	const struct rm_segment *u = under->data, *o = over->data;
	uint64_t from = 0;
	size_t i = 0;
	int error = 0;

	for (size_t k = 0; !error && k <= over->count; k++) {
		uint64_t to = k < over->count ? o[k].addr : UINT64_MAX;

		for (; !error && i < under->count && u[i].addr < to; i++) {
			if (segment_end(&u[i]) > from)
				error = overlay_add_part(out, &u[i], address_max(u[i].addr, from),
				                         address_min(segment_end(&u[i]), to));
			/*
			 * It goes on behind the segment that is laid over it: the next round
			 * takes it again, from where that one ends.
			 */
			if (segment_end(&u[i]) > to)
				break;
		}
		if (!error && k < over->count) {
			error = overlay_add(out, &o[k]);
			from = segment_end(&o[k]);
		}
	}
	return error;
}
