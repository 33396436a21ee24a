/* SPDX-License-Identifier: BSD-2-Clause */
/* budget.c - see budget.h. Any thread; does not allocate. */
#include "budget.h"

static void budget_earn(struct budget *budget, uint64_t pages)
{
	budget->credit += pages;
	if (budget->credit > BUDGET_MAX)
		budget->credit = BUDGET_MAX;
}

/*
 * The shortest read counts. A longer one waited behind other reads, and a window that grew with
 * it would make the next one longer still. The value rises slowly, in case the network is slower
 * now.
 */
void budget_trip(struct budget *budget, uint64_t ns)
{
	bool first = !budget->trip_ns;

	if (first || ns < budget->trip_ns)
		budget->trip_ns = ns ? ns : 1;
	else
		budget->trip_ns += (ns - budget->trip_ns) / 64;
	if (first)
		budget_earn(budget, BUDGET_TRIPS * budget_window(budget));
}

uint64_t budget_window(const struct budget *budget)
{
	uint64_t pages = budget->trip_ns / BUDGET_PAGE_NS;

	if (pages < BUDGET_WINDOW_MIN)
		return BUDGET_WINDOW_MIN;
	return pages < BUDGET_WINDOW_MAX ? pages : BUDGET_WINDOW_MAX;
}

void budget_spend(struct budget *budget, uint64_t pages)
{
	budget->spent += pages;
	budget->credit -= pages < budget->credit ? pages : budget->credit;
}

void budget_used(struct budget *budget, uint64_t pages)
{
	budget->used += pages;
	budget_earn(budget, 2 * pages);
}

void budget_missed(struct budget *budget)
{
	uint64_t window = budget_window(budget);

	if (!budget->trip_ns)
		return;
	budget_earn(budget, budget->used >= budget->spent / 4 ? window : window / 4);
}
