/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * collect.c - what there is to be published, and what is known of it
 *
 * The heap's spans are frozen first. From then on, what the kernel reports as written is what the
 * layers do not have. Under publish.c's lock and attached_lock(). Allocates in struct array.
 */
#include <errno.h>
#include <string.h>

#include "../attach/attach.h"
#include "../heap/backing.h"
#include "internal.h"

struct noting {                         /* argument of a scan: its pages go to a list */
	struct array *to;
	size_t from;                    /* index of the first; not joined with those before it, so
	                                   that the list can be cut here if the scan fails or
	                                   begins anew */
	uint32_t heap;
	const struct known *known;      /* of the own heap; NULL: zeros are not reported */
};

static int noting_add(const struct noting *noting, uint64_t start, uint64_t end)
{
	struct rm_segment s = {
		.addr = start, .length = end - start, .layer = OVERLAY_NONE, .heap = noting->heap,
	};
	struct rm_segment *first;

	if (noting->to->count > noting->from)
		return overlay_add(noting->to, &s);
	first = array_add(noting->to);
	if (!first)
		return -ENOMEM;
	*first = s;
	return 0;
}

/* Add the pages of this known segment that have data: they were not zeros, and are now. */
static int noting_add_zeroed(const struct noting *noting, const struct rm_segment *s)
{
	const struct snapshot_layer *layers = noting->known->layers.data;
	const struct snapshot_layer *layer = &layers[s->layer];
	uint64_t from = s->offset >> RM_PAGE_SHIFT, at = from, count;
	uint64_t to = from + (s->length >> RM_PAGE_SHIFT);
	int error = 0;

	for (; !error && rm_bit_run(layer->bitmap, at, to, true, &at, &count); at += count) {
		uint64_t start = s->addr + ((at - from) << RM_PAGE_SHIFT);

		error = noting_add(noting, start, start + (count << RM_PAGE_SHIFT));
	}
	return error;
}

/*
 * Where the kernel's page of zeros is, the program has mostly only read. But the kernel also puts
 * it in the place of a page that the program has filled with zeros: when it splits a huge page
 * (khugepaged's max_ptes_none), and with KSM's use_zero_pages.
 */
static int noting_add_zeros(const struct noting *noting, uint64_t start, uint64_t end)
{
	struct array parts = { .item = sizeof(struct rm_segment) };
	int error = overlay_cut(&noting->known->segments, start, end, &parts);

	for (size_t i = 0; !error && i < parts.count; i++)
		error = noting_add_zeroed(noting, (struct rm_segment *)parts.data + i);
	array_free(&parts);
	return error;
}

static int noting_run(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	const struct noting *noting = arg;

	if (!zeros)
		return noting_add(noting, start, end);
	return noting_add_zeros(noting, start, end);
}

static void noting_again(void *arg)
{
	struct noting *noting = arg;

	noting->to->count = noting->from;
}

/*
 * Note what was written in this range since the last publish; with all: ever. Writes of a device
 * leave no mark, so if the program may use one, everything counts.
 */
static int written_note(struct collected *set, uint64_t addr, uint64_t length, uint32_t heap, bool
                        all, const struct known *known)
{
	struct noting noting = { &set->written, set->written.count, heap, known };
	struct scan_to to = { noting_run, noting_again, &noting, known != NULL };

	return all || policy_pins() ? track_all(addr, length, &to) : track_changed(addr, length,
	                                                                           &to);
}

/* ---- the own heap ---- */

/*
 * The layer that this span's file is, which may have to be added. OVERLAY_NONE: it cannot be one. 0
 * or -errno.
 */
static int layer_of_file(struct collected *set, const struct span *span, uint32_t *index)
{
	struct snapshot_layer new = { .addr = span->addr - span->offset, .kind = LAYER_BASE,
	                              .file = span->file };
	struct snapshot_layer *layer;
	int fd, error;

	*index = OVERLAY_NONE;
	if (span->kind != SPAN_FROZEN || !span->file)
		return 0;
	for (size_t i = 0; i < set->layers->count; i++)
		if (collected_layer(set, i)->file == span->file)
			*index = (uint32_t)i;
	/*
	 * backing_file() has only files that rmmapd does not have yet. One that was handed over,
	 * and then forgotten, is written anew.
	 */
	if (*index != OVERLAY_NONE || !backing_file(span->file, new.id, &new.length, &fd))
		return 0;
	fd_mark(&new.fd, fd);
	error = layer_frozen(&new, fd, backing_seen(span->file));
	/* On a failure layer_free() leaves the descriptor open: it is the file's. */
	layer = error ? NULL : array_add(set->layers);
	if (!layer) {
		layer_free(&new);
		return error ? error : -ENOMEM;
	}
	*layer = new;
	*index = (uint32_t)(set->layers->count - 1);
	return 0;
}

/*
 * Addresses of which nothing is known have the file's content, if that is a layer, or are written.
 */
static int gaps_fill(struct collected *set, const struct span *span, const struct array *gaps,
                     struct array *part)
{
	struct array base = { .item = sizeof(struct rm_segment) }, out = base;
	uint32_t layer;
	int error = layer_of_file(set, span, &layer);

	for (size_t i = 0; !error && i < gaps->count; i++) {
		struct rm_segment s = ((struct rm_segment *)gaps->data)[i];

		s.layer = layer;
		if (layer == OVERLAY_NONE) {
			/*
			 * In anonymous memory the scan tells which pages there are. In a file
			 * without a layer it tells only those that were written since the freeze.
			 */
			s.offset = span->kind == SPAN_ANON ? 0 : OVERLAY_BLIND;
			error = overlay_add(&set->gaps, &s);
		} else {
			s.offset = span->offset + (s.addr - span->addr);
			error = overlay_add(&base, &s);
		}
	}
	/* They do not overlap: this merges them into one ascending list. */
	if (!error)
		error = overlay_lists(part, &base, &out);
	for (size_t i = 0; !error && i < out.count; i++)
		error = overlay_add(&set->under, (struct rm_segment *)out.data + i);
	array_free(&base);
	array_free(&out);
	return error;
}

/* Nobody can tell which pages of the span were written: write all of it. */
static int span_blind(struct collected *set, const struct span *span)
{
	struct rm_segment s = {
		.addr = span->addr, .length = span->length, .offset = OVERLAY_BLIND,
		.layer = OVERLAY_NONE, .heap = span->heap,
	};

	return overlay_add(&set->gaps, &s);
}

static int collect_span(struct collected *set, const struct known *known, const struct span *span)
{
	struct array part = { .item = sizeof(struct rm_segment) }, gaps = part;
	uint64_t end = span->addr + span->length;
	size_t before = set->written.count;
	int error = 0;

	set->pages += span->length >> RM_PAGE_SHIFT;
	/* A device may write to a file that could not be sealed, and no scan reports that. */
	if (span->kind == SPAN_SHARED || (span->kind == SPAN_FROZEN && !span->file))
		return span_blind(set, span);
	/*
	 * Anonymous memory that came while the last publish was under way may have been marked by
	 * that publish, although what it knows of these addresses is about older memory.
	 */
	error = written_note(set, span->addr, span->length, span->heap,
	                     known->lost || (span->fresh && span->kind == SPAN_ANON),
	                     span->fresh ? NULL : known);
	/*
	 * The scan failed half-way, and has marked pages that it did not report: nothing less
	 * than the whole span is safe. noting.from is where its own entries begin.
	 */
	if (error && error != -ENOMEM) {
		set->written.count = before;
		return span_blind(set, span);
	}
	if (!error && !span->fresh)
		error = overlay_cut(&known->segments, span->addr, end, &part);
	if (!error)
		error = overlay_gaps(&part, span->addr, end, span->heap, &gaps);
	if (!error)
		error = gaps_fill(set, span, &gaps, &part);
	array_free(&part);
	array_free(&gaps);
	return error;
}

static int collect_heap(struct collected *set, const struct known *known)
{
	struct array spans = { .item = sizeof(struct span) };
	int error = heap_freeze(&spans);

	for (size_t i = 0; !error && i < spans.count; i++)
		error = collect_span(set, known, (struct span *)spans.data + i);
	array_free(&spans);
	return error;
}

/* ---- what is attached ---- */

static int layer_upstream(struct collected *set, const struct content *content, uint32_t *index)
{
	struct snapshot_layer *layer;

	/* mostly the layer that was added last */
	for (size_t i = set->layers->count; i-- > 0;)
		if (memcmp(collected_layer(set, i)->id, content->layer->id, RM_ID_BYTES) == 0) {
			*index = (uint32_t)i;
			return 0;
		}
	layer = array_add(set->layers);
	if (!layer)
		return -ENOMEM;
	*layer = (struct snapshot_layer){
		.length = content->layer->length, .kind = LAYER_UPSTREAM, .fd.fd = -1,
		.bitmap = (uint64_t *)(uintptr_t)content->bitmap,
	};
	memcpy(layer->id, content->layer->id, RM_ID_BYTES);
	*index = (uint32_t)(set->layers->count - 1);
	return 0;
}

/*
 * If the attachment existed at the last publish, its memory is the same, and changes published then
 * still hold. Memory that an attachment, which is gone by now, has mapped since then cannot be
 * trusted: everything that was ever written there counts.
 */
static int content_scan(struct collected *set, const struct known *known, const struct content *c,
                        uint64_t length)
{
	bool before = c->owner <= known->attached;

	return written_note(set, c->addr, length, c->heap, known->lost || (!before && c->shared),
	                    NULL);
}

/* Can c[0], which ends at end, and c[1] be scanned as one range? */
static bool content_continues(const struct content *c, uint64_t end)
{
	return c[1].addr == end && c[1].heap == c->heap && c[1].owner == c->owner &&
	       c[1].shared == c->shared;
}

/*
 * copy: write this content into a layer of our own; otherwise refer to the upstream layer, and
 * append to mine what an earlier publish of this process said of changes to it.
 */
static int collect_content(struct collected *set, const struct known *known, const struct content
                           *c, bool copy, struct array *mine)
{
	struct rm_segment s = {
		.addr = c->addr, .length = c->length, .offset = c->offset, .heap = c->heap,
	};
	int error;

	/*
	 * Which pages have data is not asked of the attachment, since this process may have
	 * written others. An absent page is fetched when it is read.
	 */
	if (copy) {
		s.layer = OVERLAY_NONE;
		s.offset = OVERLAY_BLIND;
		return overlay_add(&set->gaps, &s);
	}
	error = layer_upstream(set, c, &s.layer);
	if (!error)
		error = overlay_add(&set->under, &s);
	/* What was published of a later attachment's addresses was about other memory. */
	if (!error && c->owner <= known->attached)
		error = overlay_cut(&known->segments, c->addr, c->addr + c->length, mine);
	return error;
}

static int collect_contents(struct collected *set, const struct known *known, bool copy,
                            const struct array *contents, struct array *mine)
{
	const struct content *c = contents->data;
	size_t first = 0;
	int error = 0;

	for (size_t i = 0; !error && i < contents->count; i++) {
		uint64_t end = c[i].addr + c[i].length;

		error = collect_content(set, known, &c[i], copy, mine);
		if (i + 1 < contents->count && content_continues(&c[i], end))
			continue;
		if (!error && !copy)
			error = content_scan(set, known, &c[first], end - c[first].addr);
		first = i + 1;
	}
	return error;
}

/* Lay a list over another one, in place. 0 or -ENOMEM. */
static int list_lay_over(struct array *list, const struct array *over)
{
	struct array out = { .item = sizeof(struct rm_segment) };
	int error = overlay_lists(list, over, &out);

	if (error) {
		array_free(&out);
		return error;
	}
	array_free(list);
	*list = out;
	return 0;
}

static int collect_attached(struct collected *set, const struct known *known, bool copy)
{
	struct array contents = { .item = sizeof(struct content) };
	struct array mine = { .item = sizeof(struct rm_segment) };
	int error = attached_contents(&contents);

	if (!error)
		error = collect_contents(set, known, copy, &contents, &mine);
	if (!error)
		error = list_lay_over(&set->under, &mine);
	array_free(&contents);
	array_free(&mine);
	return error;
}

static void collected_init(struct collected *set, struct known *known)
{
	const struct array list = { .item = sizeof(struct rm_segment) };

	*set = (struct collected){
		.layers = &known->layers, .under = list, .gaps = list, .written = list,
		.changed = list,
	};
}

int collect_all(struct collected *set, struct known *known, bool everything, bool self_contained)
{
	struct collected attached;
	int error;

	collected_init(set, known);
	/* Both have the same list of layers, so the segments of both have indexes of one list. */
	collected_init(&attached, known);
	error = collect_heap(set, known);
	if (!error)
		error = collect_attached(&attached, known, everything || self_contained);
	/*
	 * The heap and what is attached never overlap, see attach/plan.c: laid over means merged.
	 */
	if (!error)
		error = list_lay_over(&set->under, &attached.under);
	if (!error)
		error = list_lay_over(&set->gaps, &attached.gaps);
	if (!error)
		error = list_lay_over(&set->written, &attached.written);
	if (!error)
		error = overlay_minus(&set->written, &set->gaps, &set->changed);
	collected_free(&attached);
	return error;
}

void collected_free(struct collected *set)
{
	array_free(&set->under);
	array_free(&set->gaps);
	array_free(&set->written);
	array_free(&set->changed);
}
