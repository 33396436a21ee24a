/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - see stream.h. Any thread; does not allocate. */
#include <string.h>

#include "stream.h"

/* How many pages there are from first on, in these steps, among total pages. */
static uint64_t stream_room(uint64_t first, int64_t step, uint64_t total)
{
	if (first >= total)
		return 0;
	return step > 0 ? (total - 1 - first) / (uint64_t)step + 1 : first / (uint64_t)-step + 1;
}

static bool stream_strided(const struct stream *stream)
{
	return stream->step > 1 || stream->step < -1;
}

/* The page that follows the stream's last batch. It may lie beyond the last page. */
static uint64_t stream_next(const struct stream *stream)
{
	return stream->first + (uint64_t)stream->step * stream->count;
}

/* Does a fault here continue the stream? If so, sets a gapless stream's direction. */
static bool stream_goes_on(struct stream *stream, uint64_t page)
{
	uint64_t low, high;

	if (!stream->step)
		return false;
	if (stream_strided(stream))
		return page == stream_next(stream);
	low = stream->step > 0 ? stream->first : stream->first - stream->count + 1;
	high = low + stream->count;
	if (page - high < STREAM_LONE) {
		if (stream->lone || stream->step < 0)
			stream->unproven = low;
		stream->step = 1;
		return true;
	}
	if (low - 1 - page < STREAM_LONE) {
		if (stream->lone || stream->step > 0)
			stream->unproven = high - 1;
		stream->step = -1;
		return true;
	}
	return false;
}

/* Steps from the stream's unproven page to this one; 0 if that is further than a batch goes. */
static uint64_t stream_steps_to(const struct stream *stream, uint64_t page)
{
	uint64_t way = stream->step > 0 ? page - stream->unproven : stream->unproven - page;
	uint64_t step = (uint64_t)(stream->step > 0 ? stream->step : -stream->step);

	return way / step <= 2 * STREAM_MAX + STREAM_LONE ? way / step : 0;
}

void stream_resize(struct stream_plan *plan, uint64_t count)
{
	plan->count = plan->stream->count = count;
	plan->mark = STREAM_NONE;
	if (count >= (stream_strided(plan->stream) ? 4 : STREAM_MARKED))
		plan->mark = plan->first + (uint64_t)plan->step * (count / 2);
}

/* Plan the stream's next batch, which begins at page. The thread is at the page at. */
static void stream_advance(struct streams *streams, struct stream *stream, uint64_t page,
                           uint64_t at, uint64_t total, struct stream_plan *plan)
{
	uint64_t max = stream_strided(stream) ? STREAM_STEPS_MAX :
	               streams->most ? streams->most : STREAM_MAX, most;

	plan->proven = stream->unproven;
	plan->proven_count = stream_steps_to(stream, at);
	stream->unproven = at;
	stream->lone = false;
	stream->size = 2 * stream->size < max ? 2 * stream->size : max;
	most = stream_room(page, stream->step, total);
	stream->first = page;
	stream->count = most < stream->size ? most : stream->size;
	stream->used_at = ++streams->clock;
	plan->first = page;
	plan->step = stream->step;
	plan->lone = false;
	plan->stream = stream;
	stream_resize(plan, stream->count);
}

static struct stream *streams_oldest(struct streams *streams)
{
	struct stream *stream, *old = streams->all;

	for (stream = old; stream < streams->all + STREAMS; stream++)
		if (stream->used_at < old->used_at)
			old = stream;
	return old;
}

/* The distance if this and two remembered lone faults are equally far apart; 0: they are not. */
static int64_t streams_find_step(const struct streams *streams, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_LONES; i++) {
		uint64_t middle = streams->lone[i], step, before;

		if (!middle--)
			continue;
		step = page - middle;
		before = middle - step;
		if (step + STREAM_LONE <= 2 * STREAM_LONE)
			continue;               /* the middle one's batch brought this page */
		for (unsigned j = 0; j < STREAM_LONES; j++)
			if (streams->lone[j] && streams->lone[j] - 1 == before)
				return (int64_t)step;
	}
	return 0;
}

static void streams_start_strided(struct streams *streams, uint64_t page, int64_t step,
                                  uint64_t total, struct stream_plan *plan)
{
	struct stream *stream = streams_oldest(streams);

	*stream = (struct stream){ .step = step, .size = 2, .unproven = page };
	stream_advance(streams, stream, page, page, total, plan);
}

/* One of this many lone batches has a mark. */
static unsigned streams_probed(const struct streams *streams)
{
	return streams->judged ? STREAM_PROBED : 1;
}

uint64_t streams_lone_used(struct streams *streams)
{
	streams->lone_used += streams_probed(streams);
	return streams_probed(streams) * ((streams->lone_pages ? streams->lone_pages : STREAM_LONE) - 1);
}

/*
 * How many pages a lone fault brings; revised every STREAM_JUDGED lone faults. A neighbour costs
 * about 4 us and a fault 100 us or more, so neighbours are worth it if one in 25 is used. The
 * marks that were touched may be of earlier batches: a walk over all pages in random order
 * touches more of them the more there are.
 */
static uint64_t streams_lone_pages(struct streams *streams)
{
	if (!streams->lone_pages)
		streams->lone_pages = STREAM_LONE;
	if (!streams->next_lone || streams->next_lone % STREAM_JUDGED)
		return streams->lone_pages;
	if (streams->lone_used < STREAM_WORTH && streams->lone_pages > STREAM_LONE_MIN)
		streams->lone_pages /= 2;
	else if (streams->lone_used >= STREAM_WORTH && streams->lone_pages < STREAM_LONE)
		streams->lone_pages *= 2;
	streams->lone_used = 0;
	streams->judged = true;
	return streams->lone_pages;
}

static void streams_start_lone(struct streams *streams, uint64_t page, uint64_t total,
                       struct stream_plan *plan)
{
	struct stream *stream = streams_oldest(streams);
	uint64_t most = streams_lone_pages(streams), low = page - page % most;
	uint64_t count = total - low < most ? total - low : most;
	bool marked = streams->next_lone % streams_probed(streams) == 0 && count > 1;

	streams->lone[streams->next_lone++ % STREAM_LONES] = page + 1;
	*stream = (struct stream){ .first = low, .count = count, .step = 1, .size = STREAM_LONE,
	                           .unproven = low, .used_at = ++streams->clock, .lone = true };
	*plan = (struct stream_plan){ .first = low, .count = count, .step = 1,
	                              .mark = STREAM_NONE, .lone = true, .stream = stream };
	if (marked)
		plan->mark = low + (page - low + count / 2) % count;
}

void streams_fault(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan)
{
	struct stream *stream;
	int64_t step;

	for (stream = streams->all; stream < streams->all + STREAMS; stream++) {
		if (!stream_goes_on(stream, page))
			continue;
		stream_advance(streams, stream, page, page, total, plan);
		return;
	}
	step = streams_find_step(streams, page);
	if (step)
		streams_start_strided(streams, page, step, total, plan);
	else
		streams_start_lone(streams, page, total, plan);
}

/* Is the page in the second half of a batch that is large enough to have a mark? */
static bool stream_second_half(const struct stream *stream, uint64_t page)
{
	uint64_t way = stream->step > 0 ? page - stream->first : stream->first - page;
	uint64_t step = (uint64_t)(stream->step > 0 ? stream->step : -stream->step);

	if (!stream->step || stream->lone || way % step)
		return false;
	if (stream->count < (stream_strided(stream) ? 4 : STREAM_MARKED))
		return false;
	return way / step < stream->count && way / step >= stream->count / 2;
}

bool streams_touch(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan)
{
	struct stream *stream;

	for (stream = streams->all; stream < streams->all + STREAMS; stream++) {
		if (!stream_second_half(stream, page))
			continue;
		if (!stream_room(stream_next(stream), stream->step, total))
			return false;
		stream_advance(streams, stream, stream_next(stream), page, total, plan);
		return true;
	}
	return false;
}

/* Have these pages come to the second half of the stream's batch, if they are of it? */
static bool stream_reached(const struct stream *stream, uint64_t low, uint64_t high)
{
	uint64_t first;

	if ((stream->step != 1 && stream->step != -1) || stream->lone)
		return false;
	first = stream->step > 0 ? stream->first : stream->first + 1 - stream->count;
	if (high <= first || low >= first + stream->count)
		return false;
	return stream->step > 0 ? high - first >= stream->count / 2 :
	       stream->first + 1 - low >= stream->count / 2 || low < first;
}

bool streams_reach(struct streams *streams, uint64_t low, uint64_t high, uint64_t total,
                   struct stream_plan *plan)
{
	struct stream *stream;
	uint64_t last;

	for (stream = streams->all; stream < streams->all + STREAMS; stream++) {
		if (!stream_reached(stream, low, high))
			continue;
		if (!stream_room(stream_next(stream), stream->step, total))
			return false;
		last = stream_next(stream) - (uint64_t)stream->step;
		if (stream->step > 0 ? high - 1 < last : low > last)
			last = stream->step > 0 ? high - 1 : low;
		stream_advance(streams, stream, stream_next(stream), last, total, plan);
		return true;
	}
	return false;
}
