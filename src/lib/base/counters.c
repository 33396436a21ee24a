/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.c - counters of this process
 *
 * Any thread, without a lock. Each counter is exact, but several that are read one after the other
 * need not be of one moment. Does not allocate.
 */
#include <string.h>

#include "base.h"

static uint64_t counters[COUNTERS];

void count(enum counter counter, uint64_t n)
{
	__atomic_fetch_add(&counters[counter], n, __ATOMIC_RELAXED);
}

uint64_t counted(enum counter counter)
{
	return __atomic_load_n(&counters[counter], __ATOMIC_RELAXED);
}

void counters_child(void)
{
	memset(counters, 0, sizeof(counters));
}
