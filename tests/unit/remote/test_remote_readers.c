/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_remote_readers - who may read another host's publication, and who goes on when it is
 * unpublished, its host is gone, or a new worker takes over
 */
#include "remote_steps.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static struct fake_record *record_of_remote(struct fake_record *records)
{
	while (records->record.type != RECORD_REMOTE)
		records++;
	return records;
}

struct answers {
	struct answer one[4];
};

/* Attachments first to last at the same time, and the errors that they get. */
static void attach_some(struct answers *answers, unsigned first, unsigned last)
{
	unsigned which;

	*answers = (struct answers){ 0 };
	for (which = first; which <= last; which++)
		remote_attach(fake.remotes, &fake.attachment[which], &fake.handle, 0, attached,
		              &answers->one[which]);
	for (which = first; which <= last; which++)
		while (!answers->one[which].called)
			fake_run(PATIENCE_MS);
}

static unsigned count_errors(const struct answers *answers, int error)
{
	unsigned which, n = 0;

	for (which = 0; which < 4; which++)
		n += answers->one[which].called && answers->one[which].error == error;
	return n;
}

START_TEST(secrets)
{
	struct answer good = { 0 }, bad = { 0 };
	struct rm_handle wrong = fake.handle;

	wrong.secret[31] ^= 1;
	/* while the host is being asked each asks for itself */
	remote_attach(fake.remotes, &fake.attachment[0], &wrong, 0, attached, &bad);
	remote_attach(fake.remotes, &fake.attachment[1], &fake.handle, 0, attached, &good);
	ck_assert_uint_eq(fake.attaches, 2);
	while (!good.called || !bad.called)
		fake_run(PATIENCE_MS);
	ck_assert_int_eq(good.error, 0);
	ck_assert_int_eq(bad.error, -EACCES);
	ck_assert_ptr_null(bad.remote);
	/* later it is known: no question */
	bad.called = false;
	remote_attach(fake.remotes, &fake.attachment[2], &wrong, 0, attached, &bad);
	ck_assert(!bad.called);
	fake_run(PATIENCE_MS);
	ck_assert(bad.called);
	ck_assert_int_eq(bad.error, -EACCES);
	ck_assert_uint_eq(fake.attaches, 2);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
	ck_assert_ptr_null(fake.attachment[2].remote);
}
END_TEST

START_TEST(host_says_no)
{
	struct answer answer;

	fake.attach_error = -ENOENT;
	answer = attach(0, true, PATIENCE_MS);
	ck_assert(answer.called);
	ck_assert_int_eq(answer.error, -ENOENT);
	ck_assert_str_eq(answer.why, "the fake host says no");
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	fake.attach_error = 0;
	fake.skip_regions = 1;
	answer = attach(0, true, PATIENCE_MS);
	ck_assert_int_eq(answer.error, -EPROTO);
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	fake.skip_regions = 0;
	attach_well(0, true);
}
END_TEST

START_TEST(each_reader_is_admitted)
{
	struct answers answers;

	fake.readers_left = 2;          /* and the one that the first attach is for */
	attach_some(&answers, 0, 3);
	ck_assert_uint_eq(count_errors(&answers, 0), 3);
	ck_assert_uint_eq(count_errors(&answers, -ENOENT), 1);
	ck_assert_uint_eq(fake.attaches, 1);
	ck_assert_uint_eq(fake.admits, 2);      /* together, and the one who is left */
	ck_assert(!fake.earlier);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
}
END_TEST

START_TEST(unpublished)
{
	struct remote *remote = attach_well(0, false);
	struct answer answer;
	struct wait a;

	fake.admit_error = -ENOENT;
	answer = attach(1, true, PATIENCE_MS);
	ck_assert(answer.called);
	ck_assert_int_eq(answer.error, -ENOENT);
	ck_assert_str_eq(answer.why, "the fake host admits nobody");
	ck_assert_ptr_null(fake.attachment[1].remote);
	fetch(remote, &a, 2, 100, 600);         /* the first one goes on */
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error, 0);
	/* One who does not wait for the answer. */
	fake.admit_error = 0;
	memset(&answer, 0, sizeof answer);
	remote_attach(fake.remotes, &fake.attachment[1], &fake.handle, 0, attached, &answer);
	remote_detach(&fake.attachment[1]);
	fake_run(50);
	ck_assert(!answer.called);
	attach_well(2, true);
}
END_TEST

START_TEST(origin_is_gone)
{
	struct remote *remote = attach_well(0, true);
	struct answers answers;

	fake.no_answer = true;
	attach_some(&answers, 1, 2);
	ck_assert_uint_eq(count_errors(&answers, -EHOSTUNREACH), 2);
	check_all(remote);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
	/* Lost, but complete: nothing new from its cache either. */
	fake.no_answer = false;
	fake.attach_error = -EHOSTUNREACH;
	remote = restart();
	attach_some(&answers, 1, 2);
	ck_assert_uint_eq(count_errors(&answers, -EHOSTUNREACH), 2);
	check_all(remote);
}
END_TEST

START_TEST(new_worker)
{
	struct remote *remote = attach_well(0, false);
	uint64_t before, first, second;
	struct wait a, b;

	fetch(remote, &b, 0, 0, 256);
	fetch(remote, &a, 2, 900, 300);
	while (!a.called || !b.called)
		fake_run(PATIENCE_MS);
	before = fake.read_bytes;
	first = remote_generation(remote);
	ck_assert(remote_shares(remote, 0, first) && remote_shares(remote, 2, first));
	remote = restart();
	/* layer 0 was complete, and stays the file that it was */
	second = remote_generation(remote);
	ck_assert_uint_gt(second, first);
	ck_assert(remote_shares(remote, 0, first) && !remote_shares(remote, 2, first));
	ck_assert(remote_shares(remote, 2, second));
	check_pages(remote, 0, 0, 256);
	check_pages(remote, 2, 900, 1200);
	ck_assert(!remote_present(remote, 2, 899));
	fake_run(50);
	ck_assert_uint_eq(fake.attaches, 2);    /* by itself: the lease */
	fetch(remote, &a, 2, 0, 2000);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error, 0);
	check_pages(remote, 2, 0, 2000);
	ck_assert_uint_eq(fake.read_bytes - before, 1700 * RM_PAGE);
	ck_assert_ptr_eq(attach_well(1, true), remote);
	check_all(remote);
	/* complete: the next worker needs neither copies nor the other host, a new reader does */
	remote = restart();
	ck_assert(remote_shares(remote, 2, second) && !remote_shares(remote, 2, first));
	ck_assert(remote_shares(remote, 0, first));
	before = fake.attaches;
	check_all(remote);
	fake_run(50);
	ck_assert_uint_eq(fake.attaches, before);
	attach_well(1, true);
	ck_assert_uint_eq(fake.attaches, before + 1);
	ck_assert(fake.earlier);
	ck_assert_uint_eq(fake.admits, 2);
}
END_TEST

/* A worker ended between its own record and the end of the one that it had found. */
START_TEST(two_records)
{
	struct remote *remote = attach_well(0, false);
	struct fake_record saved[FAKE_RECORDS], *earlier;
	uint64_t origin = remote_origin(remote), second;
	struct wait a;
	unsigned i;

	memcpy(saved, fake.records, sizeof saved);
	earlier = record_of_remote(saved);
	for (i = 0; i < earlier->record.count; i++)
		earlier->fds[i] = dup(earlier->fds[i]);
	remote = restart();
	fetch(remote, &a, 2, 0, 100);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error, 0);
	second = remote_generation(remote);
	saved[FAKE_RECORDS - 1] = *record_of_remote(fake.records);
	remote = restart_with(saved);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
	ck_assert_uint_eq(remote_origin(remote), origin);
	ck_assert_ptr_eq(remotes_find_origin(fake.remotes, origin), remote);
	ck_assert_uint_gt(remote_generation(remote), second);
	check_pages(remote, 2, 0, 100);
	for (i = 0, a.called = 0; i < FAKE_RECORDS; i++)
		a.called += fake.records[i].record.type == RECORD_REMOTE;
	ck_assert_uint_eq(a.called, 1);
}
END_TEST

START_TEST(new_worker_before_the_answer)
{
	struct remote *remote = attach_well(0, false);
	struct wait a;

	remote = restart();
	fetch(remote, &a, 2, 0, 2000);          /* no session yet: held until there is one */
	ck_assert_uint_eq(a.called, 0);
	fake_run(PATIENCE_MS);
	ck_assert_uint_eq(a.called, 1);
	ck_assert_int_eq(a.error, 0);
	ck_assert_uint_eq(fake.attaches, 2);
}
END_TEST

/* The other host's 1, 2 2/3 and 40 MiB of data; in all: */
#define ALL_BYTES ((256 + 683 + 10240) * RM_PAGE)

START_TEST(over_the_limit)
{
	struct limit *limit = &fake.context.limit;
	struct answer answer;
	struct remote *remote;
	struct wait wait;

	fake.context.options.huge = RM_HUGE_OFF;        /* each page counts by itself */
	fake.context.options.limit = ALL_BYTES - RM_PAGE;
	answer = attach(0, true, PATIENCE_MS);
	ck_assert_int_eq(answer.error, -ENOSPC);
	ck_assert_ptr_nonnull(strstr(answer.why, "RMMAP_LIMIT"));
	ck_assert_uint_eq(fake.reads, 0);
	ck_assert_uint_eq(limit->caches, 0);

	/* lazily: as far as it goes, and no further; what was read counts while it is attached */
	remote = attach_well(0, false);
	fetch(remote, &wait, 2, 0, 10240);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	fetch(remote, &wait, 1, 0, 1024);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	ck_assert_uint_eq(limit->caches, (10240 + 683) * RM_PAGE);
	fetch(remote, &wait, 0, 0, 255);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	fetch(remote, &wait, 0, 255, 1);
	ck_assert_uint_eq(wait.called, 1);
	ck_assert_int_eq(wait.error, -ENOSPC);
	ck_assert(!remote_present(remote, 0, 255));
	answer = attach(1, false, PATIENCE_MS);
	ck_assert_int_eq(answer.error, -ENOSPC);
	remote_detach(&fake.attachment[0]);
	ck_assert_uint_eq(limit->caches, 0);
	ck_assert_uint_eq(limit->promised, 0);

	fake.context.options.limit += RM_PAGE;
	check_all(attach_well(0, true));
	ck_assert_uint_eq(limit->caches, ALL_BYTES);
	ck_assert_uint_eq(limit->promised, 0);
}
END_TEST

/* Pages that could not be read, and those of who gave up, are not counted for ever. */
START_TEST(failed_pages_are_not_held)
{
	struct limit *limit = &fake.context.limit;
	struct answer answer = { 0 };
	struct remote *remote;
	struct wait wait;

	fake.context.options.huge = RM_HUGE_OFF;        /* each page counts by itself */
	remote = attach_well(0, false);
	fake.context.options.limit = ALL_BYTES;
	fake.fail_reads = UINT_MAX;
	fetch(remote, &wait, 0, 0, 16);
	fake_run(PATIENCE_MS);
	ck_assert_int_lt(wait.error, 0);
	ck_assert_uint_eq(limit->caches, 0);
	fake.fail_reads = 0;
	fake.hang = true;
	remote_attach(fake.remotes, &fake.attachment[1], &fake.handle, UINT64_MAX, attached, &answer);
	fake_run(20);
	ck_assert(!answer.called);
	ck_assert_uint_eq(limit->caches, ALL_BYTES);
	ck_assert_uint_gt(limit->promised, 0);
	remote_detach(&fake.attachment[1]);
	ck_assert_uint_eq(limit->promised, 0);
	ck_assert_uint_lt(limit->caches, ALL_BYTES);
	for (int n = 0; n < 1000 && fake.queued; n++)
		fake_run(50);                   /* reads that are under way free what they need */
}
END_TEST

/* After a restart: complete, and its process has not come back. */
START_TEST(unattached_gives_way)
{
	struct answer answer;

	check_all(attach_well(0, true));
	restore();
	ck_assert_uint_eq(fake.context.limit.caches, ALL_BYTES);
	fake.context.options.limit = ALL_BYTES;
	/* it would be joined: another one is wanted */
	fake.handle.id[0] ^= 1;
	answer = attach(1, true, PATIENCE_MS);
	ck_assert_int_eq(answer.error, 0);
	check_all(answer.remote);
	ck_assert_uint_eq(fake.context.limit.caches, ALL_BYTES);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("remote readers");
	TCase *tests = tcase_create("remote readers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, fake_open, fake_close);
	tcase_add_test(tests, secrets);
	tcase_add_test(tests, host_says_no);
	tcase_add_test(tests, each_reader_is_admitted);
	tcase_add_test(tests, unpublished);
	tcase_add_test(tests, origin_is_gone);
	tcase_add_test(tests, new_worker);
	tcase_add_test(tests, two_records);
	tcase_add_test(tests, new_worker_before_the_answer);
	tcase_add_test(tests, over_the_limit);
	tcase_add_test(tests, failed_pages_are_not_held);
	tcase_add_test(tests, unattached_gives_way);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
