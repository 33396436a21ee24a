/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weave.c - lists of segments, laid over each other
 *
 * Ascending lists without overlap, walked side by side: what a publish knows has as many
 * segments as pages that were ever changed by themselves. Pure; lists are the caller's.
 */
#include <errno.h>

#include "internal.h"

static uint64_t end_of(const struct rm_segment *s)
{
	return s->addr + s->length;
}

int weave_add(struct array *list, const struct rm_segment *segment)
{
	struct rm_segment *last = (struct rm_segment *)list->data + list->count - 1;

	if (!segment->length)
		return 0;
	if (list->count && end_of(last) == segment->addr && last->layer == segment->layer &&
	    last->heap == segment->heap &&
	    last->offset + (last->layer == WEAVE_NONE ? 0 : last->length) == segment->offset) {
		last->length += segment->length;
		return 0;
	}
	last = array_add(list);
	if (!last)
		return -ENOMEM;
	*last = *segment;
	return 0;
}

/* Append [from, to) of one segment. */
static int add_part(struct array *list, const struct rm_segment *s, uint64_t from, uint64_t to)
{
	struct rm_segment part = *s;

	part.addr = from;
	part.length = to - from;
	if (s->layer != WEAVE_NONE)
		part.offset = s->offset + (from - s->addr);
	return weave_add(list, &part);
}

/* The index of the first segment that ends above addr. */
static size_t find(const struct array *list, uint64_t addr)
{
	const struct rm_segment *s = list->data;
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&s[middle]) <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int weave_cut(const struct array *list, uint64_t from, uint64_t to, struct array *out)
{
	const struct rm_segment *s = list->data;
	int err = 0;

	for (size_t i = find(list, from); !err && i < list->count && s[i].addr < to; i++)
		err = add_part(out, &s[i], later(s[i].addr, from), sooner(end_of(&s[i]), to));
	return err;
}

int weave_gaps(const struct array *list, uint64_t from, uint64_t to, uint32_t heap,
               struct array *out)
{
	const struct rm_segment *s = list->data;
	struct rm_segment gap = { .layer = WEAVE_NONE, .heap = heap };
	int err = 0;

	for (size_t i = find(list, from); !err && from < to; i++) {
		uint64_t stop = i < list->count ? sooner(later(s[i].addr, from), to) : to;

		gap.addr = from;
		gap.length = stop - from;
		err = weave_add(out, &gap);
		from = i < list->count ? end_of(&s[i]) : to;
	}
	return err;
}

int weave_minus(const struct array *list, const struct array *away, struct array *out)
{
	const struct rm_segment *s = list->data;
	int err = 0;

	for (size_t i = 0; !err && i < list->count; i++)
		err = weave_gaps(away, s[i].addr, end_of(&s[i]), s[i].heap, out);
	return err;
}

int weave(const struct array *under, const struct array *over, struct array *out)
{
	const struct rm_segment *u = under->data, *o = over->data;
	uint64_t from = 0;
	size_t i = 0;
	int err = 0;

	for (size_t k = 0; !err && k <= over->count; k++) {
		uint64_t to = k < over->count ? o[k].addr : UINT64_MAX;

		for (; !err && i < under->count && u[i].addr < to; i++) {
			if (end_of(&u[i]) > from)
				err = add_part(out, &u[i], later(u[i].addr, from),
				               sooner(end_of(&u[i]), to));
			if (end_of(&u[i]) > to)
				break;
		}
		if (!err && k < over->count) {
			err = weave_add(out, &o[k]);
			from = end_of(&o[k]);
		}
	}
	return err;
}
