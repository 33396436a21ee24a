/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - epoll, a heap of timers, and pollers, for the worker's one thread
 *
 * Allocates only to grow the heap of timers.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "loop.h"

#define BATCH 64

struct loop {
	int epoll;
	bool stop;
	struct timer **heap;            /* heap[1] is the earliest; heap[0] is not used */
	unsigned timers, capacity;
	struct poller *pollers;
	struct poller *cursor;          /* the next to be asked, during a round of pollers */
	struct epoll_event batch[BATCH];
	int batched;                    /* events of the batch being delivered */
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

static int control(struct loop *loop, int operation, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct source *source, uint32_t events)
{
	int ret = control(loop, EPOLL_CTL_ADD, source, events);

	source->live = ret == 0;
	return ret;
}

int loop_change(struct loop *loop, struct source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, source, events);
}

/*
 * The source may be freed as soon as this returns, so an event of it that was
 * fetched and not delivered yet is struck out here.
 */
void loop_remove(struct loop *loop, struct source *source)
{
	if (!source->live)
		return;
	control(loop, EPOLL_CTL_DEL, source, 0);
	source->live = false;
	for (int i = 0; i < loop->batched; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

static void deliver(struct loop *loop)
{
	for (int i = 0; i < loop->batched; i++) {
		struct source *source = loop->batch[i].data.ptr;

		if (source)
			source->ready(source, loop->batch[i].events);
	}
	loop->batched = 0;
}

/* ---- timers: a binary heap ---- */

static void place(struct loop *loop, unsigned at, struct timer *timer)
{
	loop->heap[at] = timer;
	timer->index = at;
}

static void sift_up(struct loop *loop, struct timer *timer)
{
	unsigned at = timer->index;

	for (; at > 1 && loop->heap[at / 2]->at > timer->at; at /= 2)
		place(loop, at, loop->heap[at / 2]);
	place(loop, at, timer);
}

static void sift_down(struct loop *loop, struct timer *timer)
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
		place(loop, at, loop->heap[child]);
		at = child;
	}
	place(loop, at, timer);
}

/*
 * A worker that cannot have a few bytes for a timer would miss a deadline, which
 * nobody would notice: end it, the keeper starts a new one with all records.
 */
static void grow(struct loop *loop)
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
	timer->at = at;
	if (!timer->index) {
		if (loop->timers + 1 >= loop->capacity)
			grow(loop);
		place(loop, ++loop->timers, timer);
	}
	sift_up(loop, timer);
	sift_down(loop, timer);
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
	unsigned at = timer->index;
	struct timer *last;

	if (!at)
		return;
	timer->index = 0;
	last = loop->heap[loop->timers--];
	if (last == timer)
		return;
	place(loop, at, last);
	sift_up(loop, last);
	sift_down(loop, last);
}

/* A timer that sets itself again for now waits for the next round: others get their turn. */
static void fire_due(struct loop *loop)
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

static bool poll_all(struct loop *loop)
{
	bool busy = false;

	for (struct poller *p = loop->pollers; p; p = loop->cursor) {
		loop->cursor = p->next;
		busy |= p->poll(p);
	}
	loop->cursor = NULL;
	return busy;
}

static bool arm_all(struct loop *loop)
{
	for (struct poller *p = loop->pollers; p; p = p->next)
		if (p->arm && !p->arm(p))
			return false;
	return true;
}

/* ---- the loop ---- */

/* Milliseconds to sleep, rounded up so that the timer is due when we wake; -1: for ever. */
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

void loop_run(struct loop *loop)
{
	loop->stop = false;
	while (!loop->stop) {
		bool busy = poll_all(loop);
		int wait, n;

		fire_due(loop);
		if (loop->stop)
			break;
		wait = busy ? 0 : sleep_ms(loop);
		if (wait && !arm_all(loop))
			wait = 0;
		n = epoll_wait(loop->epoll, loop->batch, BATCH, wait);
		loop->batched = n > 0 ? n : 0;
		deliver(loop);
	}
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
