/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy_fetch.c - which pages a fault brings, and having them fetched
 *
 * A lone fault brings the 16 pages that it lies among. Faults that go on where the last
 * batch ended, upwards or (a list that grew at its head) downwards, bring twice as many each
 * time. A batch is fetched in parts, so that who waits for its beginning goes on while the
 * rest arrives; and when somebody waits in its second half, the next one is on its way.
 * Worker thread; allocates.
 */
#include <errno.h>
#include <stdlib.h>

#include "lazy.h"
#include "util.h"

static void part_done(struct remote_waiter *waiter, int error)
{
	struct lazy_batch *batch = container_of(waiter, struct lazy_batch, waiter), **at;
	struct lazy *lazy = batch->lazy;

	for (at = &lazy->batches; *at != batch; at = &(*at)->next)
		;
	*at = batch->next;
	lazy_map(lazy, batch->segment, batch->page, batch->page + batch->count);
	if (error)
		lazy_lost(lazy, batch->segment, batch->page, batch->page + batch->count, error);
	free(batch);
	lazy_progress(lazy);
}

static bool on_its_way(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct lazy_batch *batch = lazy->batches;

	while (batch && (batch->segment != segment || page - batch->page >= batch->count))
		batch = batch->next;
	return batch != NULL;
}

static void fetch_part(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	const struct rm_segment *s = &remote_table(lazy->remote)->segments[segment];
	struct lazy_batch *batch = calloc(1, sizeof *batch);

	if (!batch) {
		lazy_lost(lazy, segment, page, page + count, -ENOMEM);
		return;
	}
	batch->lazy = lazy;
	batch->segment = segment;
	batch->page = page;
	batch->count = count;
	batch->waiter.layer = s->layer;
	batch->waiter.page = s->offset / RM_PAGE + page;
	batch->waiter.count = count;
	batch->waiter.done = part_done;
	batch->next = lazy->batches;
	lazy->batches = batch;
	remote_fetch(lazy->remote, lazy->attachment, &batch->waiter);
}

/* In the order in which they will be wanted. */
static void fetch_batch(struct lazy *lazy, uint32_t segment, uint64_t from, uint64_t end,
                        bool down)
{
	uint64_t left = end - from, count, page;

	for (; left && !lazy->finished; left -= count) {
		count = left < LAZY_PART ? left : LAZY_PART;
		page = down ? from + left - count : end - left;
		fetch_part(lazy, segment, page, count); /* what is in flight is not read twice */
	}
}

/* The stream whose last batch ended just before this page, in its direction. */
static struct lazy_stream *find_stream(struct lazy *lazy, uint64_t number)
{
	struct lazy_stream *stream;

	for (stream = lazy->streams; stream < lazy->streams + LAZY_STREAMS; stream++) {
		if (!stream->size)
			continue;
		if (number - stream->high < LAZY_BATCH_MIN) {
			stream->down = false;
			return stream;
		}
		if (stream->low - 1 - number < LAZY_BATCH_MIN) {
			stream->down = true;
			return stream;
		}
	}
	return NULL;
}

/* The stream's next batch begins at this page. */
static void advance(struct lazy *lazy, struct lazy_stream *stream, uint32_t segment,
                    uint64_t page, uint64_t *from, uint64_t *end)
{
	uint64_t pages = remote_table(lazy->remote)->segments[segment].length / RM_PAGE;
	uint64_t most = stream->down ? page + 1 : pages - page;

	stream->size = 2 * stream->size < LAZY_BATCH_MAX ? 2 * stream->size : LAZY_BATCH_MAX;
	if (most > stream->size)
		most = stream->size;
	*from = stream->down ? page + 1 - most : page;
	*end = *from + most;
	stream->low = lazy->first[segment] + *from;
	stream->high = lazy->first[segment] + *end;
}

/* Which pages this fault shall bring: [*from, *end), and whether from above. */
static bool window(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t *from,
                   uint64_t *end)
{
	uint64_t pages = remote_table(lazy->remote)->segments[segment].length / RM_PAGE;
	struct lazy_stream *stream = find_stream(lazy, lazy->first[segment] + page);

	if (stream) {
		advance(lazy, stream, segment, page, from, end);
		return stream->down;
	}
	stream = &lazy->streams[lazy->next_stream++ % LAZY_STREAMS];
	*from = page - page % LAZY_BATCH_MIN;
	*end = *from + LAZY_BATCH_MIN < pages ? *from + LAZY_BATCH_MIN : pages;
	stream->size = LAZY_BATCH_MIN;
	stream->low = lazy->first[segment] + *from;
	stream->high = lazy->first[segment] + *end;
	return false;
}

static bool in_second_half(const struct lazy_stream *stream, uint64_t number)
{
	if (stream->size <= LAZY_PART)
		return false;
	return stream->down ? number - stream->low < stream->size / 2
	                    : stream->high - 1 - number < stream->size / 2;
}

/* Somebody waits for a page that is on its way. */
static void read_ahead(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	uint64_t pages = remote_table(lazy->remote)->segments[segment].length / RM_PAGE;
	uint64_t base = lazy->first[segment], next, from, end;
	struct lazy_stream *stream = lazy->streams;

	while (stream < lazy->streams + LAZY_STREAMS && !in_second_half(stream, base + page))
		stream++;
	if (stream == lazy->streams + LAZY_STREAMS)
		return;
	next = (stream->down ? stream->low - 1 : stream->high) - base;
	if (next >= pages)
		return;                 /* another segment's: its first fault begins there */
	advance(lazy, stream, segment, next, &from, &end);
	fetch_batch(lazy, segment, from, end, stream->down);
}

void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	uint64_t from, end;
	bool down;

	if (on_its_way(lazy, segment, page)) {
		read_ahead(lazy, segment, page);
		return;
	}
	down = window(lazy, segment, page, &from, &end);
	if (lazy_available(lazy, segment, page))
		lazy_map(lazy, segment, from, end);
	else
		fetch_batch(lazy, segment, from, end, down);
}
