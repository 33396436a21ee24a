/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_remote - caches and fetching of another host's publication: nothing is fetched
 * twice, holes never, and failures are repeated and then told
 */
#include "remote_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../src/daemon/remote/cache.h"

START_TEST(bitmaps)
{
	uint64_t data[3] = { ~0ull, 0xf0, 1 }, present[3] = { 0 };
	struct cache cache;
	uint64_t start, count;

	ck_assert_int_eq(cache_make(&cache, 129 * RM_PAGE, data, present, NULL, 0), 0);
	ck_assert_uint_eq(cache.absent, 64 + 4 + 1);
	ck_assert(cache_has(&cache, 64));
	ck_assert(!cache_has(&cache, 68));
	ck_assert(cache_wanted(&cache, 0, 129, 1000, false, &start, &count));
	ck_assert_uint_eq(start, 0);
	ck_assert_uint_eq(count, 64);
	ck_assert(cache_wanted(&cache, 3, 129, 5, false, &start, &count));
	ck_assert_uint_eq(start, 3);
	ck_assert_uint_eq(count, 5);
	cache_mark_inflight(&cache, 60, 4, true);
	ck_assert(cache_wanted(&cache, 60, 129, 1000, false, &start, &count));
	ck_assert_uint_eq(start, 68);
	ck_assert_uint_eq(count, 4);
	ck_assert(cache_wanted(&cache, 0, 62, 1000, true, &start, &count));
	ck_assert_uint_eq(start, 60);
	ck_assert_uint_eq(count, 2);
	cache_mark_present(&cache, 62, 8);
	ck_assert_uint_eq(cache.absent, 62 + 2 + 1);
	ck_assert_uint_eq(cache_absent(&cache, 62, 129), 3);
	ck_assert(!cache_wanted(&cache, 62, 70, 1000, true, &start, &count));
	ck_assert(cache_wanted(&cache, 72, 129, 9, false, &start, &count));
	ck_assert_uint_eq(start, 128);
	cache_drop(&cache, NULL);
	ck_assert_int_eq(cache_make(&cache, 0, data, present, NULL, 0), -EPROTO);
	ck_assert_int_eq(cache_make(&cache, RM_LAYER_MAX + RM_PAGE, data, present, NULL, 0), -EPROTO);
}
END_TEST

START_TEST(only_the_worker_writes)
{
	struct remote *remote = attach_well(0, true);
	int fd = remote_layer_fd(remote, 0), again;
	char path[40], *map;

	ck_assert_ptr_eq(mmap(NULL, RM_PAGE, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	ck_assert_int_lt(pwrite(fd, "x", 1, 0), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	ck_assert_int_ge(again, 0);
	ck_assert_int_lt(pwrite(again, "x", 1, 0), 0);
	ck_assert_ptr_eq(mmap(NULL, RM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0),
	                 MAP_FAILED);
	ck_assert_int_ne(ftruncate(again, 0), 0);
	map = mmap(NULL, RM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	map[0] = 77;
	check_pages(remote, 0, 0, 1);
	munmap(map, RM_PAGE);
	close(again);
}
END_TEST

START_TEST(eager)
{
	uint64_t data = 1 * MIB + 4 * MIB / 3 * 2 + 40 * MIB;
	struct remote *remote;

	fake.delay_ns = 3000000;
	remote = attach_well(0, true);
	check_all(remote);
	ck_assert_uint_le(fake.read_bytes, data + 2 * RM_PAGE);
	ck_assert_uint_le(fake.queued_max, 32 * MIB);
	ck_assert_uint_ge(fake.queued_max, 8 * MIB);
	ck_assert_uint_eq(fake.counters.sum.fetched_bytes, fake.read_bytes);
	ck_assert_uint_eq(fake.counters.sum.reads, fake.reads);
	ck_assert_str_eq(fake.counters.sum.provider, "fake");
	/* the second one finds all of it */
	attach_well(1, true);
	ck_assert_uint_eq(fake.attaches, 1);
	ck_assert_uint_eq(fake.admits, 1);      /* its host counts it */
	ck_assert_uint_eq(fake.counters.sum.fetched_bytes, fake.read_bytes);
	remote_detach(&fake.attachment[0]);
	check_all(remote);
	remote_detach(&fake.attachment[1]);
	fake_run(1);
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	ck_assert_uint_eq(fake.detaches, 1);
	ck_assert_ptr_null(fake.attachment[1].remote);
}
END_TEST

/* Its pages come with the table: nothing is read, and each is counted. */
START_TEST(pages_come_along)
{
	uint64_t pages = 0, page;
	struct answer answer;
	uint8_t *data, *at;
	uint32_t i;

	for (i = 0; i < FAKE_LAYERS; i++)
		pages += fake.lengths[i] / RM_PAGE;
	data = at = malloc(pages * RM_PAGE);
	ck_assert_ptr_nonnull(data);
	for (i = 0, pages = 0; i < FAKE_LAYERS; i++) {
		for (page = 0; page < fake.lengths[i] / RM_PAGE; page++) {
			if (fake_hole(i, page))
				continue;
			memcpy(at, fake.source[i] + page * RM_PAGE, RM_PAGE);
			at += RM_PAGE;
			pages++;
		}
	}
	fake.data = data;
	fake.data_size = pages * RM_PAGE;
	check_all(attach_well(0, false));
	ck_assert_uint_eq(fake.reads, 0);
	ck_assert_uint_eq(fake.counters.sum.reads, 0);
	ck_assert_uint_eq(fake.counters.sum.fetched_pages, pages);
	attach_well(1, true);
	ck_assert(fake.reads == 0 && fake.attaches == 1 && fake.admits == 1);
	remote_detach(&fake.attachment[0]);
	remote_detach(&fake.attachment[1]);
	fake_run(1);
	/* more or less than the table says */
	fake.data_size -= RM_PAGE;
	answer = attach(2, false, 1000);
	ck_assert(answer.called);
	ck_assert_int_eq(answer.error, -EPROTO);
	fake.data = NULL;
	free(data);
}
END_TEST

/* Its host has room for a few regions at a time: keys are asked for, and no read fails. */
START_TEST(keys_take_turns)
{
	struct remote *remote;
	struct wait a, b;

	fake.region_bytes = 3 * MIB / 2;        /* 1 + 3 + 27 regions */
	fake.room = 4;
	fake.delay_ns = 2000000;
	remote = attach_well(0, false);
	fetch(remote, &b, 0, 10, 4);            /* the first region has its key */
	fetch(remote, &a, 2, 10, 4);            /* the fifth has none, and waits for that read */
	ck_assert(fake.reads == 1 && !fake.agains);
	while (!a.called || !b.called)
		fake_run(PATIENCE_MS);
	ck_assert(!a.error && !b.error && fake.agains == 1 && fake.reads == 2);
	remote_detach(&fake.attachment[0]);
	fake_run(1);
	remote = attach_well(1, true);
	check_all(remote);
	ck_assert_uint_eq(fake.failed, 0);
	ck_assert_uint_ge(fake.agains, 31 / 4);
}
END_TEST

/* And gives them to others in between: reads fail, and go on with fresh ones. */
START_TEST(keys_taken_away)
{
	struct remote *remote;
	struct wait wait;
	unsigned i;

	fake.region_bytes = 3 * MIB / 2;
	fake.room = 2;
	remote = attach_well(0, false);
	for (i = 0; i < 12; i++) {              /* more often than a read is tried */
		fake.delay_ns = 3000000;
		fetch(remote, &wait, 2, i * 512, 400);
		fake_run(2);
		fake_take_keys();
		while (!wait.called)
			fake_run(PATIENCE_MS);
		ck_assert_int_eq(wait.error, 0);
		check_pages(remote, 2, i * 512, i * 512 + 400);
	}
	ck_assert_uint_ge(fake.failed, 1);
	/* a host that gives none at all: it says so, or the page is given up */
	fake.no_answer = true;
	fake_take_keys();
	fetch(remote, &wait, 2, 9000, 4);
	while (!wait.called)
		fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, -ETIMEDOUT);
}
END_TEST

START_TEST(small_ones_come_whole)
{
	struct answer answer = { 0 };

	remote_attach(fake.remotes, &fake.attachment[0], &fake.handle, 64 * MIB, attached, &answer);
	fake_run(PATIENCE_MS);
	ck_assert(answer.called);
	check_all(answer.remote);
	remote_detach(&fake.attachment[0]);
	answer.called = false;
	remote_attach(fake.remotes, &fake.attachment[0], &fake.handle, 8 * MIB, attached, &answer);
	fake_run(PATIENCE_MS);
	ck_assert(answer.called);
	ck_assert(!remote_complete(answer.remote));
}
END_TEST

START_TEST(waiters_share)
{
	struct wait a, b, c;
	struct remote *remote;

	fake.region_bytes = 3 * MIB / 2;        /* pieces end where regions do */
	remote = attach_well(0, false);
	ck_assert(!remote_complete(remote));
	fake.delay_ns = 20000000;
	fetch(remote, &a, 2, 100, 600);
	ck_assert_uint_eq(fake.reads, 4);       /* up to 356, 384, 640, 700 */
	fetch(remote, &b, 2, 300, 500);         /* only what a has not asked for */
	ck_assert_uint_eq(fake.reads, 6);       /* up to 768, 800 */
	fetch(remote, &c, 2, 350, 1);
	ck_assert_uint_eq(fake.reads, 6);
	ck_assert_uint_eq(fake.read_bytes, 700 * RM_PAGE);
	while (!a.called || !b.called || !c.called)
		fake_run(PATIENCE_MS);
	ck_assert_uint_eq(a.called + b.called + c.called, 3);
	ck_assert_int_eq(a.error | b.error | c.error, 0);
	check_pages(remote, 2, 100, 800);
	ck_assert(!remote_present(remote, 2, 99));
	ck_assert(!remote_present(remote, 2, 800));
	/* what is here is settled at once */
	fetch(remote, &a, 2, 100, 700);
	ck_assert_uint_eq(a.called, 1);
	ck_assert_int_eq(a.error, 0);
	fetch(remote, &a, 1, 2, 1);             /* a hole */
	ck_assert_uint_eq(a.called, 1);
	ck_assert_uint_eq(fake.reads, 6);
	/* forgotten: never called */
	fetch(remote, &a, 2, 5000, 10);
	remote_forget(remote, &a.waiter);
	fake_run(50);
	ck_assert_uint_eq(a.called, 0);
	ck_assert(remote_present(remote, 2, 5000));
}
END_TEST

START_TEST(fresh_keys)
{
	struct remote *remote = attach_well(0, false);
	struct wait a, b;

	fake.key = 2;                           /* the other worker was replaced */
	fetch(remote, &a, 0, 0, 256);
	fetch(remote, &b, 2, 7, 1000);
	while (!a.called || !b.called)
		fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error | b.error, 0);
	ck_assert_uint_eq(fake.agains, 1);
	check_pages(remote, 0, 0, 256);
	check_pages(remote, 2, 7, 1007);
	fake.fail_reads = 2;
	fetch(remote, &a, 2, 3000, 512);
	fake_run(PATIENCE_MS);
	ck_assert_uint_eq(a.called, 1);
	ck_assert_int_eq(a.error, 0);
	fake.fail_reads = 1000;
	fetch(remote, &a, 2, 4000, 512);
	fake_run(PATIENCE_MS);
	ck_assert_uint_eq(a.called, 1);
	ck_assert_int_eq(a.error, -EIO);
	/* it may come back */
	fake.fail_reads = 0;
	fetch(remote, &a, 2, 4000, 512);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error, 0);
	check_pages(remote, 2, 4000, 4512);
}
END_TEST

START_TEST(silence)
{
	struct remote *remote = attach_well(0, false);
	struct wait a;

	fake.hang = fake.no_answer = true;
	fetch(remote, &a, 0, 0, 256);
	fake_run(PATIENCE_MS);
	ck_assert_uint_eq(a.called, 1);
	ck_assert_int_eq(a.error, -ETIMEDOUT);
}
END_TEST

START_TEST(gone_while_reading)
{
	struct remote *remote = attach_well(0, false);
	struct answer answer = { 0 };
	struct wait a;

	fake.delay_ns = 2000000000;
	fetch(remote, &a, 0, 0, 256);
	remote_forget(remote, &a.waiter);
	remote_detach(&fake.attachment[0]);
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	ck_assert_uint_eq(fake.detaches, 0);    /* reads must not meet closed keys */
	/* its memory stays until the reads are over; meanwhile it is another one that is asked */
	remote_attach(fake.remotes, &fake.attachment[1], &fake.handle, UINT64_MAX, attached, &answer);
	fake_run(50);
	ck_assert_uint_eq(fake.attaches, 2);
	remote_detach(&fake.attachment[1]);
	for (int i = 0; i < 1000 && fake.detaches < 2; i++)
		fake_run(50);
	ck_assert(!answer.called);
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	ck_assert_uint_eq(fake.detaches, 2);
}
END_TEST

/* Its memory waited for a read that was given up; it is freed once. */
START_TEST(end_while_dying)
{
	check_pages(attach_well(0, true), 0, 0, 10);
	fake.busy = true;
	remote_detach(&fake.attachment[0]);
	ck_assert_uint_eq(remotes_count(fake.remotes), 0);
	ck_assert_uint_eq(fake.detaches, 1);
	fake.busy = false;
	remotes_free(fake.remotes);
	fake.remotes = NULL;
}
END_TEST

START_TEST(lost)
{
	struct remote *remote = attach_well(0, false);
	struct answer answer;
	struct wait a, b;

	fetch(remote, &b, 0, 0, 10);
	fake_run(PATIENCE_MS);
	ck_assert(b.called && b.error == 0);
	fake.fail_reads = 1;
	fake.attach_error = -ENOENT;            /* to peer_again() too */
	fetch(remote, &a, 2, 0, 10);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(a.error, -ENOENT);
	ck_assert_str_eq(remote_why(remote), "the fake host says no");
	fetch(remote, &a, 2, 50, 10);
	ck_assert_uint_eq(a.called, 1);         /* at once */
	ck_assert_int_eq(a.error, -ENOENT);
	check_pages(remote, 0, 0, 10);
	answer = attach(1, false, PATIENCE_MS);        /* asks again */
	ck_assert_int_eq(answer.error, -ENOENT);
	ck_assert_uint_eq(fake.attaches, 2);
	fake.attach_error = 0;
	ck_assert_ptr_ne(attach_well(1, true), remote);
	remote_detach(&fake.attachment[0]);
	ck_assert_uint_eq(remotes_count(fake.remotes), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("remote");
	TCase *tests = tcase_create("remote");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, fake_open, fake_close);
	tcase_add_test(tests, bitmaps);
	tcase_add_test(tests, only_the_worker_writes);
	tcase_add_test(tests, eager);
	tcase_add_test(tests, pages_come_along);
	tcase_add_test(tests, keys_take_turns);
	tcase_add_test(tests, keys_taken_away);
	tcase_add_test(tests, small_ones_come_whole);
	tcase_add_test(tests, waiters_share);
	tcase_add_test(tests, fresh_keys);
	tcase_add_test(tests, silence);
	tcase_add_test(tests, gone_while_reading);
	tcase_add_test(tests, end_while_dying);
	tcase_add_test(tests, lost);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
