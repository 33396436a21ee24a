/* SPDX-License-Identifier: BSD-2-Clause */
/* test_store_restart - what a restart brings back, and for whom it waits */
#include <errno.h>

#include "channel.h"
#include "store_steps.h"

/* A host that had it before a restart is given time to come back, by local readers too. */
START_TEST(readers_come_back)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	keep();
	restart();
	p = find(1);
	store_readmit(p, 1);
	store_release(p, false);
	run(20);
	ck_assert_ptr_eq(find(1), p);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
}
END_TEST

/* A worker that died between an attachment's record and the publication's: it is counted once. */
START_TEST(readers_not_recorded)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	keep();
	restart();
	p = find(1);
	ck_assert_uint_eq(p->admitted, 1);
	store_readmit(p, 1);
	store_readmit(p, 2);
	ck_assert_uint_eq(p->admitted, 2);
	ck_assert_uint_eq(p->attached, 2);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), -ENOENT);
}
END_TEST

START_TEST(restart_brings_back)
{
	struct publication *p;
	unsigned fds;

	setup();
	ck_assert_int_eq(add(1, 3, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(2, 0, 200, &p), 0);
	ck_assert_int_eq(add(4, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(4), false, false), 0);
	store_unpublish(p);
	keep();
	fds = open_fds();
	restart();
	ck_assert_uint_le(open_fds(), fds);
	ck_assert_uint_eq(store_count(store), 3);
	p = find(1);
	ck_assert_uint_eq(p->admitted, 1);
	ck_assert_uint_eq(p->terms.readers, 3);
	ck_assert_uint_eq(p->publisher_pid, 42);
	ck_assert_uint_eq(p->attached, 0);
	store_readmit(p, 1);
	ck_assert_uint_eq(p->attached, 1);
	ck_assert_uint_eq(p->admitted, 1);
	run(300);
	ck_assert_ptr_null(find(2));            /* its lease went on */
	ck_assert_ptr_null(find(4));            /* nobody came back for it */
	ck_assert_ptr_nonnull(find(1));
}
END_TEST

/* Another host had it: its time to come back is not begun anew by each death. */
START_TEST(restart_waits_once)
{
	struct publication *p;
	uint64_t until, now = rm_now_ns();

	setup();
	ck_assert_int_eq(add(1, 0, 100, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	restart();
	p = find(1);
	until = p->lease.at;
	ck_assert_uint_ge(until, now + 60000 * MS);
	run(20);
	restart();
	ck_assert_uint_eq(find(1)->lease.at, until);
	/* a reader of this host is there for a while, and a worker dies meanwhile */
	store_readmit(find(1), 0);
	restart();
	store_readmit(find(1), 0);
	ck_assert_uint_eq(find(1)->lease.index, 0);
	store_release(find(1), false);
	ck_assert_uint_eq(find(1)->lease.at, until);
	/* it comes back, and the next death is one that it has to notice anew */
	ck_assert_int_eq(store_admit(find(1), secret(1), true, true), 0);
	store_admitted(find(1));
	run(20);
	restart();
	p = find(1);
	ck_assert_uint_gt(p->lease.at, until);
	/* unpublished, it stays for who may come back; revoked, it does not */
	until = p->lease.at;
	store_unpublish(p);
	restart();
	p = find(1);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->lease.at, until);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), -ENOENT);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
	restart();
	store_revoke(find(1));
	ck_assert_ptr_null(find(1));
}
END_TEST

/* All its readers were admitted, it is for ever, and the one that had it never comes back. */
START_TEST(restart_and_nobody_comes)
{
	struct publication *p;
	uint64_t now = rm_now_ns();

	setup();
	ck_assert_int_eq(add(1, 1, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(2, 1, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(2), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(3, 0, UINT32_MAX, &p), 0);
	restart();
	ck_assert_uint_gt(find(1)->lease.index, 0);
	ck_assert_uint_ge(find(1)->lease.at, now + 60000 * MS);
	ck_assert_uint_eq(find(3)->lease.index, 0);
	run(20);
	ck_assert_ptr_null(find(2));
	ck_assert_uint_eq(store_count(store), 2);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ readers_come_back, 0 }, { readers_not_recorded, 0 }, { restart_brings_back, 0 },
		{ restart_waits_once, 0 }, { restart_and_nobody_comes, 0 },
	};

	return unit_run("store_restart", tests, COUNT(tests));
}
