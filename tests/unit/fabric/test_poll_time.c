/* SPDX-License-Identifier: BSD-2-Clause */
/* test_spin - polling lasts as long as is worth it */
#include "../unit.h"

#include "../../../src/daemon/fabric/poll_time.h"

#define US 1000

static uint64_t now;

static uint64_t after(struct spin *spin, uint64_t gap)
{
	now += gap;
	return spin_until(spin, now) - now;
}

START_TEST(quick_ones_are_met)
{
	struct spin spin = { 0 };

	now = 1;
	ck_assert_uint_eq(after(&spin, 1000), SPIN_START_NS);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_ge(after(&spin, 40 * US), 40 * US);
	after(&spin, 120 * US);                 /* just missed: from now on they are met */
	ck_assert_uint_ge(after(&spin, 120 * US), 120 * US);
	ck_assert_uint_le(after(&spin, 150 * US), SPIN_MAX_NS);
}
END_TEST

START_TEST(late_ones_are_not_waited_for)
{
	struct spin spin = { 0 };
	uint64_t spent = 0;

	now = 1;
	for (int i = 0; i < 1000; i++)
		spent += after(&spin, 1000 * US);
	ck_assert_uint_eq(spin.limit_ns, 0);
	ck_assert_uint_lt(spent, 4 * SPIN_START_NS);
	/* a burst after that is polled for again */
	after(&spin, 30 * US);
	ck_assert_uint_ge(after(&spin, 30 * US), 30 * US);
}
END_TEST

/* A burst every now and then, as the next one that waits does: it costs little in between. */
START_TEST(now_and_then)
{
	struct spin spin = { 0 };
	uint64_t spent = 0;

	now = 1;
	for (int i = 0; i < 100; i++) {
		spent += after(&spin, 10000 * US);
		for (int j = 0; j < 3; j++)
			spent += after(&spin, 20 * US);
	}
	ck_assert_uint_le(spent, 100 * 4 * SPIN_MAX_NS);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ quick_ones_are_met, 0 }, { late_ones_are_not_waited_for, 0 }, { now_and_then, 0 },
	};

	return unit_run("spin", tests, COUNT(tests));
}
