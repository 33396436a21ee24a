/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - the worker's event loop: descriptors, timers, pollers
 *
 * Worker thread only. Sources, timers and pollers are embedded in their owners' structs and belong
 * to these; the loop only links them. A callback may add and remove any of them, its own
 * included, and may free one that it has removed. The loop allocates only to grow its heap of
 * timers, and aborts the worker if there is no memory for that.
 */
#ifndef RM_LOOP_H
#define RM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A descriptor that the loop watches. Embed it, and see container_of() in container.h. */
struct source {
	int fd;                         /* set by the owner; unchanged while the loop has it */
	/* Called with the EPOLL bits that came. */
	void (*ready)(struct source *source, uint32_t events);
	bool live;                      /* the loop's: true between loop_add() and loop_remove() */
};

/* A timer that fires once. The owner may set it again from its callback. */
struct timer {
	uint64_t at;                    /* when, in ns of CLOCK_MONOTONIC; written by the loop */
	void (*fire)(struct timer *timer);
	unsigned index;                 /* the loop's: position in the heap, from 1; 0: not set */
};

/* A source of events without a descriptor that tells of all of them: libfabric's queues. */
struct poller {
	/* Do what can be done without waiting. True: there was work, so ask again at once. */
	bool (*poll)(struct poller *poller);
	/*
	 * Called last before the loop sleeps. False: an event has come, so the loop must not sleep.
	 * NULL: nothing is to be done before sleeping.
	 */
	bool (*arm)(struct poller *poller);
	struct poller *next;            /* the loop's list */
};

struct loop *loop_new(void);            /* NULL: no memory or descriptor */
void loop_free(struct loop *loop);      /* its sources, timers and pollers stay their owners' */

/* Watch a source that is not watched yet. 0 or -errno. */
int loop_add(struct loop *loop, struct source *source, uint32_t events);
/* Wait for other events of a source that is watched. 0 or -errno. */
int loop_change(struct loop *loop, struct source *source, uint32_t events);
/*
 * Stop watching, before the descriptor is closed. No callback comes any more, not even for an
 * event that the loop has read already. Nothing happens if the source is not watched.
 */
void loop_remove(struct loop *loop, struct source *source);

/* Set the timer, or move it if it is set. A time that has passed means the next round. */
void loop_timer(struct loop *loop, struct timer *timer, uint64_t at);
/* Nothing happens if the timer is not set. */
void loop_timer_cancel(struct loop *loop, struct timer *timer);

/* Add a poller that the loop does not have yet. */
void loop_poller(struct loop *loop, struct poller *poller);
/* Nothing happens if the loop does not have it. */
void loop_poller_remove(struct loop *loop, struct poller *poller);

void loop_run(struct loop *loop);       /* returns after loop_stop() */
void loop_stop(struct loop *loop);      /* from a callback: end loop_run() after this round */

#endif
