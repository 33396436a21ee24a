/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spin.h - how long to poll before sleeping
 *
 * A wake-up costs more than a read on a fast wire, and less than nothing where the next thing
 * happens a millisecond later, or the core is wanted by who waits for us. So it is learned:
 * where things happen soon after one another polling lasts until the next, where they do not
 * it gets shorter, down to not at all. Pure.
 */
#ifndef RM_SPIN_H
#define RM_SPIN_H

#include <stdint.h>

#define SPIN_START_NS 80000u
#define SPIN_MAX_NS 160000u
#define SPIN_MIN_NS 10000u              /* less is none */

struct spin {
	uint64_t last_ns;               /* when something happened; 0: never */
	uint64_t limit_ns;              /* poll for so long after that */
};

/* Something happened: poll until the time that is returned. */
static inline uint64_t spin_until(struct spin *spin, uint64_t now)
{
	uint64_t gap = now - spin->last_ns;

	if (!spin->last_ns)
		spin->limit_ns = SPIN_START_NS;
	else if (gap > SPIN_MAX_NS)     /* polling would not have met it */
		spin->limit_ns = spin->limit_ns / 2 < SPIN_MIN_NS ? 0 : spin->limit_ns / 2;
	else if (gap > spin->limit_ns)  /* a bit longer, and it would have */
		spin->limit_ns = 2 * gap < SPIN_MAX_NS ? 2 * gap : SPIN_MAX_NS;
	spin->last_ns = now;
	return now + spin->limit_ns;
}

#endif
