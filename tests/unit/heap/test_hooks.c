/* SPDX-License-Identifier: BSD-2-Clause */
/* test_hooks - extents grow upward through a slot, around what is in the way, and after fork anew */
#include "../../../src/lib/publish/publish.h"
#include "../../../src/lib/heap/jemalloc.h"
#include "../../../src/lib/heap/retained.h"
#include "../../../src/lib/publish/internal.h"
#include "../unit.h"         /* check.h has a macro fail() of its own */

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static char *extent(void *at, size_t size, size_t alignment)
{
	bool zero = false, commit = true;
	char *p = hooks.alloc(&hooks, at, size, alignment, &zero, &commit, 1);

	if (p) {
		ck_assert(zero && commit);
		ck_assert_uint_eq((uintptr_t)p % alignment, 0);
		ck_assert(rm_in_window((uintptr_t)p) && rm_in_window((uintptr_t)p + size - 1));
		ck_assert_int_eq(hooks_state(p), SLOT_OWN);
		ck_assert_int_eq(hooks_state(p + size - 1), SLOT_OWN);
		ck_assert(heap_owns(p) && heap_owns(p + size - 1) && !heap_owns(p + size));
	}
	return p;
}

static unsigned slot(const void *p)
{
	return rm_slot_of((uintptr_t)p);
}

START_TEST(grows)
{
	uint64_t bytes, peak, extents;
	struct heap_range range[2];
	char *first = extent(NULL, 2 * MIB, 4096), *next;

	ck_assert_uint_eq((uintptr_t)first % (2 * MIB), 0);
	ck_assert_uint_lt((uintptr_t)first - rm_slot_base(slot(first)), RM_SLOT_SIZE / 2 + 1);
	ck_assert_ptr_eq(extent(NULL, 4096, 4096), first + 2 * MIB);
	next = extent(NULL, 3 * MIB, 2 * MIB);
	ck_assert_ptr_eq(next, first + 4 * MIB);
	ck_assert_ptr_eq(extent(next + 3 * MIB, MIB, 4096), next + 3 * MIB);
	ck_assert_ptr_null(extent(next + 3 * MIB, MIB, 4096));
	ck_assert_ptr_null(extent(next + 5 * MIB, MIB, 4096));
	ck_assert_uint_eq(hooks_ranges(range, 2), 1);
	ck_assert_uint_eq(range[0].base, (uintptr_t)first);
	ck_assert_uint_eq(range[0].top, (uintptr_t)first + 8 * MIB);
	hooks_stats(&bytes, &peak, &extents);
	ck_assert_uint_eq(bytes, 8 * MIB);
	ck_assert_uint_eq(peak, 8 * MIB);
	ck_assert_uint_eq(extents, 4);
}
END_TEST

/* As attached memory does, in this process's own slot. */
START_TEST(steps_over)
{
	struct heap_range range[4];
	char *first = extent(NULL, 2 * MIB, 4096), *second, *third;
	size_t length = _i ? 5 * GIB : 4096;
	char *other = mmap(first + 3 * MIB, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
	                   MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	ck_assert_ptr_eq(other, first + 3 * MIB);
	ck_assert_ptr_null(extent(first + 2 * MIB, 4 * MIB, 4096));
	errno = 77;
	second = extent(NULL, 4 * MIB, 4096);
	ck_assert_int_eq(errno, 77);
	ck_assert_ptr_nonnull(second);
	ck_assert_uint_eq(slot(second), slot(first));
	ck_assert(second >= other + length && second <= other + 2 * length + 8 * MIB);
	third = extent(NULL, 4 * MIB, 4096);
	ck_assert_ptr_eq(third, second + 4 * MIB);
	ck_assert_int_eq(hooks_state(other), SLOT_FREE);
	ck_assert_int_eq(hooks_state(other + length - 1), SLOT_FREE);
	ck_assert(!heap_owns(other) && !heap_owns(first));
	ck_assert_int_eq(hooks_state(first), SLOT_OWN);
	ck_assert_uint_eq(hooks_ranges(range, 1), 2);
	ck_assert_uint_eq(hooks_ranges(range, 4), 2);
	ck_assert_uint_eq(range[0].base, (uintptr_t)first);
	ck_assert_uint_eq(range[0].top, (uintptr_t)first + 2 * MIB);
	ck_assert_uint_eq(range[1].base, (uintptr_t)second);
	ck_assert_uint_eq(range[1].top, (uintptr_t)second + 8 * MIB);
}
END_TEST

START_TEST(next_slot)
{
	char *first = extent(NULL, 40 * GIB, 4096), *second = extent(NULL, 40 * GIB, 4096);
	char *whole;

	ck_assert(first && second);
	ck_assert_uint_ne(slot(first), slot(second));
	ck_assert_int_eq(hooks_state(first), SLOT_OWN);
	ck_assert_int_eq(slot_states[slot(first)], SLOT_OWN);
	ck_assert_ptr_null(extent(NULL, 64 * GIB + 4096, 4096));
	whole = extent(NULL, 64 * GIB, 4096);
	ck_assert_uint_eq((uintptr_t)whole, rm_slot_base(slot(whole)));
}
END_TEST

START_TEST(after_fork)
{
	struct heap_range range[3];
	char *mine = extent(NULL, 2 * MIB, 4096), *fresh;
	uint32_t parents;
	int status;
	pid_t pid;

	mine[0] = 5;
	ck_assert_uint_eq(hooks_ranges(range, 3), 1);
	parents = range[0].heap;
	pid = fork();
	if (pid) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		ck_assert_ptr_eq(extent(NULL, MIB, 4096), mine + 2 * MIB);
		return;
	}
	/* heap_child() did what is for programs that do not publish: nothing is common */
	ck_assert_uint_eq(hooks_ranges(range, 3), 1);
	ck_assert_uint_ne(range[0].heap, parents);
	parents = range[0].heap;
	slot_child();           /* and this is what it does for those that do */
	hooks_forked(true);
	ck_assert_int_eq(hooks_state(mine), SLOT_INHERITED);
	ck_assert(!heap_owns(mine) && mine[0] == 5);
	ck_assert_ptr_null(extent(mine + 2 * MIB, MIB, 4096));
	fresh = extent(NULL, MIB, 4096);
	ck_assert_uint_ne(slot(fresh), slot(mine));
	ck_assert_uint_eq(hooks_ranges(range, 3), 2);
	ck_assert(range[0].base < range[1].base);
	for (int i = 0; i < 2; i++)
		ck_assert((range[i].heap == parents) == (range[i].base == (uintptr_t)mine));
	_exit(0);
}
END_TEST

START_TEST(purges)
{
	char *p = extent(NULL, 4 * MIB, 4096);

	memset(p, 1, 4 * MIB);
	errno = 77;
	ck_assert(!hooks.decommit(&hooks, p, 4 * MIB, MIB, MIB, 1));
	ck_assert(!hooks.purge_lazy(&hooks, p, 4 * MIB, 3 * MIB, MIB, 1));
	ck_assert(p[0] == 1 && p[MIB] == 0 && p[2 * MIB - 1] == 0 && p[2 * MIB] == 1);
	ck_assert_int_eq(errno, 77);
	ck_assert(!hooks.split(&hooks, p, 4 * MIB, MIB, 3 * MIB, true, 1));
	ck_assert(!hooks.merge(&hooks, p, MIB, p + MIB, MIB, true, 1));
	ck_assert(!hooks.dalloc);
}
END_TEST

/* In place of the clock: what is kept is so for a second, however slow this machine is. */
uint64_t __wrap_rm_now_ns(void);
static uint64_t now_ns = 5000000000;

uint64_t __wrap_rm_now_ns(void)
{
	return now_ns;
}

static void decommit(char *p, size_t size)
{
	ck_assert(!hooks.decommit(&hooks, p, size, 0, size, 1));
}

static void commit_zeros(char *p, size_t size)
{
	ck_assert(!hooks.commit(&hooks, p, size, 0, size, 1));
	for (size_t i = 0; i < size; i += 512)
		ck_assert_int_eq(p[i], 0);
	memset(p, 1, size);
}

/* Given back until it stays: the second time. */
static void keep(char *p, size_t size)
{
	uint64_t before = retained_bytes;

	for (int i = 0; i < 50; i++) {
		memset(p, 1, size);
		decommit(p, size);
		if (retained_bytes > before)
			return;
		commit_zeros(p, size);
	}
	ck_abort_msg("nothing is kept");
}

static int add_bytes(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	(void)zeros;
	*(size_t *)arg += end - start;
	return 0;
}

/* What takes memory: not the kernel's page of zeros, which was read. */
static size_t resident(const char *p, size_t size)
{
	size_t bytes = 0;
	const struct scan_to to = { .run = add_bytes, .arg = &bytes };

	ck_assert(!scan(SCAN_PRIVATE, (uintptr_t)p, size, &to));
	return bytes;
}

/* Not before Linux 6.7. */
static bool tells_zeros(void)
{
	volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                        -1, 0);

	ck_assert(p != MAP_FAILED && !*p);
	return !resident((const char *)p, 4096);
}

/*
 * What is given back a second time stays until it, or as much elsewhere, is used again; it
 * reads as zeros then, whatever part of it is taken.
 */
START_TEST(keeps)
{
	char *p = extent(NULL, 64 * MIB, 4096), *q = p + 32 * MIB;

	memset(p, 1, 40 * MIB);
	decommit(p, 16 * MIB);
	ck_assert_uint_eq(resident(p, 16 * MIB), 0);
	keep(p, 16 * MIB);
	ck_assert_uint_eq(resident(p, 16 * MIB), 16 * MIB);
	ck_assert_uint_eq(retained_bytes, 16 * MIB);
	commit_zeros(p + 4 * MIB, 8 * MIB);
	ck_assert_uint_eq(retained_bytes, 8 * MIB);
	commit_zeros(p, 4 * MIB);
	commit_zeros(p + 12 * MIB, 4 * MIB);
	ck_assert_uint_eq(retained_bytes, 0);

	keep(p, 16 * MIB);
	commit_zeros(q + 8 * MIB, 6 * MIB);
	ck_assert_uint_eq(retained_bytes, 10 * MIB);
	ck_assert_uint_eq(resident(p, 16 * MIB), 10 * MIB);
	commit_zeros(p, 16 * MIB);
	ck_assert_uint_eq(retained_bytes, 0);

	/* used for a part only: what is untouched would be there as well */
	for (int i = 0; i < 3; i++) {
		decommit(q, 32 * MIB);
		ck_assert_uint_eq(retained_bytes, 0);
		ck_assert(!hooks.commit(&hooks, q, 32 * MIB, 0, 32 * MIB, 1));
		memset(q, 1, 27 * MIB);
	}
	/* what the kernel took meanwhile is not made anew */
	keep(q, 32 * MIB);
	ck_assert_uint_eq(retained_bytes, 32 * MIB);
	ck_assert(!madvise(q + MIB, 30 * MIB, MADV_DONTNEED));
	ck_assert(!hooks.commit(&hooks, q, 32 * MIB, 0, 32 * MIB, 1));
	if (tells_zeros())
		ck_assert_uint_eq(resident(q, 32 * MIB), 2 * MIB);
	for (size_t i = 0; i < 32 * MIB; i += 4096)
		ck_assert_int_eq(q[i], 0);
}
END_TEST

/* In however many pieces, and for as long as the next that happens after a second. */
START_TEST(keeps_for_a_while)
{
	char *p = extent(NULL, 1024 * MIB, 4096);

	for (int i = 0; i < 2 * RETAINED_MAX; i++) {
		for (int k = 0; k < 2; k++) {
			memset(p + i * 16 * MIB, 1, 8 * MIB);
			decommit(p + i * 16 * MIB, 8 * MIB);
		}
		ck_assert_uint_le(retained_bytes, RETAINED_MAX * 8 * MIB);
	}
	/* holes in all of them: more pieces than there is room for */
	for (int i = 0; i < 2 * RETAINED_MAX; i++)
		commit_zeros(p + i * 16 * MIB + 3 * MIB, MIB);
	for (int i = 0; i < 2 * RETAINED_MAX; i++) {
		commit_zeros(p + i * 16 * MIB, 3 * MIB);
		commit_zeros(p + i * 16 * MIB + 4 * MIB, 4 * MIB);
	}
	ck_assert_uint_eq(retained_bytes, 0);
	keep(p, 8 * MIB);
	now_ns += 1001000000;
	decommit(p + 512 * MIB, 4096);
	ck_assert_uint_eq(retained_bytes, 0);
	ck_assert_uint_eq(resident(p, 8 * MIB), 0);
}
END_TEST

/* Address space that cannot be had is refused, and the next request is served in the same slot. */
START_TEST(no_memory)
{
	struct rlimit limit, none;
	char *first = extent(NULL, 2 * MIB, 4096);

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	none = limit;
	none.rlim_cur = 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	ck_assert_ptr_null(extent(NULL, 2 * MIB, 4096));
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_ptr_eq(extent(NULL, 2 * MIB, 4096), first + 2 * MIB);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ grows, 0 }, { steps_over, 2 }, { next_slot, 0 }, { after_fork, 0 }, { purges, 0 },
		{ keeps, 0 }, { keeps_for_a_while, 0 }, { no_memory, 0 },
	};

	return unit_run("hooks", tests, COUNT(tests));
}
