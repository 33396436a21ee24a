/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * budget.h - how much may be fetched on the word of a pointer
 *
 * Nobody can tell a walk over a whole list from one that ends after the next node, so pages
 * are fetched on trust, and trust is counted in time: what arrives on the wire during one
 * round trip is a window. At first as many pages are trusted as come in 64 round trips: if
 * all are wasted, that costs about what 64 faults cost, and a walk of more than that gains.
 * Then a page that was used pays for two more, and a fault on a page that a pointer had told
 * of (more trust would have saved it) for what would have come while it waits; a quarter of
 * that once less than a quarter was used. Pure.
 */
#ifndef RM_BUDGET_H
#define RM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_PAGE_NS 4000             /* a page in the stream of a fast wire */
#define BUDGET_WINDOW_MIN 16
#define BUDGET_WINDOW_MAX 256
#define BUDGET_TRIPS 64
#define BUDGET_MAX (1 << 18)            /* pages: 1 GiB */

struct budget {                         /* all 0 at first */
	uint64_t trip_ns;               /* the shortest lately; 0: none was made */
	uint64_t credit;                /* pages that may still be fetched */
	uint64_t spent, used;
};

/* A read of a few pages took so long. With the first one there is credit. */
void budget_trip(struct budget *budget, uint64_t ns);
/* Pages that may be under way at a time: what is asked for now waits behind them. */
uint64_t budget_window(const struct budget *budget);
void budget_spend(struct budget *budget, uint64_t pages);
void budget_used(struct budget *budget, uint64_t pages);
/* Somebody waits for a page that was known of, and for which there was no credit, or no time. */
void budget_missed(struct budget *budget);

#endif
