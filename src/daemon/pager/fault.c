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

/* Fetch a plan without gaps, in the order in which the stream will reach the pages. */
static void plan_fetch_range(struct lazy *lazy, const struct stream_plan *plan, uint64_t waited)
{
	bool down = plan->step < 0;
	uint64_t low = down ? plan->first + 1 - plan->count : plan->first, high = low + plan->count;
	uint64_t part = waited == LAZY_NOBODY ? LAZY_PART : FIRST_PART, from, end, first;
	uint32_t segment;

	for (; low < high && !lazy->finished; part = LAZY_PART) {
		segment = lazy_segment(lazy, down ? high - 1 : low);
		first = lazy->first[segment];
		if (down) {
			end = high;
			from = high - low > part ? high - part : low;
			from = from > first ? from : first;
			high = from;
		} else {
			from = low;
			end = high - low > part ? low + part : high;
			first += lazy_segment_at(lazy, segment)->length / RM_PAGE;
			end = end < first ? end : first;
			low = end;
		}
		first = lazy->first[segment];
		lazy_fetch(lazy, segment, from - first, end - from, RM_AHEAD_SCAN,
		           waited - from < end - from ? waited : LAZY_NOBODY);
	}
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

void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	uint64_t number = lazy->first[segment] + page;
	struct streams *streams = &lazy->ahead.streams;
	bool left, here = lazy_available(lazy, segment, page), coming;
	struct stream_plan plan;

	if (lazy->attachment->prefetch == RM_PREFETCH_OFF) {
		fault_alone(lazy, segment, page);
		ahead_pump(lazy);
		return;
	}
	left = ahead_touched(lazy, number);
	coming = lazy_on_its_way(lazy, segment, page);
	if (here && (left || coming)) {
		lazy_map(lazy, segment, page, page + 1);
		ahead_scan(lazy, segment, page);
	} else if (!coming) {
		if (!here)
			ahead_missed(lazy, number);
		/* A page that another process had fetched is mapped by the same rules. */
		streams_fault(streams, number, lazy->pages, &plan);
		plan_fetch(lazy, &plan, number);
		ahead_pump(lazy);
		return;
	}
	if (streams_touch(streams, number, lazy->pages, &plan))
		plan_fetch(lazy, &plan, LAZY_NOBODY);
	ahead_pump(lazy);
}

/* lazy_events.arrived: map what the batch brought, and fetch on. */
static void batch_arrived(struct lazy *lazy, const struct lazy_batch *batch, int error)
{
	ahead_map(lazy, batch->segment, batch->page, batch->page + batch->count);
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
