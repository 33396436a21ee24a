/* SPDX-License-Identifier: BSD-2-Clause */
/* test_huge - 2 MiB pages of memory files: made, with their content, and refused */
#include "../../smaps.h"
#include "../unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "huge.h"
#include "layout.h"

#define LENGTH (4 * RM_HUGE)

static char *map;
static int fd;

/* Map a file of `size` bytes at a multiple of RM_HUGE plus `shift`. */
static void map_file(uint64_t size, uint64_t shift)
{
	char *room = mmap(NULL, LENGTH + RM_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_ptr_ne(room, MAP_FAILED);
	map = (char *)rm_huge_up((uintptr_t)room) + shift;
	ck_assert_ptr_eq(mmap(map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), map);
}

static bool refused(void)
{
	int error = rm_huge_probe();

	if (error)
		printf("skipped: this kernel makes no huge page now (%s)\n", strerror(-error));
	return error != 0;
}

START_TEST(rounding)
{
	ck_assert_uint_eq(rm_huge_down(RM_HUGE - 1), 0);
	ck_assert_uint_eq(rm_huge_down(RM_HUGE), RM_HUGE);
	ck_assert_uint_eq(rm_huge_up(0), 0);
	ck_assert_uint_eq(rm_huge_up(1), RM_HUGE);
	ck_assert_uint_eq(rm_huge_up(RM_HUGE), RM_HUGE);
}
END_TEST

START_TEST(empty)
{
	if (refused())
		return;
	map_file(LENGTH, 0);
	ck_assert_int_eq(rm_huge_make(map, LENGTH, false), 0);
	ck_assert_uint_eq(smaps_huge_kb("", ""), LENGTH / 1024);
	for (uint64_t i = 0; i < LENGTH; i += RM_PAGE)
		ck_assert_int_eq(map[i], 0);
}
END_TEST

START_TEST(content_stays)
{
	if (refused())
		return;
	map_file(LENGTH, 0);
	for (uint64_t i = 0; i < LENGTH; i += 3 * RM_PAGE)
		memset(map + i, (int)(i / RM_PAGE % 251) + 1, RM_PAGE);
	ck_assert_int_eq(rm_huge_make(map + RM_HUGE, 2 * RM_HUGE, true), 0);
	ck_assert_uint_eq(smaps_huge_kb("", ""), 2 * RM_HUGE / 1024);
	for (uint64_t i = 0; i < LENGTH; i += RM_PAGE) {
		ck_assert_int_eq((unsigned char)map[i], i / RM_PAGE % 3 ? 0 : i / RM_PAGE % 251 + 1);
		ck_assert(!memcmp(map + i, map + i + 1, RM_PAGE - 1));
	}
}
END_TEST

/* Whoever maps the file privately gets huge pages, too, and a write copies one page of 4 KiB. */
START_TEST(private_mapping)
{
	unsigned long before;

	if (refused())
		return;
	map_file(LENGTH, 0);
	ck_assert_int_eq(rm_huge_make(map, LENGTH, false), 0);
	ck_assert_ptr_eq(mmap(map, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0),
	                 map);
	for (uint64_t i = 0; i < LENGTH; i += RM_HUGE)
		ck_assert_int_eq(*(volatile char *)(map + i), 0);
	before = smaps_huge_kb("", "");
	ck_assert_uint_eq(before, LENGTH / 1024);
	*(volatile char *)(map + RM_PAGE) = 1;
	ck_assert_uint_eq(smaps_huge_kb("", ""), before - RM_HUGE / 1024);
}
END_TEST

START_TEST(refusals)
{
	map_file(LENGTH - RM_PAGE, 0);          /* the file does not cover the last 2 MiB */
	ck_assert_int_lt(rm_huge_make(map, LENGTH, true), 0);
	map_file(LENGTH, RM_PAGE);              /* address and offset are not congruent */
	ck_assert_int_lt(rm_huge_make((char *)rm_huge_up((uintptr_t)map), RM_HUGE, false), 0);
	map_file(LENGTH, 0);                    /* no page is there */
	ck_assert_int_lt(rm_huge_make(map, RM_HUGE, true), 0);
	ck_assert_uint_eq(smaps_huge_kb("", ""), 0);
}
END_TEST

/* Not by the signal SIGXFSZ, which would end `rmmap info`. */
START_TEST(file_size_limit)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = RM_HUGE - 1;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(rm_huge_probe(), -EFBIG);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ rounding, 0 }, { empty, 0 }, { content_stays, 0 }, { private_mapping, 0 },
		{ refusals, 0 }, { file_size_limit, 0 },
	};

	return unit_run("huge", tests, COUNT(tests));
}
