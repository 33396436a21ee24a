/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * budget.h - how many pages may be fetched because a pointer leads to them
 *
 * A walk over a whole list cannot be told from a walk that ends after the next node. So pages
 * are fetched on credit, and the credit is measured in time. A window is the number of pages
 * that arrive during one round trip. The initial credit is 64 windows: if all of it is wasted,
 * that costs about as much as 64 faults, and a longer walk gains. Then each page that was used
 * earns two more. A fault on a page that was queued (more credit would have saved the fault)
 * earns one window, or a quarter of one if less than a quarter of the pages was used.
 *
 * Called by ahead.c. Pure: no globals, no allocation.
 */
#ifndef RM_BUDGET_H
#define RM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_PAGE_NS 4000             /* between two pages on a fast wire */
#define BUDGET_WINDOW_MIN 16
#define BUDGET_WINDOW_MAX 256
#define BUDGET_TRIPS 64                 /* windows of initial credit */
#define BUDGET_MAX (1 << 18)            /* pages: 1 GiB */

struct budget {                         /* all 0 at first */
	uint64_t trip_ns;               /* the shortest round trip lately; 0: there was none */
	uint64_t credit;                /* pages that may still be fetched; at most BUDGET_MAX */
	uint64_t spent, used;           /* pages that were fetched on credit, and those used */
};

/* Record the duration of a small read. The first call grants the initial credit. */
void budget_trip(struct budget *budget, uint64_t ns);
/* How many pages may be under way at a time: a fault's read waits behind them. */
uint64_t budget_window(const struct budget *budget);
void budget_spend(struct budget *budget, uint64_t pages);
void budget_used(struct budget *budget, uint64_t pages);
/* A thread waits for a page that was queued, and not fetched yet. */
void budget_missed(struct budget *budget);

#endif
