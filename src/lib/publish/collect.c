/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gather.c - what there is to be published, and what is known of it
 *
 * The heap's spans are frozen first; from then on what the kernel says was written
 * is what the layers do not have. Under publish.c's lock and attached.c's.
 */
#include <errno.h>
#include <string.h>

#include "../attach/attach.h"
#include "../heap/backing.h"
#include "internal.h"

struct noting {                         /* pages that a scan tells go to a list */
	struct array *to;
	size_t from;                    /* its first of them: not joined with what was before */
	uint32_t heap;
	const struct known *known;      /* of the own heap; else NULL */
};

static int note_run(const struct noting *noting, uint64_t start, uint64_t end)
{
	struct rm_segment s = {
		.addr = start, .length = end - start, .layer = WEAVE_NONE, .heap = noting->heap,
	};
	struct rm_segment *first;

	if (noting->to->count > noting->from)
		return weave_add(noting->to, &s);
	first = array_add(noting->to);
	if (!first)
		return -ENOMEM;
	*first = s;
	return 0;
}

/* Pages of this part of what is known that have data: they are zeros now, and were not then. */
static int note_zeroed(const struct noting *noting, const struct rm_segment *s)
{
	const struct layer *layer = (const struct layer *)noting->known->layers.data + s->layer;
	uint64_t from = s->offset >> RM_PAGE_SHIFT, at = from, count;
	uint64_t to = from + (s->length >> RM_PAGE_SHIFT);
	int err = 0;

	for (; !err && rm_bit_run(layer->bitmap, at, to, true, &at, &count); at += count) {
		uint64_t start = s->addr + ((at - from) << RM_PAGE_SHIFT);

		err = note_run(noting, start, start + (count << RM_PAGE_SHIFT));
	}
	return err;
}

/*
 * The page of zeros is mostly that of a page that was only read. But the kernel puts it in
 * the place of one that was written, too, if it holds zeros: when it takes a huge page apart
 * (khugepaged's max_ptes_none), and with KSM's use_zero_pages.
 */
static int note_zeros(const struct noting *noting, uint64_t start, uint64_t end)
{
	struct array parts = { .item = sizeof(struct rm_segment) };
	int err = weave_cut(&noting->known->segments, start, end, &parts);

	for (size_t i = 0; !err && i < parts.count; i++)
		err = note_zeroed(noting, (struct rm_segment *)parts.data + i);
	array_free(&parts);
	return err;
}

static int note(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	const struct noting *noting = arg;

	if (!zeros)
		return note_run(noting, start, end);
	return note_zeros(noting, start, end);
}

static void note_again(void *arg)
{
	struct noting *noting = arg;

	noting->to->count = noting->from;
}

/*
 * Note what was written to it since the last publish, or with all: ever. What a device writes
 * leaves no mark, so where one may all counts.
 */
static int note_written(struct gathered *g, uint64_t addr, uint64_t length, uint32_t heap, bool all,
                        const struct known *known)
{
	struct noting noting = { &g->written, g->written.count, heap, known };
	struct scan_to to = { note, note_again, &noting, known != NULL };

	return all || policy_pins() ? track_all(addr, length, &to) : track_changed(addr, length, &to);
}

static struct layer *layer_at(const struct gathered *g, size_t i)
{
	return (struct layer *)g->layers->data + i;
}

/* ---- the own heap ---- */

/* The layer that this file of the heap is; WEAVE_NONE: it cannot be one. 0 or -errno. */
static int file_layer(struct gathered *g, const struct span *span, uint32_t *index)
{
	struct layer new = { .addr = span->addr - span->offset, .kind = LAYER_BASE,
	                     .file = span->file };
	struct layer *layer;
	int fd, err;

	*index = WEAVE_NONE;
	if (span->kind != SPAN_FROZEN || !span->file)
		return 0;
	for (size_t i = 0; i < g->layers->count; i++)
		if (layer_at(g, i)->file == span->file)
			*index = (uint32_t)i;
	if (*index != WEAVE_NONE || !backing_file(span->file, new.id, &new.length, &fd))
		return 0;
	fd_mark(&new.fd, fd);
	err = layer_frozen(&new, fd, backing_seen(span->file));
	layer = err ? NULL : array_add(g->layers);
	if (!layer) {
		layer_free(&new);
		return err ? err : -ENOMEM;
	}
	*layer = new;
	*index = (uint32_t)(g->layers->count - 1);
	return 0;
}

/* What nothing is known of is its file, if that is a layer, or has to be written. */
static int fill_gaps(struct gathered *g, const struct span *span, const struct array *gaps,
                     struct array *part)
{
	struct array base = { .item = sizeof(struct rm_segment) }, out = base;
	uint32_t layer;
	int err = file_layer(g, span, &layer);

	for (size_t i = 0; !err && i < gaps->count; i++) {
		struct rm_segment s = ((struct rm_segment *)gaps->data)[i];

		s.layer = layer;
		if (layer == WEAVE_NONE) {
			s.offset = span->kind == SPAN_ANON ? 0 : WEAVE_BLIND;
			err = weave_add(&g->gaps, &s);
		} else {
			s.offset = span->offset + (s.addr - span->addr);
			err = weave_add(&base, &s);
		}
	}
	if (!err)
		err = weave(part, &base, &out);
	for (size_t i = 0; !err && i < out.count; i++)
		err = weave_add(&g->under, (struct rm_segment *)out.data + i);
	array_free(&base);
	array_free(&out);
	return err;
}

/* Which pages were written nobody can tell: all of the span is to be. */
static int blind_span(struct gathered *g, const struct span *span)
{
	struct rm_segment s = {
		.addr = span->addr, .length = span->length, .offset = WEAVE_BLIND,
		.layer = WEAVE_NONE, .heap = span->heap,
	};

	return weave_add(&g->gaps, &s);
}

static int gather_span(struct gathered *g, const struct known *known, const struct span *span)
{
	struct array part = { .item = sizeof(struct rm_segment) }, gaps = part;
	uint64_t end = span->addr + span->length;
	size_t before = g->written.count;
	int err = 0;

	g->pages += span->length >> RM_PAGE_SHIFT;
	/* A device may write to a file that could not be sealed, and no scan tells. */
	if (span->kind == SPAN_SHARED || (span->kind == SPAN_FROZEN && !span->file))
		return blind_span(g, span);
	/*
	 * Anonymous memory that came while the last publish was under way may have been marked by
	 * it, though what it knew of these addresses is of what was there before.
	 */
	err = note_written(g, span->addr, span->length, span->heap,
	                   known->lost || (span->fresh && span->kind == SPAN_ANON),
	                   span->fresh ? NULL : known);
	if (err && err != -ENOMEM) {
		g->written.count = before;
		return blind_span(g, span);
	}
	if (!err && !span->fresh)
		err = weave_cut(&known->segments, span->addr, end, &part);
	if (!err)
		err = weave_gaps(&part, span->addr, end, span->heap, &gaps);
	if (!err)
		err = fill_gaps(g, span, &gaps, &part);
	array_free(&part);
	array_free(&gaps);
	return err;
}

static int gather_heap(struct gathered *g, const struct known *known)
{
	struct array spans = { .item = sizeof(struct span) };
	int err = hooks_freeze(&spans);

	for (size_t i = 0; !err && i < spans.count; i++)
		err = gather_span(g, known, (struct span *)spans.data + i);
	array_free(&spans);
	return err;
}

/* ---- what is attached ---- */

static int upstream_layer(struct gathered *g, const struct content *content, uint32_t *index)
{
	struct layer *layer;

	/* mostly the same as the last one's */
	for (size_t i = g->layers->count; i-- > 0;)
		if (memcmp(layer_at(g, i)->id, content->layer->id, RM_ID_BYTES) == 0) {
			*index = (uint32_t)i;
			return 0;
		}
	layer = array_add(g->layers);
	if (!layer)
		return -ENOMEM;
	*layer = (struct layer){
		.length = content->layer->length, .kind = LAYER_UPSTREAM, .fd.fd = -1,
		.bitmap = (uint64_t *)(uintptr_t)content->bitmap,
	};
	memcpy(layer->id, content->layer->id, RM_ID_BYTES);
	*index = (uint32_t)(g->layers->count - 1);
	return 0;
}

/*
 * Changes that were published before are still there, if the attachment was there too: its
 * memory is the same then. What was mapped since for another, gone since, is not to be
 * trusted: all that was written there counts.
 */
static int scan_content(struct gathered *g, const struct known *known, const struct content *c,
                        uint64_t length)
{
	bool before = c->owner <= known->attached;

	return note_written(g, c->addr, length, c->heap, known->lost || (!before && c->shared), NULL);
}

static bool goes_on(const struct content *c, uint64_t end)
{
	return c[1].addr == end && c[1].heap == c->heap && c[1].owner == c->owner &&
	       c[1].shared == c->shared;
}

/* mine gets what an earlier publish of this process said of changes to it. */
static int gather_content(struct gathered *g, const struct known *known, const struct content *c,
                          bool copy, struct array *mine)
{
	struct rm_segment s = {
		.addr = c->addr, .length = c->length, .offset = c->offset, .heap = c->heap,
	};
	int err;

	if (copy) {
		s.layer = WEAVE_NONE;
		s.offset = WEAVE_BLIND;
		return weave_add(&g->gaps, &s);
	}
	err = upstream_layer(g, c, &s.layer);
	if (!err)
		err = weave_add(&g->under, &s);
	if (!err && c->owner <= known->attached)
		err = weave_cut(&known->segments, c->addr, c->addr + c->length, mine);
	return err;
}

static int gather_contents(struct gathered *g, const struct known *known, bool copy,
                           const struct array *contents, struct array *mine)
{
	const struct content *c = contents->data;
	size_t first = 0;
	int err = 0;

	for (size_t i = 0; !err && i < contents->count; i++) {
		uint64_t end = c[i].addr + c[i].length;

		err = gather_content(g, known, &c[i], copy, mine);
		if (i + 1 < contents->count && goes_on(&c[i], end))
			continue;
		if (!err && !copy)
			err = scan_content(g, known, &c[first], end - c[first].addr);
		first = i + 1;
	}
	return err;
}

static int replace(struct array *list, const struct array *over)
{
	struct array out = { .item = sizeof(struct rm_segment) };
	int err = weave(list, over, &out);

	if (err) {
		array_free(&out);
		return err;
	}
	array_free(list);
	*list = out;
	return 0;
}

static int gather_attached(struct gathered *g, const struct known *known, bool copy)
{
	struct array contents = { .item = sizeof(struct content) };
	struct array mine = { .item = sizeof(struct rm_segment) };
	int err = attached_contents(&contents);

	if (!err)
		err = gather_contents(g, known, copy, &contents, &mine);
	if (!err)
		err = replace(&g->under, &mine);
	array_free(&contents);
	array_free(&mine);
	return err;
}

static void begin(struct gathered *g, struct known *known)
{
	const struct array list = { .item = sizeof(struct rm_segment) };

	*g = (struct gathered){
		.layers = &known->layers, .under = list, .gaps = list, .written = list,
		.changed = list,
	};
}

int gather(struct gathered *g, struct known *known, bool everything, bool self_contained)
{
	struct gathered attached;
	int err;

	begin(g, known);
	begin(&attached, known);
	err = gather_heap(g, known);
	if (!err)
		err = gather_attached(&attached, known, everything || self_contained);
	if (!err)
		err = replace(&g->under, &attached.under);
	if (!err)
		err = replace(&g->gaps, &attached.gaps);
	if (!err)
		err = replace(&g->written, &attached.written);
	if (!err)
		err = weave_minus(&g->written, &g->gaps, &g->changed);
	gather_free(&attached);
	return err;
}

void gather_free(struct gathered *g)
{
	array_free(&g->under);
	array_free(&g->gaps);
	array_free(&g->written);
	array_free(&g->changed);
}
