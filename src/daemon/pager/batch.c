/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batch.c - has pages fetched, a batch at a time
 *
 * Mechanism only. lazy_events, which fault.c implements, decides which pages are fetched and what
 * becomes of them. Worker thread only; allocates, for a fault from base/reserve.h if need be.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../common/channel.h"
#include "../base/container.h"
#include "../base/reserve.h"
#include "internal.h"

#define STARVED_NS 100000000ull         /* until threads whose fault had no memory are woken */

void lazy_starved(struct lazy *lazy)
{
	if (!lazy->starved.index)
		loop_timer(lazy->context->loop, &lazy->starved, rm_now_ns() + STARVED_NS);
}

uint32_t lazy_segment(const struct lazy *lazy, uint64_t number)
{
	uint32_t low = 0, high = remote_table(lazy->remote)->segment_count, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (lazy->first[mid] <= number)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* page_wait.done of a batch. */
static void batch_done(struct page_wait *waiter, int error)
{
	struct lazy_batch *batch = container_of(waiter, struct lazy_batch, waiter), **at;
	struct lazy *lazy = batch->lazy;

	for (at = &lazy->batches; *at != batch; at = &(*at)->next)
		;
	*at = batch->next;
	batch->took_ns = rm_now_ns() - batch->at_ns;
	lazy->events->arrived(lazy, batch, error);
	reserve_free(batch);
}

bool lazy_on_its_way(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct lazy_batch *batch = lazy->batches;

	while (batch && (batch->segment != segment || page - batch->page >= batch->count))
		batch = batch->next;
	return batch != NULL;
}

void lazy_fetch(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count,
                enum rm_ahead why, uint64_t waited)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	struct lazy_batch *batch = reserve_zalloc(sizeof(*batch), waited != LAZY_NOBODY);

	if (!batch) {
		if (waited != LAZY_NOBODY)
			lazy_starved(lazy);
		return;
	}
	batch->lazy = lazy;
	batch->segment = segment;
	batch->page = page;
	batch->count = count;
	batch->why = why;
	batch->waited = waited != LAZY_NOBODY;
	batch->at_ns = rm_now_ns();
	batch->waiter.layer = s->layer;
	batch->waiter.page = s->offset / RM_PAGE + page;
	batch->waiter.count = count;
	batch->waiter.low_priority = !batch->waited;
	batch->waiter.vital = batch->waited;
	batch->waiter.done = batch_done;
	batch->trip = batch->waited && remote_wanted(lazy->remote, s->layer, batch->waiter.page +
	                                             waited - lazy->first[segment] - page);
	batch->ahead = lazy->events->note(lazy, batch, waited);
	batch->next = lazy->batches;
	lazy->batches = batch;
	remote_fetch(lazy->remote, lazy->attachment, &batch->waiter);
}
