/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - the worker's event loop: descriptors, timers, pollers
 *
 * Single-threaded. Callbacks may add and remove anything, themselves included.
 */
#ifndef RM_LOOP_H
#define RM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct source {                 /* a descriptor; embed it, see container_of in util.h */
	int fd;
	void (*ready)(struct source *source, uint32_t events);  /* EPOLL bits */
	bool live;                      /* loop's */
};

struct timer {                  /* one shot */
	uint64_t at;                    /* CLOCK_MONOTONIC ns */
	void (*fire)(struct timer *timer);
	unsigned index;                 /* loop's: place in the heap, from 1; 0: not set */
};

struct poller {                 /* asked before the loop sleeps */
	/* Do what can be done without waiting; true: call again at once, do not sleep. */
	bool (*poll)(struct poller *poller);
	/* Last call before sleeping: false if sleeping would miss something. May be NULL. */
	bool (*arm)(struct poller *poller);
	struct poller *next;            /* loop's */
};

struct loop *loop_new(void);
void loop_free(struct loop *loop);
int loop_add(struct loop *loop, struct source *source, uint32_t events);   /* 0 or -errno */
int loop_change(struct loop *loop, struct source *source, uint32_t events);
void loop_remove(struct loop *loop, struct source *source);     /* before its fd is closed */
void loop_timer(struct loop *loop, struct timer *timer, uint64_t at);      /* sets or moves */
void loop_timer_cancel(struct loop *loop, struct timer *timer);
void loop_poller(struct loop *loop, struct poller *poller);
void loop_poller_remove(struct loop *loop, struct poller *poller);
void loop_run(struct loop *loop);       /* until loop_stop() */
void loop_stop(struct loop *loop);

#endif
