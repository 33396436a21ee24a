/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll_time.h - how long to poll before sleeping
 *
 * Waking up costs more than a read on a fast wire. But polling wastes the core if the next event is
 * a millisecond away, or if the thread that waits for us needs the core. So the time is learned:
 * where events follow each other quickly, polling lasts until the next one; where they do not, it
 * gets shorter, down to none.
 *
 * Pure, and without allocation; each user has a struct of its own, all zeros at first.
 */
#ifndef RM_POLL_TIME_H
#define RM_POLL_TIME_H

#include <stdint.h>

#define POLL_TIME_START_NS 80000u
#define POLL_TIME_MAX_NS 160000u
#define POLL_TIME_MIN_NS 10000u         /* a shorter time is taken as none */

struct poll_time {
	uint64_t last_ns;               /* the last event; 0: there was none yet */
	uint64_t limit_ns;              /* poll for this long after an event; <= POLL_TIME_MAX_NS */
};

/* An event happened now. Returns the time until which to poll for the next one. */
static inline uint64_t poll_time_until(struct poll_time *poll_time, uint64_t now)
{
	uint64_t gap = now - poll_time->last_ns;

	if (!poll_time->last_ns)
		poll_time->limit_ns = POLL_TIME_START_NS;
	else if (gap > POLL_TIME_MAX_NS)        /* no allowed time would have covered the gap */
		poll_time->limit_ns = poll_time->limit_ns / 2 < POLL_TIME_MIN_NS ?
		                      0 : poll_time->limit_ns / 2;
	else if (gap > poll_time->limit_ns)     /* a longer time would have covered it */
		poll_time->limit_ns = 2 * gap < POLL_TIME_MAX_NS ? 2 * gap : POLL_TIME_MAX_NS;
	poll_time->last_ns = now;
	return now + poll_time->limit_ns;
}

#endif
