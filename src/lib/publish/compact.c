/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tidy.c - what is copied though it did not change, so that a snapshot stays simple
 *
 * Without it a long chain of publishes would end as single pages from a thousand layers,
 * most of whose content is out of date, and a file of the heap would be held for the sake of
 * one page. Three rules, of which each publish pays little:
 *
 * - A layer of changes is copied into the new one if what is in use of it is no more than
 *   what goes there anyway, or than half of what it holds. As in a log-structured merge
 *   tree there are then some log2(heap / change) of them.
 * - A window of addresses of which more than an eighth is changes, or that many bases
 *   share, is written anew as a base: about there a publish and an attach together
 *   cost least, since who attaches copies each change.
 * - Where a base is nearly dead, of whose data no more than a part is in use, what is in
 *   use is written anew, window by window, holes as holes. Then the base goes. What lies in
 *   between in a window goes along, so that no window gets more than one base by it.
 *
 * By the last two no more than an eighth of the heap is copied in one publish, so that none
 * takes as long as the first.
 *
 * Pure: looks at lists only.
 */
#include <errno.h>

#include "internal.h"

#define WINDOW_MIN ((uint64_t)4 << 20)
#define WINDOWS 64              /* of a heap, if that makes them no smaller or larger */
#define OVERRIDDEN 8            /* one part in so many */
#define BASES 16                /* in one window */
#define PORTION 8               /* of the heap, to be written anew at once */
#define PORTION_MIN 4096        /* pages: 16 MiB in any case */
#define DEAD 4                  /* one part in so many of a base's data is in use, or less */
#define DEAD_MIN 64             /* pages that come free by it, or it is not worth while */

struct window {
	uint64_t addr, length;
	uint64_t changes;               /* pages */
	unsigned bases;
	bool upstream;                  /* some of it is: then it stays as it is */
	uint64_t dead, dead_end;        /* from the first to the last of dead bases; 0, 0: none */
	uint64_t data, dead_data;       /* pages with data: since dead; of that up to dead_end */
};

static uint64_t pages(uint64_t bytes)
{
	return bytes >> RM_PAGE_SHIFT;
}

static enum layer_kind kind(const struct gathered *g, const struct rm_segment *s)
{
	if (s->layer == WEAVE_NONE)
		return LAYER_CHANGES;
	return ((struct layer *)g->layers->data + s->layer)->kind;
}

/* Pages of [from, to), of one segment, that hold data. */
static uint64_t data_pages(const struct gathered *g, const struct rm_segment *s, uint64_t from,
                           uint64_t to)
{
	uint64_t page = pages(s->offset + (from - s->addr)), end = page + pages(to - from);
	uint64_t sum = 0, run;

	if (s->layer == WEAVE_NONE)
		return pages(to - from);
	while (rm_bit_run(((struct layer *)g->layers->data + s->layer)->bitmap, page, end, true,
	                  &page, &run)) {
		sum += run;
		page += run;
	}
	return sum;
}

/* Which bases are held for little. */
static void find_dead(const struct gathered *g, const struct array *kept)
{
	struct layer *layer = g->layers->data;
	const struct rm_segment *s = kept->data;

	for (size_t i = 0; i < g->layers->count; i++)
		layer[i].live = 0;
	for (size_t i = 0; i < kept->count; i++)
		if (kind(g, &s[i]) == LAYER_BASE)
			layer[s[i].layer].live += data_pages(g, &s[i], s[i].addr,
			                                     s[i].addr + s[i].length);
	for (size_t i = 0; i < g->layers->count; i++) {
		uint64_t data = layer[i].kind == LAYER_BASE ?
			rm_bit_count(layer[i].bitmap, layer_pages(&layer[i])) : 0;

		layer[i].dead = layer[i].live + DEAD_MIN <= data && layer[i].live <= data / DEAD;
	}
}

static uint64_t window_length(const struct gathered *g)
{
	uint64_t length = WINDOW_MIN;

	while (length < RM_LAYER_MAX && length * WINDOWS < g->pages << RM_PAGE_SHIFT)
		length *= 2;
	return length;
}

static bool messy(const struct window *w)
{
	return !w->upstream &&
	       (w->changes > pages(w->length) / OVERRIDDEN || w->bases > BASES);
}

/* What is known of [from, to) is so no more: it is to be written anew. */
static int forget(const struct gathered *g, uint64_t from, uint64_t to, struct array *renewed)
{
	struct array part = { .item = sizeof(struct rm_segment) };
	int err = weave_cut(&g->under, from, to, &part);

	for (size_t i = 0; !err && i < part.count; i++) {
		struct rm_segment s = ((struct rm_segment *)part.data)[i];

		s.layer = WEAVE_NONE;
		s.offset = 0;
		err = weave_add(renewed, &s);
	}
	array_free(&part);
	return err;
}

/* The window is over. */
static int close_window(const struct gathered *g, const struct window *w, uint64_t *portion,
                        struct array *renewed)
{
	if (messy(w) && *portion >= pages(w->length)) {
		*portion -= pages(w->length);
		return forget(g, w->addr, w->addr + w->length, renewed);
	}
	if (w->upstream || w->dead == w->dead_end || *portion < w->dead_data)
		return 0;
	*portion -= w->dead_data;
	return forget(g, w->dead, w->dead_end, renewed);
}

/* [from, to), of one segment, lies in the window. follows: it begins behind one of a base. */
static void add_to_window(const struct gathered *g, struct window *w, const struct rm_segment *s,
                          uint64_t from, uint64_t to, bool follows)
{
	bool dead = s->layer != WEAVE_NONE && ((struct layer *)g->layers->data + s->layer)->dead;

	switch (kind(g, s)) {
	case LAYER_CHANGES:
		w->changes += pages(to - from);
		break;
	case LAYER_BASE:
		/* counts again behind each change: that is what mappings cost */
		w->bases += follows;
		break;
	case LAYER_UPSTREAM:
		w->upstream = true;
		break;
	}
	if (dead && !w->dead)
		w->dead = from;
	if (w->dead)
		w->data += data_pages(g, s, from, to);
	if (dead) {
		w->dead_end = to;
		w->dead_data = w->data;
	}
}

static int find_messy(const struct gathered *g, const struct array *kept, struct array *renewed)
{
	const struct rm_segment *s = kept->data;
	uint64_t portion = g->pages / PORTION > PORTION_MIN ? g->pages / PORTION : PORTION_MIN;
	struct window w = { .length = window_length(g) };
	int err = 0;

	for (size_t i = 0; !err && i < kept->count; i++) {
		uint64_t at = s[i].addr, end = s[i].addr + s[i].length;
		bool follows = i && kind(g, &s[i - 1]) == LAYER_BASE;

		while (!err && at < end) {
			uint64_t addr = at & ~(w.length - 1), stop = addr + w.length;

			if (stop > end)
				stop = end;
			if (addr != w.addr) {
				err = close_window(g, &w, &portion, renewed);
				w = (struct window){ .addr = addr, .length = w.length };
			}
			add_to_window(g, &w, &s[i], at, stop, follows && at == s[i].addr);
			at = stop;
		}
	}
	return err ? err : close_window(g, &w, &portion, renewed);
}

static void take(struct array *list, struct array *from)
{
	array_free(list);
	*list = *from;
	*from = (struct array){ .item = sizeof(struct rm_segment) };
}

/* Bases that are written anew: no gap in what is known, but a gap in what can be kept. */
static int renew(struct gathered *g, const struct array *kept)
{
	struct array renewed = { .item = sizeof(struct rm_segment) }, out = renewed;
	int err = find_messy(g, kept, &renewed);

	if (!err && renewed.count) {
		err = weave_minus(&g->changed, &renewed, &out);
		if (!err)
			take(&g->changed, &out);
		if (!err)
			err = weave(&g->gaps, &renewed, &out);
		if (!err)
			take(&g->gaps, &out);
	}
	array_free(&renewed);
	array_free(&out);
	return err;
}

static void count_live(struct gathered *g, const struct array *kept)
{
	struct layer *layer = g->layers->data;
	const struct rm_segment *s = kept->data;

	for (size_t i = 0; i < g->layers->count; i++)
		layer[i].live = 0;
	for (size_t i = 0; i < kept->count; i++)
		if (s[i].layer != WEAVE_NONE)
			layer[s[i].layer].live += pages(s[i].length);
}

/* Layers are in the order in which they were made. */
static bool merge_some(struct gathered *g)
{
	struct layer *layer = g->layers->data;
	const struct rm_segment *s = g->changed.data;
	uint64_t sum = 0;
	bool any = false;

	for (size_t i = 0; i < g->changed.count; i++)
		sum += pages(s[i].length);
	for (size_t i = g->layers->count; i-- > 0;) {
		layer[i].merge = layer[i].kind == LAYER_CHANGES && layer[i].live &&
		                 (layer[i].live <= sum || layer[i].live <= layer_pages(&layer[i]) / 2);
		if (layer[i].merge) {
			sum += layer[i].live;
			any = true;
		}
	}
	return any;
}

static int merge(struct gathered *g, const struct array *kept)
{
	struct array more = { .item = sizeof(struct rm_segment) }, out = more;
	const struct rm_segment *s = kept->data;
	int err = 0;

	for (size_t i = 0; !err && i < kept->count; i++) {
		struct rm_segment part = s[i];

		if (part.layer == WEAVE_NONE || !((struct layer *)g->layers->data)[part.layer].merge)
			continue;
		part.layer = WEAVE_NONE;
		err = weave_add(&more, &part);
	}
	if (!err)
		err = weave(&g->changed, &more, &out);
	if (!err)
		take(&g->changed, &out);
	array_free(&more);
	array_free(&out);
	return err;
}

int tidy(struct gathered *g)
{
	struct array kept = { .item = sizeof(struct rm_segment) }, rest = kept;
	int err = weave(&g->under, &g->changed, &kept);

	if (!err) {
		find_dead(g, &kept);
		err = renew(g, &kept);
	}
	if (!err)
		err = weave(&kept, &g->gaps, &rest);
	if (!err) {
		count_live(g, &rest);
		if (merge_some(g))
			err = merge(g, &rest);
	}
	array_free(&kept);
	array_free(&rest);
	return err;
}
