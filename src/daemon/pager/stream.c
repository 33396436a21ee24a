/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - see stream.h. Any thread; does not allocate. */
#include <string.h>

#include "stream.h"

/* Pages of total from first on, each step further. */
static uint64_t room(uint64_t first, int64_t step, uint64_t total)
{
	if (first >= total)
		return 0;
	return step > 0 ? (total - 1 - first) / (uint64_t)step + 1 : first / (uint64_t)-step + 1;
}

static bool strided(const struct stream *stream)
{
	return stream->step > 1 || stream->step < -1;
}

/* The page that comes after its last batch; it may lie outside of all pages. */
static uint64_t next_of(const struct stream *stream)
{
	return stream->first + (uint64_t)stream->step * stream->count;
}

/* Does a fault here go on with it? Sets the direction, where that is open. */
static bool goes_on(struct stream *stream, uint64_t page)
{
	uint64_t low, high;

	if (!stream->step)
		return false;
	if (strided(stream))
		return page == next_of(stream);
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

/* How many steps from the stream's unproven page to this one; 0 if it does not lie there. */
static uint64_t steps_to(const struct stream *stream, uint64_t page)
{
	uint64_t way = stream->step > 0 ? page - stream->unproven : stream->unproven - page;
	uint64_t step = (uint64_t)(stream->step > 0 ? stream->step : -stream->step);

	return way / step <= 2 * STREAM_MAX + STREAM_LONE ? way / step : 0;
}

/* The next batch begins at page; somebody is at the page at. */
static void advance(struct streams *streams, struct stream *stream, uint64_t page, uint64_t at,
                    uint64_t total, struct stream_plan *plan)
{
	uint64_t max = strided(stream) ? STREAM_STEPS_MAX : STREAM_MAX, most;

	plan->proven = stream->unproven;
	plan->proven_count = steps_to(stream, at);
	stream->unproven = at;
	stream->lone = false;
	stream->size = 2 * stream->size < max ? 2 * stream->size : max;
	most = room(page, stream->step, total);
	stream->first = page;
	stream->count = most < stream->size ? most : stream->size;
	stream->used_at = ++streams->clock;
	plan->first = page;
	plan->count = stream->count;
	plan->step = stream->step;
	plan->lone = false;
	plan->mark = STREAM_NONE;
	if (stream->count >= (strided(stream) ? 4 : STREAM_MARKED))
		plan->mark = page + (uint64_t)stream->step * (stream->count / 2);
}

static struct stream *oldest(struct streams *streams)
{
	struct stream *stream, *old = streams->all;

	for (stream = old; stream < streams->all + STREAMS; stream++)
		if (stream->used_at < old->used_at)
			old = stream;
	return old;
}

/* Three lone faults at equal distances: how far the last two are apart; 0: there are none. */
static int64_t find_step(const struct streams *streams, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_LONES; i++) {
		uint64_t middle = streams->lone[i], step, before;

		if (!middle--)
			continue;
		step = page - middle;
		before = middle - step;
		if (step + STREAM_LONE <= 2 * STREAM_LONE)
			continue;               /* so near that the middle one brought it */
		for (unsigned j = 0; j < STREAM_LONES; j++)
			if (streams->lone[j] && streams->lone[j] - 1 == before)
				return (int64_t)step;
	}
	return 0;
}

static void start_strided(struct streams *streams, uint64_t page, int64_t step, uint64_t total,
                          struct stream_plan *plan)
{
	struct stream *stream = oldest(streams);

	*stream = (struct stream){ .step = step, .size = 2, .unproven = page };
	advance(streams, stream, page, page, total, plan);
}

static unsigned probed(const struct streams *streams)
{
	return streams->judged ? STREAM_PROBED : 1;
}

uint64_t streams_lone_used(struct streams *streams)
{
	streams->lone_used += probed(streams);
	return probed(streams) * ((streams->lone_pages ? streams->lone_pages : STREAM_LONE) - 1);
}

/*
 * A page that comes along costs 4 us or so, a fault 100 and more: neighbours of which one in
 * 25 is used are worth it. The marks that are touched may be of any time: in a walk over all
 * pages in any order they are, the more there are of them.
 */
static uint64_t lone_pages(struct streams *streams)
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

static void start_lone(struct streams *streams, uint64_t page, uint64_t total,
                       struct stream_plan *plan)
{
	struct stream *stream = oldest(streams);
	uint64_t most = lone_pages(streams), low = page - page % most;
	uint64_t count = total - low < most ? total - low : most;
	bool marked = streams->next_lone % probed(streams) == 0 && count > 1;

	streams->lone[streams->next_lone++ % STREAM_LONES] = page + 1;
	*stream = (struct stream){ .first = low, .count = count, .step = 1, .size = STREAM_LONE,
	                           .unproven = low, .used_at = ++streams->clock, .lone = true };
	*plan = (struct stream_plan){ .first = low, .count = count, .step = 1,
	                              .mark = STREAM_NONE, .lone = true };
	if (marked)
		plan->mark = low + (page - low + count / 2) % count;
}

void streams_fault(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan)
{
	struct stream *stream;
	int64_t step;

	for (stream = streams->all; stream < streams->all + STREAMS; stream++) {
		if (!goes_on(stream, page))
			continue;
		advance(streams, stream, page, page, total, plan);
		return;
	}
	step = find_step(streams, page);
	if (step)
		start_strided(streams, page, step, total, plan);
	else
		start_lone(streams, page, total, plan);
}

/* Is the page in the second half of the stream's batch? */
static bool second_half(const struct stream *stream, uint64_t page)
{
	uint64_t way = stream->step > 0 ? page - stream->first : stream->first - page;
	uint64_t step = (uint64_t)(stream->step > 0 ? stream->step : -stream->step);

	if (!stream->step || stream->lone || way % step)
		return false;
	if (stream->count < (strided(stream) ? 4 : STREAM_MARKED))
		return false;
	return way / step < stream->count && way / step >= stream->count / 2;
}

bool streams_touch(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan)
{
	struct stream *stream;

	for (stream = streams->all; stream < streams->all + STREAMS; stream++) {
		if (!second_half(stream, page))
			continue;
		if (!room(next_of(stream), stream->step, total))
			return false;
		advance(streams, stream, next_of(stream), page, total, plan);
		return true;
	}
	return false;
}
