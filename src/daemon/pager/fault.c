/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.c - policy: which pages a fault brings
 *
 * stream.h decides which pages. A batch is fetched in parts, so that the thread that waits for
 * its beginning continues while the rest arrives. With RMMAP_PREFETCH=off a fault brings its own
 * page only. Worker thread only; allocates.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/reserve.h"
#include "../base/container.h"

#define FIRST_PART 16                   /* pages: the part that a thread waits for is small */

/*
 * How many pages to fetch at once, of those of a plan from number on: half of a block that the plan
 * has the rest of, since a thread waits for all of that anyway.
 */
static uint64_t plan_part(const struct lazy *lazy, uint64_t number, uint64_t low, uint64_t high,
                          uint64_t part)
{
	uint64_t from, to;

	if (!block_numbers(lazy, number, &from, &to) || from < low || to > high)
		return part;
	return LAZY_BLOCK_PART;
}

/* Fetch a plan without gaps, in the order in which the stream will reach the pages. */
static void plan_fetch_range(struct lazy *lazy, const struct stream_plan *plan, uint64_t waited)
{
	bool down = plan->step < 0;
	uint64_t low = down ? plan->first + 1 - plan->count : plan->first, high = low + plan->count;
	uint64_t part = waited == LAZY_NOBODY ? LAZY_PART : FIRST_PART, from, end, first, n;
	const uint64_t bottom = low, top = high;
	uint32_t segment;

	for (; low < high && !lazy->finished; part = LAZY_PART) {
		segment = lazy_segment(lazy, down ? high - 1 : low);
		first = lazy->first[segment];
		n = plan_part(lazy, down ? high - 1 : low, bottom, top, part);
		if (down) {
			end = high;
			from = high - low > n ? high - n : low;
			from = from > first ? from : first;
			high = from;
		} else {
			from = low;
			end = high - low > n ? low + n : high;
			first += lazy_segment_at(lazy, segment)->length / RM_PAGE;
			end = end < first ? end : first;
			low = end;
		}
		first = lazy->first[segment];
		lazy_fetch(lazy, segment, from - first, end - from, RM_AHEAD_SCAN,
		           waited - from < end - from ? waited : LAZY_NOBODY);
	}
}

/*
 * Let a long batch end where a block does, so that the block comes whole. Beyond STREAM_MAX pages
 * it has whole blocks only: these take no more memory than they do already.
 */
static void plan_fit(const struct lazy *lazy, struct stream_plan *plan)
{
	uint64_t count = plan->count, whole = STREAM_MAX, low, high, last;
	bool down = plan->step < 0;

	if ((plan->step != 1 && !down) || count < STREAM_MAX)
		return;
	last = plan->first + (uint64_t)plan->step * (whole - 1);
	while (block_numbers(lazy, last, &low, &high)) {
		whole = down ? plan->first + 1 - low : high - plan->first;
		if (whole >= count)
			break;
		last = down ? low - 1 : high;
	}
	stream_resize(plan, whole);
	/* Where the mark is, the first touch of the block is one anyway. */
	if (block_numbers(lazy, plan->mark, &low, &high) &&
	    (down ? low + whole > plan->first && high <= plan->first + 1 :
	            low >= plan->first && high <= plan->first + whole))
		plan->mark = STREAM_NONE;
}

/* Fetch what is planned. remote/ does not read pages twice that are in flight. */
static void plan_fetch(struct lazy *lazy, const struct stream_plan *plan, uint64_t waited)
{
	uint64_t number = plan->first;
	uint32_t segment;

	ahead_proven(lazy, plan);
	if (plan->mark != STREAM_NONE)
		ahead_mark(lazy, plan->mark, plan->lone);
	if (plan->step == 1 || plan->step == -1) {
		plan_fetch_range(lazy, plan, waited);
		return;
	}
	for (uint64_t i = 0; i < plan->count && !lazy->finished; i++) {
		segment = lazy_segment(lazy, number);
		lazy_fetch(lazy, segment, number - lazy->first[segment], 1, RM_AHEAD_SCAN,
		           number == waited ? waited : LAZY_NOBODY);
		number += (uint64_t)plan->step;
	}
}

/* The page and no other. */
static void fault_alone(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	if (lazy_available(lazy, segment, page))
		lazy_map(lazy, segment, page, page + 1);
	else if (!lazy_on_its_way(lazy, segment, page))
		lazy_fetch(lazy, segment, page, 1, RM_AHEAD_SCAN,
		           lazy->first[segment] + page);
}

/*
 * A fault in a block that is here as a whole, or will be soon: give it, or leave it to
 * blocks_arrived(). The stream whose batch it is goes on. False: the page is served by itself.
 */
static bool fault_in_block(struct lazy *lazy, uint32_t segment, uint64_t block)
{
	struct streams *streams = &lazy->ahead.streams;
	uint64_t number = lazy->first[segment] + block;
	struct stream_plan plan;

	if (!block_absent(lazy, segment, block)) {
		if (!block_give(lazy, segment, block))
			return false;
	} else if (!block_held(lazy, segment, block)) {
		return false;
	}
	streams->most = STREAM_BLOCKS_MAX;
	if (streams_reach(streams, number, number + LAZY_BLOCK, lazy->pages, &plan)) {
		plan_fit(lazy, &plan);
		plan_fetch(lazy, &plan, LAZY_NOBODY);
	}
	return true;
}

/* A fault on a page that is not under way: fetch what is planned for it. */
static void fault_new(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	uint64_t number = lazy->first[segment] + page, block;
	bool in_block = block_find(lazy, segment, page, &block);
	struct streams *streams = &lazy->ahead.streams;
	struct stream_plan plan;

	if (!lazy_available(lazy, segment, page))
		ahead_missed(lazy, number);
	/* A page that another process had fetched is mapped by the same rules. */
	streams->most = in_block ? STREAM_BLOCKS_MAX : STREAM_MAX;
	streams_fault(streams, number, lazy->pages, &plan);
	plan_fit(lazy, &plan);
	plan_fetch(lazy, &plan, number);
	if (in_block && !lazy->finished && block_is_worth(lazy, segment, block))
		block_fetch(lazy, segment, block, RM_AHEAD_SCAN);
}

/* A fault in a stream's batch. */
static void fault_in_stream(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	struct streams *streams = &lazy->ahead.streams;
	struct stream_plan plan;
	uint64_t block;

	streams->most = block_find(lazy, segment, page, &block) ? STREAM_BLOCKS_MAX : STREAM_MAX;
	if (!streams_touch(streams, lazy->first[segment] + page, lazy->pages, &plan))
		return;
	plan_fit(lazy, &plan);
	plan_fetch(lazy, &plan, LAZY_NOBODY);
}

void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	bool left, here = lazy_available(lazy, segment, page), coming;
	uint64_t block;

	if (lazy->attachment->prefetch == RM_PREFETCH_OFF) {
		fault_alone(lazy, segment, page);
		ahead_pump(lazy);
		return;
	}
	left = ahead_touched(lazy, lazy->first[segment] + page);
	coming = lazy_on_its_way(lazy, segment, page);
	if (block_find(lazy, segment, page, &block) && fault_in_block(lazy, segment, block)) {
		if (here)
			ahead_scan(lazy, segment, page);
		ahead_pump(lazy);
		return;
	}
	if (here && (left || coming)) {
		lazy_map(lazy, segment, page, page + 1);
		ahead_scan(lazy, segment, page);
		fault_in_stream(lazy, segment, page);
	} else if (coming) {
		fault_in_stream(lazy, segment, page);
	} else {
		fault_new(lazy, segment, page);
	}
	ahead_pump(lazy);
}

/* lazy_events.arrived: map what the batch brought, and fetch on. */
static void batch_arrived(struct lazy *lazy, const struct lazy_batch *batch, int error)
{
	blocks_arrived(lazy, batch->segment, batch->page, batch->page + batch->count);
	/* Memory was short: the threads that wait are woken soon, and fault again. */
	if (error == -EAGAIN || (error == -ENOMEM && !batch->waited))
		lazy_starved(lazy);
	else if (error)
		lazy_lost(lazy, batch->segment, batch->page, batch->page + batch->count, error);
	ahead_arrived(lazy, batch, error);
	lazy_progress(lazy);
	ahead_pump(lazy);
}

const struct lazy_events fault_events = { .note = ahead_note, .arrived = batch_arrived };
