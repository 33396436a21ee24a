/* SPDX-License-Identifier: BSD-2-Clause */
/* kept.h - large free extents whose pages stay (see kept.c) */
#ifndef RM_LIB_KEPT_H
#define RM_LIB_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#define RETAINED_MAX 32
#define RETAINED_MIN ((uint64_t)8 << 20)      /* of jemalloc's large extents */

struct retained_range {
	uint64_t addr, length;
	uint32_t ms;                    /* when it was given back */
};

#pragma GCC visibility push(hidden)

/* All that is kept. Without the lock: 0 means that nothing of the asker's memory is. */
extern uint64_t retained_bytes;

/* Given back: true if its pages stay. */
bool retained_add(uint64_t addr, uint64_t length);
/* What was kept for too long goes. */
void retained_expire(void);
/* So many bytes are newly used: as many go, the oldest first. */
void retained_release(uint64_t length);
/* [addr, addr + length) is used again: what is kept there, at most RETAINED_MAX, is to be cleared. */
unsigned retained_take(uint64_t addr, uint64_t length, struct retained_range *taken);
/* Without the lock: it is the caller's memory by now. */
void retained_clear(const struct retained_range *range);

#pragma GCC visibility pop

#endif
