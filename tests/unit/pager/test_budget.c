/* SPDX-License-Identifier: BSD-2-Clause */
/* test_budget - trust: begun by a round trip, spent by pages, earned by their use */
#include "../unit.h"

#include "../../../src/daemon/pager/budget.h"

#define US 1000

START_TEST(nothing_before_a_round_trip)
{
	struct budget b = { 0 };

	ck_assert_uint_eq(b.credit, 0);
	budget_missed(&b);
	ck_assert_uint_eq(b.credit, 0);
	budget_trip(&b, 100 * US);
	ck_assert_uint_eq(b.credit, BUDGET_TRIPS * 25);
}
END_TEST

START_TEST(window_is_what_comes_in_a_round_trip)
{
	struct budget b = { 0 };

	budget_trip(&b, 10 * US);
	ck_assert_uint_eq(budget_window(&b), BUDGET_WINDOW_MIN);
	b = (struct budget){ 0 };
	budget_trip(&b, 400 * US);
	ck_assert_uint_eq(budget_window(&b), 100);
	b = (struct budget){ 0 };
	budget_trip(&b, 100000 * US);
	ck_assert_uint_eq(budget_window(&b), BUDGET_WINDOW_MAX);
}
END_TEST

START_TEST(the_shortest_trip_counts)
{
	struct budget b = { 0 };

	budget_trip(&b, 1000 * US);
	budget_trip(&b, 200 * US);
	ck_assert_uint_eq(b.trip_ns, 200 * US);
	budget_trip(&b, 1000 * US);
	ck_assert_uint_lt(b.trip_ns, 220 * US);
	for (int i = 0; i < 1000; i++)
		budget_trip(&b, 1000 * US);
	ck_assert_uint_gt(b.trip_ns, 900 * US);
}
END_TEST

START_TEST(waste_ends_it)
{
	struct budget b = { 0 };

	budget_trip(&b, 50 * US);
	budget_spend(&b, b.credit - 1);
	ck_assert_uint_eq(b.credit, 1);
	budget_spend(&b, 64);
	ck_assert_uint_eq(b.credit, 0);
	budget_missed(&b);              /* nothing was used: a quarter of a window */
	ck_assert_uint_eq(b.credit, BUDGET_WINDOW_MIN / 4);
}
END_TEST

START_TEST(use_pays)
{
	struct budget b = { 0 };
	uint64_t fetched = 0;

	budget_trip(&b, 50 * US);
	/* all that is fetched is used: it never ends, and stays within its bounds */
	for (int i = 0; i < 100000; i++) {
		uint64_t n = b.credit < 64 ? b.credit : 64;

		ck_assert_uint_gt(n, 0);
		budget_spend(&b, n);
		budget_used(&b, n);
		fetched += n;
		ck_assert_uint_le(b.credit, BUDGET_MAX);
	}
	ck_assert_uint_eq(fetched, 6400000);
	budget_spend(&b, BUDGET_MAX);
	budget_missed(&b);
	ck_assert_uint_eq(b.credit, BUDGET_WINDOW_MIN);
}
END_TEST

/* One in ten is used: what may be fetched is a small multiple of what is used. */
START_TEST(little_use_pays_little)
{
	struct budget b = { 0 };
	uint64_t fetched = 0;

	budget_trip(&b, 50 * US);
	for (int i = 0; i < 10000; i++) {
		uint64_t n = b.credit < 10 ? b.credit : 10;

		budget_spend(&b, n);
		budget_used(&b, n / 10);
		fetched += n;
	}
	ck_assert_uint_lt(fetched, 2 * BUDGET_TRIPS * BUDGET_WINDOW_MIN);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ nothing_before_a_round_trip, 0 }, { window_is_what_comes_in_a_round_trip, 0 },
		{ the_shortest_trip_counts, 0 }, { waste_ends_it, 0 }, { use_pays, 0 },
		{ little_use_pays_little, 0 },
	};

	return unit_run("budget", tests, COUNT(tests));
}
