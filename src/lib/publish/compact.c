/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compact.c - which unchanged pages are copied, too, so that layers stay few and dense
 *
 * Without this a long chain of publishes would end in single pages from a thousand layers, most
 * of whose content is out of date, and one page would keep a whole file of the heap. There are
 * three rules, each of which costs a single publish little:
 *
 * - A layer of changes is copied into the new one if its pages in use are no more than those that
 *   go there anyway, or than half of those it holds. As in a log-structured merge tree, there are
 *   then about log2(heap / change) such layers.
 * - A window of addresses is written anew as a base if more than an eighth of it is changes, or if
 *   many bases share it. At about that point the cost of a publish and an attach together is
 *   least, since an attach copies each change.
 * - If a base is nearly dead, i.e. only a small part of its data is in use, that part is written
 *   anew, window by window, holes as holes; then the base goes. Memory in between in a window is
 *   written, too, so that a window gets only one base by this.
 *
 * The last two rules copy no more than an eighth of the heap in one publish, so that no publish
 * takes as long as the first.
 *
 * Pure functions on lists, unit-tested by themselves; allocate in struct array.
 */
#include <errno.h>

#include "internal.h"

#define WINDOW_MIN ((uint64_t)4 << 20)
#define WINDOWS 64              /* in a heap, within WINDOW_MIN and RM_LAYER_MAX */
#define OVERRIDDEN 8            /* changes are more than one part in so many of a window */
#define BASES 16                /* more bases than that share a window */
#define PORTION 8               /* one part in so many of the heap is written anew at once */
#define PORTION_MIN 4096        /* pages that may always be: 16 MiB */
#define DEAD 4                  /* at most one part in so many of a base's data is in use */
#define DEAD_MIN 64             /* at least so many pages come free by writing it anew */

struct window {
	uint64_t addr, length;          /* bytes; a power of two, and addr a multiple of it */
	uint64_t changes;               /* pages of layers of changes, or that have changed now */
	unsigned bases;                 /* pieces of bases that follow another piece */
	bool upstream;                  /* some of it is attached memory: it stays as it is */
	uint64_t dead, dead_end;        /* from the first to the last dead base; 0, 0: none */
	uint64_t data;                  /* pages with data from dead on */
	uint64_t dead_data;             /* the part of them up to dead_end: what must be copied */
};

static uint64_t page_count(uint64_t bytes)
{
	return bytes >> RM_PAGE_SHIFT;
}

static enum layer_kind segment_kind(const struct collected *set, const struct rm_segment *s)
{
	/* It is going to be in the layer of changes of this publish. */
	if (s->layer == OVERLAY_NONE)
		return LAYER_CHANGES;
	return collected_layer(set, s->layer)->kind;
}

/* How many pages of the part [from, to) of a segment have data. */
static uint64_t segment_data_pages(const struct collected *set, const struct rm_segment *s, uint64_t
                                   from, uint64_t to)
{
	uint64_t page = page_count(s->offset + (from - s->addr)), end = page + page_count(to -
	                                                                                  from);
	uint64_t sum = 0, run;

	if (s->layer == OVERLAY_NONE)
		return page_count(to - from);
	while (rm_bit_run(collected_layer(set, s->layer)->bitmap, page, end, true,
	                  &page, &run)) {
		sum += run;
		page += run;
	}
	return sum;
}

/* Mark the bases of which little is in use. */
static void bases_find_dead(const struct collected *set, const struct array *standing)
{
	struct snapshot_layer *layer = set->layers->data;
	const struct rm_segment *s = standing->data;

	for (size_t i = 0; i < set->layers->count; i++)
		layer[i].live = 0;
	for (size_t i = 0; i < standing->count; i++)
		if (segment_kind(set, &s[i]) == LAYER_BASE)
			layer[s[i].layer].live += segment_data_pages(set, &s[i], s[i].addr,
			                                             s[i].addr + s[i].length);
	for (size_t i = 0; i < set->layers->count; i++) {
		uint64_t data = layer[i].kind == LAYER_BASE ?
			rm_bit_count(layer[i].bitmap, layer_pages(&layer[i])) : 0;

		/* live counts only the data that a segment shows; the rest is what comes free. */
		layer[i].dead = layer[i].live + DEAD_MIN <= data && layer[i].live <= data / DEAD;
	}
}

static uint64_t window_length(const struct collected *set)
{
	uint64_t length = WINDOW_MIN;

	/* Not longer than a layer, since a window becomes one base. */
	while (length < RM_LAYER_MAX && length * WINDOWS < set->pages << RM_PAGE_SHIFT)
		length *= 2;
	return length;
}

/* Is the window to be written anew as a whole? */
static bool window_messy(const struct window *w)
{
	return !w->upstream &&
	       (w->changes > page_count(w->length) / OVERRIDDEN || w->bases > BASES);
}

/* [from, to) is written anew: add what is known of it to renewed. */
static int range_forget(const struct collected *set, uint64_t from, uint64_t to, struct array
                        *renewed)
{
	struct array part = { .item = sizeof(struct rm_segment) };
	int error = overlay_cut(&set->under, from, to, &part);

	for (size_t i = 0; !error && i < part.count; i++) {
		struct rm_segment s = ((struct rm_segment *)part.data)[i];

		/* Not blind: the bitmaps of the old layers tell which pages have data. */
		s.layer = OVERLAY_NONE;
		s.offset = 0;
		error = overlay_add(renewed, &s);
	}
	array_free(&part);
	return error;
}

/* The window is complete: decide what of it is written anew, as far as *portion allows. */
static int window_close(const struct collected *set, const struct window *w, uint64_t *portion,
                        struct array *renewed)
{
	/* What does not fit the portion any more waits for the next publish. */
	if (window_messy(w) && *portion >= page_count(w->length)) {
		*portion -= page_count(w->length);
		return range_forget(set, w->addr, w->addr + w->length, renewed);
	}
	if (w->upstream || w->dead == w->dead_end || *portion < w->dead_data)
		return 0;
	*portion -= w->dead_data;
	return range_forget(set, w->dead, w->dead_end, renewed);
}

/* Count the part [from, to) of a segment. follows: it comes right after a segment of a base. */
static void window_add(const struct collected *set, struct window *w, const struct rm_segment *s,
                       uint64_t from, uint64_t to, bool follows)
{
	bool dead = s->layer != OVERLAY_NONE && collected_layer(set, s->layer)->dead;

	switch (segment_kind(set, s)) {
	case LAYER_CHANGES:
		w->changes += page_count(to - from);
		break;
	case LAYER_BASE:
		/* Only right behind another one: across changes it is mostly the same base. */
		w->bases += follows;
		break;
	case LAYER_UPSTREAM:
		w->upstream = true;
		break;
	}
	if (dead && !w->dead)
		w->dead = from;
	/* Counted past live bases, too: only the next dead one tells that they lie in between. */
	if (w->dead)
		w->data += segment_data_pages(set, s, from, to);
	if (dead) {
		w->dead_end = to;
		w->dead_data = w->data;
	}
}

static int windows_find_messy(const struct collected *set, const struct array *standing,
                              struct array *renewed)
{
	const struct rm_segment *s = standing->data;
	uint64_t portion = set->pages / PORTION > PORTION_MIN ? set->pages / PORTION : PORTION_MIN;
	struct window w = { .length = window_length(set) };
	int error = 0;

	for (size_t i = 0; !error && i < standing->count; i++) {
		uint64_t at = s[i].addr, end = s[i].addr + s[i].length;
		bool follows = i && segment_kind(set, &s[i - 1]) == LAYER_BASE;

		while (!error && at < end) {
			uint64_t addr = at & ~(w.length - 1), stop = addr + w.length;

			if (stop > end)
				stop = end;
			/*
			 * The first window is empty, at address 0, and closing it does nothing.
			 */
			if (addr != w.addr) {
				error = window_close(set, &w, &portion, renewed);
				w = (struct window){ .addr = addr, .length = w.length };
			}
			window_add(set, &w, &s[i], at, stop, follows && at == s[i].addr);
			at = stop;
		}
	}
	return error ? error : window_close(set, &w, &portion, renewed);
}

/* Replace a list by another one, which is empty then. */
static void list_take(struct array *list, struct array *from)
{
	array_free(list);
	*list = *from;
	*from = (struct array){ .item = sizeof(struct rm_segment) };
}

/* Choose what is written anew, and move it from the changed pages to the gaps. */
static int bases_renew(struct collected *set, const struct array *standing)
{
	struct array renewed = { .item = sizeof(struct rm_segment) }, out = renewed;
	int error = windows_find_messy(set, standing, &renewed);

	if (!error && renewed.count) {
		error = overlay_minus(&set->changed, &renewed, &out);
		if (!error)
			list_take(&set->changed, &out);
		if (!error)
			error = overlay_lists(&set->gaps, &renewed, &out);
		if (!error)
			list_take(&set->gaps, &out);
	}
	array_free(&renewed);
	array_free(&out);
	return error;
}

static void layers_count_live(struct collected *set, const struct array *standing)
{
	struct snapshot_layer *layer = set->layers->data;
	const struct rm_segment *s = standing->data;

	for (size_t i = 0; i < set->layers->count; i++)
		layer[i].live = 0;
	for (size_t i = 0; i < standing->count; i++)
		if (s[i].layer != OVERLAY_NONE)
			layer[s[i].layer].live += page_count(s[i].length);
}

/*
 * Mark the layers of changes that are merged into the new one, newest first, since layers are in
 * the order in which they were made. False: there are none.
 */
static bool layers_choose_merged(struct collected *set)
{
	struct snapshot_layer *layer = set->layers->data;
	const struct rm_segment *s = set->changed.data;
	uint64_t sum = 0;
	bool any = false;

	for (size_t i = 0; i < set->changed.count; i++)
		sum += page_count(s[i].length);
	for (size_t i = set->layers->count; i-- > 0;) {
		/*
		 * The sum grows with each: an older layer may be larger by then, and still cost
		 * no more than what is written anyway. Layers without a live page are dropped by
		 * snapshot.c.
		 */
		layer[i].merge = layer[i].kind == LAYER_CHANGES && layer[i].live &&
		                 (layer[i].live <= sum ||
		                  layer[i].live <= layer_pages(&layer[i]) / 2);
		if (layer[i].merge) {
			sum += layer[i].live;
			any = true;
		}
	}
	return any;
}

/* Add the pages of marked layers to the changed ones. 0 or -ENOMEM. */
static int layers_merge(struct collected *set, const struct array *standing)
{
	struct array more = { .item = sizeof(struct rm_segment) }, out = more;
	const struct rm_segment *s = standing->data;
	int error = 0;

	for (size_t i = 0; !error && i < standing->count; i++) {
		struct rm_segment part = s[i];

		if (part.layer == OVERLAY_NONE || !collected_layer(set, part.layer)->merge)
			continue;
		part.layer = OVERLAY_NONE;
		error = overlay_add(&more, &part);
	}
	if (!error)
		error = overlay_lists(&set->changed, &more, &out);
	if (!error)
		list_take(&set->changed, &out);
	array_free(&more);
	array_free(&out);
	return error;
}

int compact_layers(struct collected *set)
{
	struct array standing = { .item = sizeof(struct rm_segment) }, rest = standing;
	int error = overlay_lists(&set->under, &set->changed, &standing);

	if (!error) {
		bases_find_dead(set, &standing);
		error = bases_renew(set, &standing);
	}
	/*
	 * What is renewed is not in use in its old layer any more. Count again, or pages would be
	 * merged that are written anyway.
	 */
	if (!error)
		error = overlay_lists(&standing, &set->gaps, &rest);
	if (!error) {
		layers_count_live(set, &rest);
		if (layers_choose_merged(set))
			error = layers_merge(set, &rest);
	}
	array_free(&standing);
	array_free(&rest);
	return error;
}
