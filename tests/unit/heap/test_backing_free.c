/* SPDX-License-Identifier: BSD-2-Clause */
/* test_backing_free - frozen memory that is free: files that go, and fresh memory in their place */
#include "../../../src/lib/heap/chunks.h"
#include "backing_steps.h"

#include <stdio.h>
#include <unistd.h>

static int files(void)
{
	char path[64], name[64];
	int count = 0;

	for (int fd = 3; fd < 4096; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, name, sizeof(name) - 1);
		if (n <= 0)
			continue;
		name[n] = '\0';
		count += strstr(name, "rmmap-heap") != NULL;
	}
	return count;
}

/* What was frozen by a fork, and is free since, is held by nobody. */
START_TEST(given_back)
{
	char *p = shared(8 * MIB);
	uint8_t id[RM_ID_BYTES];
	uint32_t number;
	uint64_t length;
	int fd;

	frozen(2);
	ck_assert_int_eq(files(), 2);
	ck_assert(!backing_purge_forced((uintptr_t)p, 3 * MIB));
	ck_assert_int_eq(files(), 2);
	ck_assert(!backing_purge_forced((uintptr_t)p, 4 * MIB));
	ck_assert_int_eq(files(), 1);
	/* but for what a publish may be about to hand over */
	check_span(frozen(2) + 1, SPAN_FROZEN, p + 4 * MIB, 4 * MIB, false);
	number = ((const struct span *)spans.data)[1].file;
	ck_assert(backing_file(number, id, &length, &fd));
	ck_assert(!backing_purge_forced((uintptr_t)p + 4 * MIB, 4 * MIB));
	ck_assert_int_eq(files(), 1);
	ck_assert(filled(p, 0, 8 * MIB));
	/* and not for ever, if that publish failed */
	backing_file_left(number);
	ck_assert_int_eq(files(), 0);
}
END_TEST

/* Mark [from, to) of the heap as used, or as not used any more. */
static void use(const char *from, const char *to, bool used)
{
	uint64_t dirty[CHUNK_WORDS];

	hooks_lock();
	chunks_add_slot((uintptr_t)from);
	for (const char *at = from; at < to; at += RM_PAGE)
		if (used)
			chunk_use(chunk_at((uintptr_t)at), (uintptr_t)at, RM_PAGE, dirty);
		else
			chunk_free(chunk_at((uintptr_t)at), (uintptr_t)at, RM_PAGE);
	hooks_unlock();
}

/* A chunk of a frozen file goes when jemalloc uses nothing of it, and not before. */
START_TEST(left)
{
	char *p = shared(6 * MIB);      /* in two files */
	const struct span *s = frozen(2);

	use(p, p + 6 * MIB, true);
	check_span(&s[1], SPAN_FROZEN, p + 4 * MIB, 2 * MIB, true);
	use(p, p + 4 * MIB - RM_PAGE, false);
	backing_leave_unused();
	s = frozen(3);
	check_span(&s[0], SPAN_ANON, p, 2 * MIB, true);
	check_span(&s[1], SPAN_FROZEN, p + 2 * MIB, 2 * MIB, false);
	ck_assert(filled(p, 0, 2 * MIB));
	ck_assert(intact(p, 2 * MIB, 6 * MIB));
	use(p + 4 * MIB - RM_PAGE, p + 4 * MIB, false);
	backing_leave_unused();
	s = frozen(0);
	for (size_t i = 0; i + 1 < spans.count; i++)
		ck_assert_int_eq(s[i].kind, SPAN_ANON);
	check_span(&s[spans.count - 1], SPAN_FROZEN, p + 4 * MIB, 2 * MIB, false);
	ck_assert(filled(p, 0, 4 * MIB));
	/* in pieces, one of which is anonymous already, and in use */
	ck_assert(!backing_purge_forced((uintptr_t)p + 5 * MIB, 512 * KIB));
	memset(p + 5 * MIB, 'n', 512 * KIB);
	use(p + 4 * MIB, p + 5 * MIB, false);
	backing_leave_unused();
	s = frozen(0);
	ck_assert(filled(p + 4 * MIB, 0, MIB));
	ck_assert(intact(p, 5 * MIB + 512 * KIB, 6 * MIB));
	use(p + 5 * MIB + 512 * KIB, p + 6 * MIB, false);
	backing_leave_unused();
	s = frozen(0);
	for (size_t i = 0; i < spans.count; i++)
		ck_assert_int_eq(s[i].kind, SPAN_ANON);
	ck_assert(filled(p + 5 * MIB, 'n', 512 * KIB));
	ck_assert(filled(p + 5 * MIB + 512 * KIB, 0, 512 * KIB));
	ck_assert_int_eq(lines("memfd:rmmap-heap"), 0);
}
END_TEST

/* Free memory, whatever it was, becomes one new file; memory that is shared stays. */
START_TEST(renewed)
{
	char *p = shared(8 * MIB);      /* in two files */
	const struct span *s = frozen(2);

	ck_assert(!backing_purge_forced((uintptr_t)p + MIB, 512 * KIB));
	ck_assert_uint_eq(backing_renew((uintptr_t)p, 6 * MIB), 6 * MIB);
	ck_assert(backing_is_shared((uintptr_t)p, 6 * MIB));
	ck_assert(!backing_is_shared((uintptr_t)p, 6 * MIB + RM_PAGE));
	ck_assert(filled(p, 0, 6 * MIB));
	ck_assert(intact(p, 6 * MIB, 8 * MIB));
	memset(p, 'n', 6 * MIB);
	ck_assert_uint_eq(backing_renew((uintptr_t)p, 6 * MIB), 0);
	ck_assert_uint_eq(backing_renew((uintptr_t)p + 6 * MIB, MIB), 0);
	ck_assert(filled(p, 'n', 6 * MIB));
	s = frozen(2);
	check_span(&s[0], SPAN_FROZEN, p, 6 * MIB, true);
	check_span(&s[1], SPAN_FROZEN, p + 6 * MIB, 2 * MIB, false);
	file_of(s[0].file, 6 * MIB);
	ck_assert_uint_eq(backing_renew((uintptr_t)p + 6 * MIB, 64 * MIB), 2 * MIB);
	ck_assert(filled(p + 6 * MIB, 0, 2 * MIB));
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = { { given_back, 0 }, { left, 0 }, { renewed, 0 } };

	return unit_run("backing_free", tests, COUNT(tests));
}
