/* SPDX-License-Identifier: BSD-2-Clause */
/* test_poll_time - polling lasts as long as is worth it */
#include "../unit.h"

#include "../../../src/daemon/fabric/poll_time.h"

#define US 1000

static uint64_t now;

static uint64_t after(struct poll_time *poll_time, uint64_t gap)
{
	now += gap;
	return poll_time_until(poll_time, now) - now;
}

START_TEST(quick_ones_are_met)
{
	struct poll_time poll_time = { 0 };

	now = 1;
	ck_assert_uint_eq(after(&poll_time, 1000), POLL_TIME_START_NS);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_ge(after(&poll_time, 40 * US), 40 * US);
	after(&poll_time, 120 * US);                 /* just missed: from now on they are met */
	ck_assert_uint_ge(after(&poll_time, 120 * US), 120 * US);
	ck_assert_uint_le(after(&poll_time, 150 * US), POLL_TIME_MAX_NS);
}
END_TEST

START_TEST(late_ones_are_not_waited_for)
{
	struct poll_time poll_time = { 0 };
	uint64_t spent = 0;

	now = 1;
	for (int i = 0; i < 1000; i++)
		spent += after(&poll_time, 1000 * US);
	ck_assert_uint_eq(poll_time.limit_ns, 0);
	ck_assert_uint_lt(spent, 4 * POLL_TIME_START_NS);
	/* a burst after that is polled for again */
	after(&poll_time, 30 * US);
	ck_assert_uint_ge(after(&poll_time, 30 * US), 30 * US);
}
END_TEST

/* A burst every now and then, as the next one that waits does: it costs little in between. */
START_TEST(now_and_then)
{
	struct poll_time poll_time = { 0 };
	uint64_t spent = 0;

	now = 1;
	for (int i = 0; i < 100; i++) {
		spent += after(&poll_time, 10000 * US);
		for (int j = 0; j < 3; j++)
			spent += after(&poll_time, 20 * US);
	}
	ck_assert_uint_le(spent, 100 * 4 * POLL_TIME_MAX_NS);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ quick_ones_are_met, 0 }, { late_ones_are_not_waited_for, 0 }, { now_and_then, 0 },
	};

	return unit_run("poll_time", tests, COUNT(tests));
}
