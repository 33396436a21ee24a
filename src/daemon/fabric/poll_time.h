/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spin.h - how long to poll before sleeping
 *
 * A wake-up costs more than a read on a fast wire, and less than nothing where the next thing
 * happens a millisecond later, or the core is wanted by who waits for us. So it is learned:
 * where things happen soon after one another polling lasts until the next, where they do not
 * it gets shorter, down to not at all. Pure.
 */
#ifndef RM_POLL_TIME_H
#define RM_POLL_TIME_H

#include <stdint.h>

#define POLL_TIME_START_NS 80000u
#define POLL_TIME_MAX_NS 160000u
#define POLL_TIME_MIN_NS 10000u              /* less is none */

struct poll_time {
	uint64_t last_ns;               /* when something happened; 0: never */
	uint64_t limit_ns;              /* poll for so long after that */
};

/* Something happened: poll until the time that is returned. */
static inline uint64_t poll_time_until(struct poll_time *poll_time, uint64_t now)
{
	uint64_t gap = now - poll_time->last_ns;

	if (!poll_time->last_ns)
		poll_time->limit_ns = POLL_TIME_START_NS;
	else if (gap > POLL_TIME_MAX_NS)     /* polling would not have met it */
		poll_time->limit_ns = poll_time->limit_ns / 2 < POLL_TIME_MIN_NS ? 0 : poll_time->limit_ns / 2;
	else if (gap > poll_time->limit_ns)  /* a bit longer, and it would have */
		poll_time->limit_ns = 2 * gap < POLL_TIME_MAX_NS ? 2 * gap : POLL_TIME_MAX_NS;
	poll_time->last_ns = now;
	return now + poll_time->limit_ns;
}

#endif
