/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tidy.c - what is copied though it did not change, so that a snapshot stays simple
 *
 * Without it a long chain of publishes would end as single pages from a thousand layers,
 * most of whose content is out of date. Two rules, of which each publish pays little:
 *
 * - A layer of changes is copied into the new one if what is in use of it is no more than
 *   what goes there anyway, or than half of what it holds. As in a log-structured merge
 *   tree there are then some log2(heap / change) of them.
 * - A window of addresses of which more than an eighth is changes, or that many bases
 *   share, is written anew as a base: about there a publish and an attach together
 *   cost least, since who attaches copies each change. In one publish no more than an
 *   eighth of the heap, so that none takes as long as the first.
 *
 * Pure: looks at lists only.
 */
#include <errno.h>

#include "snapshot.h"

#define WINDOW_MIN ((uint64_t)4 << 20)
#define WINDOWS 64              /* of a heap, if that makes them no smaller or larger */
#define OVERRIDDEN 8            /* one part in so many */
#define BASES 16                /* in one window */
#define PORTION 8               /* of the heap, to be written anew at once */
#define PORTION_MIN 4096        /* pages: 16 MiB in any case */

struct window {
	uint64_t addr, length;
	uint64_t changes;               /* pages */
	unsigned bases;
	bool upstream;                  /* some of it is: then it stays as it is */
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

/* The window is over: if it is to be written anew, what is known of it is so no more. */
static int close_window(const struct gathered *g, const struct window *w, uint64_t *portion,
                        struct array *renewed)
{
	struct array part = { .item = sizeof(struct rm_segment) };
	int err;

	if (!messy(w) || *portion < pages(w->length))
		return 0;
	*portion -= pages(w->length);
	err = weave_cut(&g->under, w->addr, w->addr + w->length, &part);
	for (size_t i = 0; !err && i < part.count; i++) {
		struct rm_segment s = ((struct rm_segment *)part.data)[i];

		s.layer = WEAVE_NONE;
		s.offset = 0;
		err = weave_add(renewed, &s);
	}
	array_free(&part);
	return err;
}

static int find_messy(const struct gathered *g, const struct array *kept, struct array *renewed)
{
	const struct rm_segment *s = kept->data;
	uint64_t portion = g->pages / PORTION > PORTION_MIN ? g->pages / PORTION : PORTION_MIN;
	struct window w = { .length = window_length(g) };
	int err = 0;

	for (size_t i = 0; !err && i < kept->count; i++) {
		uint64_t at = s[i].addr, end = s[i].addr + s[i].length;

		while (!err && at < end) {
			uint64_t addr = at & ~(w.length - 1), stop = addr + w.length;

			if (stop > end)
				stop = end;
			if (addr != w.addr) {
				err = close_window(g, &w, &portion, renewed);
				w = (struct window){ .addr = addr, .length = w.length };
			}
			switch (kind(g, &s[i])) {
			case LAYER_CHANGES:
				w.changes += pages(stop - at);
				break;
			case LAYER_BASE:
				/* counts again behind each change: that is what mappings cost */
				w.bases += at == s[i].addr && i && kind(g, &s[i - 1]) == LAYER_BASE;
				break;
			case LAYER_UPSTREAM:
				w.upstream = true;
				break;
			}
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

	if (!err)
		err = renew(g, &kept);
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
