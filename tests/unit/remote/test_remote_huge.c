/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_remote_huge - caches in huge pages: which blocks, what they count for, and that nothing
 * changes where there are none
 */
#include "remote_steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/daemon/remote/cache.h"
#include "../../smaps.h"

/* The other host's layers have 1, 2 2/3 of 4, and 40 MiB of data. */
#define ALL_BYTES ((256 + 683 + 10240) * RM_PAGE)
#define DENSE_BLOCKS 20

static uint64_t huge_blocks(void)
{
	uint64_t refused;

	return remotes_huge(fake.remotes, &refused) / RM_HUGE;
}

static uint64_t refused_blocks(void)
{
	uint64_t refused;

	remotes_huge(fake.remotes, &refused);
	return refused;
}

static void bits_set(uint64_t *bits, uint64_t from, uint64_t count)
{
	for (; count; count--)
		rm_bit_set(bits, from++);
}

/* 700 pages of which 600 are data, and 90 of the second block. */
START_TEST(blocks)
{
	uint64_t data[16] = { 0 }, present[16] = { 0 }, huge[1] = { 0 };
	struct cache cache;
	struct stat st;

	bits_set(data, 0, 510);
	bits_set(data, 600, 90);
	ck_assert_int_eq(cache_make(&cache, 700 * RM_PAGE, data, present, huge, 90), 0);
	ck_assert_uint_eq(cache.mapped, 2 * RM_HUGE);
	ck_assert_uint_eq((uintptr_t)cache.map % RM_HUGE, 0);
	ck_assert(!fstat(cache.fd, &st) && (uint64_t)st.st_size == 2 * RM_HUGE);
	ck_assert_uint_eq(cache_block_data(&cache, 0), 510);
	ck_assert_uint_eq(cache_block_data(&cache, 1), 90);
	cache.map[3 * RM_PAGE] = 33;
	cache_mark_present(&cache, 3, 1);
	ck_assert_uint_eq(cache_small(&cache, 500, 20), 20);
	/* pages are being read; too few are data */
	cache_mark_inflight(&cache, 509, 1, true);
	ck_assert(!cache_block_fits(&cache, 0, 90));
	cache_mark_inflight(&cache, 509, 1, false);
	ck_assert(!cache_block_fits(&cache, 1, 91));
	ck_assert(cache_block_fits(&cache, 0, 90) && cache_block_fits(&cache, 1, 90));
	ck_assert_int_eq(cache_make_huge(&cache, 0), 0);
	ck_assert_int_eq(cache.map[3 * RM_PAGE], 33);
	ck_assert_uint_eq(cache.extra, 2);
	ck_assert_uint_eq(cache.unfilled, 509);
	ck_assert(cache_is_huge(&cache, 511) && !cache_is_huge(&cache, 512));
	ck_assert(!cache_block_fits(&cache, 0, 90));
	ck_assert_uint_eq(cache_small(&cache, 500, 20), 8);
	ck_assert(!cache_has(&cache, 4));       /* in the file, and absent all the same */
	ck_assert_int_eq(cache_make_huge(&cache, 1), 0);
	ck_assert_uint_eq(cache.extra, 2 + 422);
	cache_mark_present(&cache, 500, 10);
	cache_mark_present(&cache, 500, 10);
	ck_assert_uint_eq(cache.unfilled, 499 + 90);
	ck_assert_uint_eq(cache.huge_blocks, 2);
	ck_assert_uint_eq(smaps_huge_kb("rmmap-cache", ""), 4096);
	cache_drop(&cache, NULL);
	/* the second block is not dense: its file ends where the layer does */
	ck_assert_int_eq(cache_make(&cache, 700 * RM_PAGE, data, present, huge, 91), 0);
	ck_assert_uint_eq(cache.mapped, 700 * RM_PAGE);
	ck_assert(!cache_block_fits(&cache, 1, 1));
	cache_drop(&cache, NULL);
}
END_TEST

/* Copying many pages that are here already costs more than it gains. */
START_TEST(not_when_full)
{
	uint64_t data[8], present[8] = { 0 }, huge[1] = { 0 };
	struct cache cache;

	memset(data, 0xff, sizeof data);
	ck_assert_int_eq(cache_make(&cache, RM_HUGE, data, present, huge, 384), 0);
	cache_mark_present(&cache, 0, 64);
	ck_assert(cache_block_fits(&cache, 0, 384));
	cache_mark_present(&cache, 100, 1);
	ck_assert(!cache_block_fits(&cache, 0, 384));
	cache_drop(&cache, NULL);
}
END_TEST

START_TEST(eager)
{
	struct limit *limit = &fake.context.limit;

	check_all(attach_well(0, true));
	ck_assert_uint_eq(huge_blocks(), DENSE_BLOCKS);
	ck_assert_uint_eq(smaps_huge_kb("rmmap-cache", ""), DENSE_BLOCKS * 2048);
	ck_assert_uint_eq(limit->caches, ALL_BYTES);
	ck_assert_uint_eq(limit->promised, 0);
	remote_detach(&fake.attachment[0]);
	fake_run(1);
	ck_assert_uint_eq(limit->caches, 0);
	ck_assert_uint_eq(huge_blocks(), 0);
}
END_TEST

/* RMMAP_HUGE=on: all blocks, whatever memory their holes take; and that memory counts. */
START_TEST(on)
{
	struct limit *limit = &fake.context.limit;

	fake.context.options.huge = RM_HUGE_ON;
	check_all(attach_well(0, true));
	ck_assert_uint_eq(huge_blocks(), DENSE_BLOCKS + 3);
	ck_assert_uint_eq(limit->caches, (DENSE_BLOCKS + 3) * RM_HUGE);
	ck_assert_uint_eq(limit->promised, 0);
	remote_detach(&fake.attachment[0]);
	fake_run(1);
	ck_assert_uint_eq(limit->caches, 0);
}
END_TEST

START_TEST(off)
{
	fake.context.options.huge = RM_HUGE_OFF;
	check_all(attach_well(0, true));
	ck_assert_uint_eq(huge_blocks(), 0);
	ck_assert_uint_eq(smaps_huge_kb("rmmap-cache", ""), 0);
	ck_assert_uint_eq(fake.context.limit.caches, ALL_BYTES);
}
END_TEST

/* The kernel refuses: as if there were none, and it is counted. */
START_TEST(refused)
{
	ck_assert_int_eq(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	check_all(attach_well(0, true));
	ck_assert_uint_eq(huge_blocks(), 0);
	ck_assert_uint_ge(refused_blocks(), 1);
	ck_assert_uint_eq(fake.context.limit.caches, ALL_BYTES);
	ck_assert_uint_eq(fake.context.limit.promised, 0);
	remote_detach(&fake.attachment[0]);
	fake_run(1);
	ck_assert_uint_eq(fake.context.limit.caches, 0);
}
END_TEST

/* There is room for the data and for nothing else: no block whose holes would need more. */
START_TEST(within_the_limit)
{
	fake.context.options.huge = RM_HUGE_ON;
	fake.context.options.limit = ALL_BYTES;
	check_all(attach_well(0, true));
	ck_assert_uint_eq(huge_blocks(), DENSE_BLOCKS);
	ck_assert_uint_eq(fake.context.limit.caches, ALL_BYTES);
}
END_TEST

/* Made before it is filled: absent pages stay absent, and are not counted twice. */
START_TEST(lazy)
{
	struct limit *limit = &fake.context.limit;
	struct remote *remote = attach_well(0, false);
	uint64_t made = huge_blocks();
	struct wait wait;

	ck_assert_uint_ge(made, 1);
	ck_assert_uint_eq(limit->caches, made * RM_HUGE);
	ck_assert_uint_eq(fake.reads, 0);
	ck_assert(!remote_present(remote, 2, 0) && !remote_complete(remote));
	fetch(remote, &wait, 2, 0, 512);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	check_pages(remote, 2, 0, 512);
	ck_assert_uint_eq(limit->caches, made * RM_HUGE);
	/* pages that cannot be read stay allocated, and go with the block */
	fake.fail_reads = 1000;
	fetch(remote, &wait, 2, 512, 16);
	fake_run(PATIENCE_MS);
	ck_assert_int_lt(wait.error, 0);
	ck_assert_uint_eq(limit->caches, made * RM_HUGE);
	fake.fail_reads = 0;
	check_all(attach_well(1, true));
	ck_assert_uint_eq(limit->caches, ALL_BYTES);
	remote_detach(&fake.attachment[0]);
	remote_detach(&fake.attachment[1]);
	fake_run(1);
	ck_assert_uint_eq(limit->caches, 0);
}
END_TEST

/* What is not filled takes no more than a quarter of what may be held. */
START_TEST(lazy_budget)
{
	fake.context.options.limit = 32 * MIB;
	attach_well(0, false);
	ck_assert_uint_ge(huge_blocks(), 1);
	ck_assert_uint_le(huge_blocks(), 4);
	remote_detach(&fake.attachment[0]);
	fake.context.options.limit = 7 * MIB;   /* a quarter is less than a page of 2 MiB */
	attach_well(0, false);
	ck_assert_uint_eq(huge_blocks(), 0);
}
END_TEST

/* Who has it lazily maps the file with a userfaultfd: nothing more of it is made huge. */
START_TEST(not_while_registered)
{
	struct remote *remote;
	uint64_t made;

	fake.context.options.limit = 128 * MIB; /* 32 MiB of the 40 */
	remote = attach_well(0, false);
	fake.attachment[0].generation = remote_generation(remote);
	made = huge_blocks();
	ck_assert_uint_lt(made, DENSE_BLOCKS);
	fake.context.options.limit = 0;
	attach_well(1, false);
	ck_assert_uint_eq(huge_blocks(), made);
	check_all(attach_well(2, true));
	ck_assert_uint_eq(huge_blocks(), made);
}
END_TEST

/* A complete cache is the next worker's as it is; an incomplete one is copied into huge pages. */
START_TEST(next_worker)
{
	struct limit *limit = &fake.context.limit;
	struct remote *remote;
	struct wait wait;
	uint64_t made;

	fake.context.options.huge = RM_HUGE_ON;
	check_all(attach_well(0, true));
	check_all(restart());
	ck_assert_uint_eq(huge_blocks(), DENSE_BLOCKS + 3);
	ck_assert_uint_eq(limit->caches, (DENSE_BLOCKS + 3) * RM_HUGE);
	remote_detach(&fake.attachment[0]);
	fake_run(1);
	ck_assert_uint_eq(limit->caches, 0);

	fake.context.options.huge = RM_HUGE_AUTO;
	remote = attach_well(0, false);
	fetch(remote, &wait, 2, 500, 20);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	fetch(remote, &wait, 0, 0, 16);
	fake_run(PATIENCE_MS);
	remote = restart();
	made = huge_blocks();
	ck_assert_uint_eq(made, 2);             /* of which something is here */
	ck_assert_uint_eq(limit->caches, 2 * RM_HUGE + 16 * RM_PAGE);
	check_pages(remote, 2, 500, 520);
	check_pages(remote, 0, 0, 16);
	ck_assert(!remote_present(remote, 2, 499) && !remote_present(remote, 2, 520));
	fetch(remote, &wait, 2, 0, 1024);
	fake_run(PATIENCE_MS);
	ck_assert_int_eq(wait.error, 0);
	check_pages(remote, 2, 0, 1024);
	ck_assert_uint_eq(limit->caches, 2 * RM_HUGE + 16 * RM_PAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("remote huge");
	TCase *tests = tcase_create("remote huge");
	SRunner *runner = srunner_create(suite);
	int failed, error = rm_huge_probe();

	if (error) {
		fprintf(stderr, "test_remote_huge: skipped: the kernel makes no huge pages of memory "
		        "files: %s\n", strerror(-error));
		return 77;
	}
	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, fake_open, fake_close);
	tcase_add_test(tests, blocks);
	tcase_add_test(tests, not_when_full);
	tcase_add_test(tests, eager);
	tcase_add_test(tests, on);
	tcase_add_test(tests, off);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, within_the_limit);
	tcase_add_test(tests, lazy);
	tcase_add_test(tests, lazy_budget);
	tcase_add_test(tests, not_while_registered);
	tcase_add_test(tests, next_worker);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
