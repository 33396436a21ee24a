/* SPDX-License-Identifier: BSD-2-Clause */
/* test_say - our printf agrees with libc's wherever it promises to, and never writes beyond */
#include "../unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "say.h"

#define SAME(...) do { \
	char ours[200], libc[200]; \
	size_t n = rm_format(ours, sizeof(ours), __VA_ARGS__); \
	snprintf(libc, sizeof(libc), __VA_ARGS__); \
	ck_assert_str_eq(ours, libc); \
	ck_assert_uint_eq(n, strlen(libc)); \
} while (0)

START_TEST(numbers_as_libc)
{
	SAME("%d %d %d", 0, INT_MAX, INT_MIN);
	SAME("%ld %ld", LONG_MAX, LONG_MIN);
	SAME("%lld %lld", LLONG_MAX, LLONG_MIN);
	SAME("%u %lu %llu %zu", UINT_MAX, ULONG_MAX, ULLONG_MAX, SIZE_MAX);
	SAME("%x %lx %llx", 0xdeadbeefu, 0xfeedfacecafeul, ULLONG_MAX);
	SAME("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
	SAME("[%2d] [%1u] [%08x] [%-8x] [%016lx]", 12345, 0u, 0xabcu, 0xabcu, 1ul);
	SAME("%p", (void *)0x1234);
	SAME("%5d%%", 100);
}
END_TEST

START_TEST(texts_as_libc)
{
	SAME("plain");
	SAME("%s", "");
	SAME("[%s] [%6s] [%-6s] [%2s]", "abc", "abc", "abc", "abc");
	SAME("[%.*s] [%.*s] [%.*s]", 2, "abc", 0, "abc", 9, "abc");
	SAME("[%6.2s] [%-6.2s]", "abc", "abc");
	SAME("%c%c", 'a', 'z');
	SAME("%s %d %s %d %s", "a", 1, "b", 2, "c");
}
END_TEST

START_TEST(precision_bounds_the_read)
{
	char text[3] = { 'a', 'b', 'c' };       /* no NUL */
	char buf[16];

	ck_assert_uint_eq(rm_format(buf, sizeof(buf), "%.*s", 3, text), 3);
	ck_assert_str_eq(buf, "abc");
}
END_TEST

START_TEST(null_text)
{
	char buf[16];
	const char *volatile none = NULL;

	rm_format(buf, sizeof(buf), "%s", none);
	ck_assert_str_eq(buf, "(null)");
}
END_TEST

START_TEST(errno_on_entry)
{
	char buf[100];

	errno = ENOENT;
	rm_format(buf, sizeof(buf), "%d: %m", 7);
	ck_assert_str_eq(buf, "7: No such file or directory");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* Each size that is too small cuts, terminates and leaves the rest alone. */
START_TEST(cut_at_every_size)
{
	const char *whole = "abc  -42 000ff xyz";
	char buf[64];

	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		size_t n;

		memset(buf, '#', sizeof(buf));
		n = rm_format(buf, size, "%s %4d %05x %s", "abc", -42, 255u, "xyz");
		ck_assert_uint_eq(n, size - 1);
		ck_assert_mem_eq(buf, whole, n);
		ck_assert_int_eq(buf[n], 0);
		ck_assert_int_eq(buf[n + 1], '#');
	}
	memset(buf, '#', sizeof(buf));
	ck_assert_uint_eq(rm_format(buf, 0, "abc"), 0);
	ck_assert_int_eq(buf[0], '#');
}
END_TEST

/* Formats that nobody should write: no crash, no argument taken for what it is not. */
START_TEST(strange_formats)
{
	static const struct {
		const char *format, *want;
	} table[] = {
		{ "%", "%" }, { "abc%", "abc%" }, { "%5", "%5" }, { "%l", "%l" }, { "%-", "%-" },
		{ "%q and %s", "%q and %s" }, { "%.", "%." }, { "%%%", "%%" }, { "%n", "%n" },
	};
	char buf[64];

	for (size_t i = 0; i < COUNT(table); i++) {
		rm_format(buf, sizeof(buf), table[i].format, 1, 2, 3);
		ck_assert_str_eq(buf, table[i].want);
	}
}
END_TEST

START_TEST(absurd_width)
{
	char buf[16];
	const char *volatile format = "%99999999999999999999d";

	ck_assert_uint_eq(rm_format(buf, sizeof(buf), format, 1), sizeof(buf) - 1);
	ck_assert_str_eq(buf, "               ");
}
END_TEST

START_TEST(one_line_one_write)
{
	char big[4000], got[5000];
	int fds[2];
	ssize_t n;

	/* in packet mode each read returns one write */
	ck_assert_int_eq(pipe2(fds, O_DIRECT), 0);
	errno = EBUSY;
	rm_say_fd(fds[1], "%s: %d", "line", 1);
	ck_assert_int_eq(errno, EBUSY);
	n = read(fds[0], got, sizeof(got));
	ck_assert_int_eq(n, 8);
	ck_assert_mem_eq(got, "line: 1\n", 8);

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	rm_say_fd(fds[1], "%s", big);
	n = read(fds[0], got, sizeof(got));
	ck_assert_int_gt(n, 500);
	ck_assert_int_eq(got[n - 1], '\n');

	errno = EBUSY;
	rm_say_fd(-1, "nobody reads this");
	ck_assert_int_eq(errno, EBUSY);
}
END_TEST

START_TEST(errno_texts)
{
	ck_assert_str_eq(rm_errno_text(EACCES), "Permission denied");
	ck_assert_str_eq(rm_errno_text(-EACCES), "Permission denied");
	ck_assert_ptr_nonnull(rm_errno_text(0));
	ck_assert_ptr_nonnull(rm_errno_text(100000));
	ck_assert_ptr_nonnull(rm_errno_text(INT_MIN));
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ numbers_as_libc, 0 }, { texts_as_libc, 0 }, { precision_bounds_the_read, 0 },
		{ null_text, 0 }, { errno_on_entry, 0 }, { cut_at_every_size, 0 },
		{ strange_formats, 0 }, { absurd_width, 0 }, { one_line_one_write, 0 },
		{ errno_texts, 0 },
	};

	return unit_run("say", tests, COUNT(tests));
}
