/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault_times.h - a histogram of the time that page faults took
 *
 * Each doubling of the time, from 4 us to 262 ms, has four buckets. So quantiles are exact to
 * a quarter of the value. rmmapd counts, the library and rmmap read. Pure; any thread.
 */
#ifndef RM_FAULT_TIMES_H
#define RM_FAULT_TIMES_H

#include <stdint.h>

#define RM_FAULT_TIMES 64               /* buckets */

/* The bucket of a fault that took so long; the first and the last one have no outer bound. */
static inline unsigned rm_fault_time(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned doublings, i;

	if (us < 4)
		return 0;
	doublings = 61 - (unsigned)__builtin_clzll(us);
	i = doublings * 4 + (unsigned)(us >> doublings & 3);
	return i < RM_FAULT_TIMES ? i : RM_FAULT_TIMES - 1;
}

/*
 * A quantile in ns: permille of a thousand faults took no longer. It is the upper bound of its
 * bucket; 0 if there were no faults.
 */
static inline uint64_t rm_fault_within(const uint32_t times[RM_FAULT_TIMES], unsigned permille)
{
	uint64_t all = 0, seen = 0;
	unsigned i;

	for (i = 0; i < RM_FAULT_TIMES; i++)
		all += times[i];
	if (!all)
		return 0;
	for (i = 0; i < RM_FAULT_TIMES - 1; i++) {
		seen += times[i];
		if (seen * 1000 >= all * permille)
			break;
	}
	return ((uint64_t)(5 + i % 4) << (i / 4)) * 1000;
}

#endif
