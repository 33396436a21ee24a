/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - the worker's event loop: epoll, a binary heap of timers, and a list of pollers
 *
 * Worker thread only. Allocates only to grow the heap of timers.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "loop.h"

#define BATCH 64                        /* events that one epoll_wait() fetches */

struct loop {
	int epoll;
	bool stop;                      /* loop_stop() was called since loop_run() began */
	/*
	 * heap[1] is the earliest timer, and no timer is earlier than the one at half its position.
	 * heap[timer->index] == timer for each timer that is set. heap[0] is not used.
	 */
	struct timer **heap;
	unsigned timers;                /* that are set: heap[1] to heap[timers] */
	unsigned capacity;              /* entries of heap, heap[0] included: > timers */
	struct poller *pollers;
	struct poller *cursor;          /* the next one to ask, while pollers are asked; else NULL */
	struct epoll_event batch[BATCH];
	int batched;                    /* events in batch while they are delivered; else 0 */
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop->heap);
	free(loop);
}

/* ---- descriptors ---- */

static int source_control(struct loop *loop, int operation, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct source *source, uint32_t events)
{
	int error;

	assert(!source->live);
	error = source_control(loop, EPOLL_CTL_ADD, source, events);
	source->live = error == 0;
	return error;
}

int loop_change(struct loop *loop, struct source *source, uint32_t events)
{
	assert(source->live);
	return source_control(loop, EPOLL_CTL_MOD, source, events);
}

/*
 * The owner may free the source as soon as this returns. So an event of it that epoll_wait() has
 * fetched, and that is not delivered yet, is removed from the batch.
 */
void loop_remove(struct loop *loop, struct source *source)
{
	if (!source->live)
		return;
	source_control(loop, EPOLL_CTL_DEL, source, 0);
	source->live = false;
	for (int i = 0; i < loop->batched; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

/* Deliver the batch. A callback may remove any source: loop_remove() clears its events. */
static void events_deliver(struct loop *loop)
{
	for (int i = 0; i < loop->batched; i++) {
		struct source *source = loop->batch[i].data.ptr;

		if (source)
			source->ready(source, loop->batch[i].events);
	}
	loop->batched = 0;
}

/* ---- timers: a binary heap, see struct loop ---- */

static void heap_place(struct loop *loop, unsigned at, struct timer *timer)
{
	loop->heap[at] = timer;
	timer->index = at;
}

/* Move a timer, whose position may be too late for its time, towards heap[1]. */
static void heap_sift_up(struct loop *loop, struct timer *timer)
{
	unsigned at = timer->index;

	for (; at > 1 && loop->heap[at / 2]->at > timer->at; at /= 2)
		heap_place(loop, at, loop->heap[at / 2]);
	heap_place(loop, at, timer);
}

/* Move a timer, whose position may be too early for its time, away from heap[1]. */
static void heap_sift_down(struct loop *loop, struct timer *timer)
{
	unsigned at = timer->index;

	for (;;) {
		unsigned child = 2 * at;

		if (child > loop->timers)
			break;
		if (child < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (loop->heap[child]->at >= timer->at)
			break;
		heap_place(loop, at, loop->heap[child]);
		at = child;
	}
	heap_place(loop, at, timer);
}

/*
 * Without memory for a timer a deadline would pass unnoticed. So the worker aborts instead, and the
 * keeper starts another one with all records.
 */
static void heap_grow(struct loop *loop)
{
	unsigned capacity = loop->capacity ? 2 * loop->capacity : 64;
	struct timer **heap = realloc(loop->heap, capacity * sizeof(struct timer *));

	if (!heap)
		abort();
	loop->heap = heap;
	loop->capacity = capacity;
}

void loop_timer(struct loop *loop, struct timer *timer, uint64_t at)
{
	assert(!timer->index || loop->heap[timer->index] == timer);
	timer->at = at;
	if (!timer->index) {
		if (loop->timers + 1 >= loop->capacity)
			heap_grow(loop);
		heap_place(loop, ++loop->timers, timer);
	}
	heap_sift_up(loop, timer);
	heap_sift_down(loop, timer);
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
	unsigned at = timer->index;
	struct timer *last;

	if (!at)
		return;
	assert(at <= loop->timers && loop->heap[at] == timer);
	timer->index = 0;
	last = loop->heap[loop->timers--];
	if (last == timer)
		return;
	heap_place(loop, at, last);
	heap_sift_up(loop, last);
	heap_sift_down(loop, last);
}

/*
 * Fire the timers that are due. At most as many fire as are set now: one that sets itself again for
 * a time that has passed waits for the next round, so descriptors get their turn.
 */
static void timers_fire_due(struct loop *loop)
{
	uint64_t now = rm_now_ns();

	for (unsigned n = loop->timers; n > 0 && loop->timers > 0; n--) {
		struct timer *timer = loop->heap[1];

		if (timer->at > now)
			return;
		loop_timer_cancel(loop, timer);
		timer->fire(timer);
	}
}

/* ---- pollers ---- */

void loop_poller(struct loop *loop, struct poller *poller)
{
	poller->next = loop->pollers;
	loop->pollers = poller;
}

void loop_poller_remove(struct loop *loop, struct poller *poller)
{
	struct poller **link = &loop->pollers;

	if (loop->cursor == poller)
		loop->cursor = poller->next;
	while (*link && *link != poller)
		link = &(*link)->next;
	if (*link)
		*link = poller->next;
}

/* Ask all pollers once: true if one had work. A poller may remove itself or another one. */
static bool pollers_poll(struct loop *loop)
{
	bool busy = false;

	for (struct poller *p = loop->pollers; p; p = loop->cursor) {
		loop->cursor = p->next;
		busy |= p->poll(p);
	}
	loop->cursor = NULL;
	return busy;
}

/* Prepare all pollers for sleep: false if one refuses. The loop must not sleep then. */
static bool pollers_arm(struct loop *loop)
{
	for (struct poller *p = loop->pollers; p; p = p->next)
		if (p->arm && !p->arm(p))
			return false;
	return true;
}

/* ---- the loop ---- */

/*
 * Milliseconds until the earliest timer, rounded up so that it is due when epoll_wait() returns; -1
 * without timers. An hour at most, which fits an int.
 */
static int sleep_ms(struct loop *loop)
{
	uint64_t now, ms;

	if (!loop->timers)
		return -1;
	now = rm_now_ns();
	if (loop->heap[1]->at <= now)
		return 0;
	ms = (loop->heap[1]->at - now + 999999) / 1000000;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/*
 * One round: pollers, timers, then descriptors. The loop sleeps in epoll_wait() only if no poller
 * had work and all of them are armed.
 */
void loop_run(struct loop *loop)
{
	loop->stop = false;
	while (!loop->stop) {
		bool busy = pollers_poll(loop);
		int wait, n;

		timers_fire_due(loop);
		if (loop->stop)
			break;
		wait = busy ? 0 : sleep_ms(loop);
		if (wait && !pollers_arm(loop))
			wait = 0;
		n = epoll_wait(loop->epoll, loop->batch, BATCH, wait);
		loop->batched = n > 0 ? n : 0;
		events_deliver(loop);
	}
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
