/* SPDX-License-Identifier: BSD-2-Clause */
/* test_own - what the library has for itself: memory, descriptors, and what it knows of the program */
#include "../../../src/lib/publish/publish.h"
#include "../unit.h"         /* check.h has a macro fail() of its own */

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

START_TEST(arrays)
{
	struct array array = { .item = 24 };

	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t *item = array_add(&array);

		ck_assert_ptr_nonnull(item);
		ck_assert(!item[0] && !item[1] && !item[2]);
		item[0] = item[2] = i;
	}
	ck_assert_uint_eq(array.count, 10000);
	for (uint64_t i = 0; i < 10000; i++) {
		ck_assert_uint_eq(((uint64_t *)array.data)[3 * i], i);
		ck_assert_uint_eq(((uint64_t *)array.data)[3 * i + 2], i);
	}
	array_remove(&array, 7);
	ck_assert_uint_eq(((uint64_t *)array.data)[3 * 7], 9999);
	array_remove(&array, 9998);
	ck_assert_uint_eq(array.count, 9998);
	((uint64_t *)array.data)[3 * 9998] = 1;
	ck_assert_uint_eq(*(uint64_t *)array_add(&array), 0);
	array_free(&array);
	ck_assert_uint_eq(array.count, 0);
	ck_assert_ptr_nonnull(array_add(&array));
	array_free(&array);
}
END_TEST

START_TEST(large_items)
{
	struct array array = { .item = 100000 };
	char *first = array_add(&array);

	first[99999] = 1;
	ck_assert_ptr_nonnull(array_add(&array));
	ck_assert_int_eq(((char *)array.data)[99999], 1);
	array_free(&array);
}
END_TEST

START_TEST(pages)
{
	char *p = own_pages(3 << 20);

	ck_assert_ptr_nonnull(p);
	ck_assert(!rm_in_window((uintptr_t)p));
	ck_assert_int_eq(p[(3 << 20) - 1], 0);
	own_pages_free(p, 3 << 20);
	own_pages_free(NULL, 4096);
	p = own_pages(100);             /* a page that is kept is all zeros for the next one */
	ck_assert_ptr_nonnull(p);
	memset(p, 7, 100);
	own_pages_free(p, 100);
	for (int i = 0; i < 100; i++) {
		char *q = own_pages(4096);

		ck_assert_ptr_nonnull(q);
		for (int at = 0; at < 4096; at++)
			ck_assert_int_eq(q[at], 0);
		memset(q, 7, 4096);
	}
	ck_assert_ptr_null(own_pages((size_t)1 << 60));
}
END_TEST

START_TEST(descriptors)
{
	struct fd_mark mark;
	struct rlimit limit;
	int fd;

	fd = fd_raise(open("/dev/null", O_RDONLY));
	ck_assert_int_ge(fd, 96);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fd_mark(&mark, fd);
	ck_assert(fd_still(&mark));
	dup2(1, fd);
	ck_assert(!fd_still(&mark));
	close(fd);
	ck_assert(!fd_still(&mark));
	fd_mark(&mark, -1);
	ck_assert(!fd_still(&mark));

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 40;
	setrlimit(RLIMIT_NOFILE, &limit);
	fd = fd_raise(open("/dev/null", O_RDONLY));
	ck_assert_int_ge(fd, 30);
	while (dup(1) >= 0)
		;
	ck_assert_int_eq(fd_raise(fd), -EMFILE);
}
END_TEST

START_TEST(imports)
{
	ck_assert(env_imports("getrlimit"));           /* this program does */
	ck_assert(!env_imports("env_imports"));         /* its own */
	ck_assert(!env_imports("rmmap_publish"));
	ck_assert(!env_imports("no_such_symbol"));
	ck_assert(!policy_publishes());
	ck_assert(!malloc_uses_heap());
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ arrays, 0 }, { large_items, 0 }, { pages, 0 }, { descriptors, 0 }, { imports, 0 },
	};

	return unit_run("own", tests, COUNT(tests));
}
