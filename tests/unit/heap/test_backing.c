/* SPDX-License-Identifier: BSD-2-Clause */
/* test_backing - the heap's spans: files that are frozen, purged, lost, and what fork does to them */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backing_steps.h"

START_TEST(freezes)
{
	char *p = shared(4 * MIB), *q, *file;
	const struct span *s;
	uint8_t id[RM_ID_BYTES];
	uint64_t length;
	uint32_t number;
	int fd;

	ck_assert_int_eq(lines("rw-s"), 1);
	s = frozen(1);
	check_span(s, SPAN_FROZEN, p, 4 * MIB, true);
	number = s->file;
	ck_assert_uint_ne(number, 0);
	ck_assert_uint_eq(s->offset, 0);
	ck_assert_int_eq(lines("rw-s"), 0);
	fd = file_of(number, 4 * MIB);
	file = mapped(fd, 4 * MIB);
	ck_assert(intact(p, 0, 4 * MIB) && intact(file, 0, 4 * MIB));
	memset(p, 120, 2 * RM_PAGE);
	ck_assert(intact(file, 0, 4 * MIB) && filled(p, 120, 2 * RM_PAGE));

	/* what comes after it is a file of its own; what is known is not fresh any more */
	q = grow(p + 4 * MIB, MIB);
	ck_assert(filled(q, 0, MIB));
	q[5] = 5;
	s = frozen(2);
	check_span(&s[0], SPAN_FROZEN, p, 4 * MIB, false);
	check_span(&s[1], SPAN_FROZEN, q, MIB, true);
	ck_assert(s[1].file && s[1].file != number);
	ck_assert_int_eq(mapped(file_of(s[1].file, MIB), MIB)[5], 5);
	s = frozen(2);
	check_span(&s[1], SPAN_FROZEN, q, MIB, false);

	backing_file_close(number);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert(!backing_file(number, id, &length, &fd));
	check_span(frozen(2), SPAN_FROZEN, p, 4 * MIB, false);
	ck_assert(filled(p, 120, 2 * RM_PAGE) && intact(p, 2 * RM_PAGE, 4 * MIB));
	ck_assert(intact(file, 0, 4 * MIB));
}
END_TEST

/* Step by step into one file, and one step of several files, none above 64 MiB. */
START_TEST(grows)
{
	const struct span *s;
	char *p = shared(64 * KIB);
	uint64_t length = 0;

	for (size_t at = 64 * KIB; at < 4 * MIB; at += 64 * KIB)
		grow(p + at, 64 * KIB);
	ck_assert_int_eq(lines("rmmap-heap"), 1);
	grow(p + 4 * MIB, 1024 * MIB);
	p[1000 * MIB] = 3;
	s = frozen(0);
	ck_assert_uint_ge(spans.count, 16);
	for (size_t i = 0; i < spans.count; i++) {
		check_span(&s[i], SPAN_FROZEN, p + length, s[i].length, true);
		ck_assert_uint_le(s[i].length, 64 * MIB);
		file_of(s[i].file, s[i].length);
		length += s[i].length;
	}
	ck_assert_uint_eq(length, 1028 * MIB);
	ck_assert_uint_lt(spans.count, 24);
	ck_assert_int_eq(p[1000 * MIB], 3);
	ck_assert_int_eq(backing_map((uintptr_t)p + 64 * MIB, MIB, HEAP), -EEXIST);
}
END_TEST

START_TEST(purges_shared)
{
	char *p = shared(4 * MIB);
	const struct span *s;
	struct stat before, after;
	int fd;

	/* looked at only afterwards: a read of a hole fills it */
	ck_assert(!backing_purge_forced((uintptr_t)p + MIB, MIB));
	s = frozen(1);
	check_span(s, SPAN_FROZEN, p, 4 * MIB, true);
	fd = file_of(s->file, 4 * MIB);
	ck_assert_int_eq(fstat(fd, &before), 0);
	ck_assert_uint_eq((size_t)before.st_blocks * 512, 3 * MIB);
	/* and after it the file keeps all that it had */
	ck_assert(!backing_purge_forced((uintptr_t)p + 3 * MIB, MIB));
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(before.st_blocks, after.st_blocks);
	ck_assert(filled(p + MIB, 0, MIB) && filled(p + 3 * MIB, 0, MIB));
	ck_assert(intact(p, 0, MIB) && intact(p, 2 * MIB, 3 * MIB));
}
END_TEST

START_TEST(purges_frozen)
{
	char *p = shared(4 * MIB);
	const struct span *s;
	char *file;

	s = frozen(1);
	file = mapped(file_of(s->file, 4 * MIB), 4 * MIB);
	memset(p, 111, 128 * KIB);
	/* small: no zeros, and lazily what the file has */
	ck_assert(backing_purge_forced((uintptr_t)p, 128 * KIB));
	ck_assert(!backing_purge_lazy((uintptr_t)p, 128 * KIB));
	ck_assert(intact(p, 0, 4 * MIB));
	/* large: zeros, of which nothing is known */
	ck_assert(!backing_purge_forced((uintptr_t)p + MIB, 2 * MIB));
	ck_assert(filled(p + MIB, 0, 2 * MIB) && intact(file, 0, 4 * MIB));
	ck_assert(intact(p, 0, MIB) && intact(p, 3 * MIB, 4 * MIB));
	memset(p + 2 * MIB, 9, 64 * KIB);
	ck_assert(!backing_purge_forced((uintptr_t)p + MIB, 2 * MIB));
	ck_assert(filled(p + MIB, 0, 2 * MIB));
	s = frozen(3);
	check_span(&s[0], SPAN_FROZEN, p, MIB, false);
	check_span(&s[1], SPAN_ANON, p + MIB, 2 * MIB, true);
	check_span(&s[2], SPAN_FROZEN, p + 3 * MIB, MIB, false);
	ck_assert_uint_eq(s[2].offset, 3 * MIB);
	ck_assert_uint_eq(s[2].file, s[0].file);
	/* once a publish knows what was there, zeros that nobody wrote would be missed in small */
	memset(p + MIB, 8, 2 * MIB);
	ck_assert(backing_purge_forced((uintptr_t)p + MIB, 128 * KIB));
	ck_assert(!backing_purge_lazy((uintptr_t)p + MIB, 2 * MIB));
	ck_assert(filled(p + MIB, 0, 2 * MIB));
	/* over three spans, one of them too small for it */
	ck_assert(backing_purge_forced((uintptr_t)p + MIB - 64 * KIB, 3 * MIB));
	ck_assert(intact(p, 0, MIB));
	ck_assert(filled(p + 3 * MIB, 0, MIB - 64 * KIB));
}
END_TEST

/* Not more than some 8,192 spans, whatever comes back in pieces. */
START_TEST(purges_bounded)
{
	char *p;
	int refused = 0;

	backing_init(true, true);
	p = grow(base(), 8192 * MIB);
	for (size_t at = 0; at < 8192 * MIB; at += MIB)
		p[at] = 1;
	frozen(0);
	for (size_t at = 0; at < 8192 * MIB; at += MIB) {
		bool no = backing_purge_forced((uintptr_t)p + at, 512 * KIB);

		ck_assert_int_eq(p[at], no);
		refused += no;
	}
	ck_assert_int_gt(refused, 2000);
	frozen(0);
	ck_assert_uint_lt(spans.count, 8192 + 16);
}
END_TEST

START_TEST(purges_anon)
{
	const struct span *s;
	char *p;

	backing_init(false, true);
	p = grow(base(), 4 * MIB);
	memset(p, 1, 4 * MIB);
	ck_assert(!backing_purge_forced((uintptr_t)p, MIB));
	ck_assert(filled(p, 0, MIB) && filled(p + MIB, 1, 3 * MIB));
	check_span(frozen(1), SPAN_ANON, p, 4 * MIB, true);
	/* small: no zeros; large: as new, so that the next publish knows nothing of it */
	ck_assert(backing_purge_forced((uintptr_t)p + MIB, 128 * KIB));
	ck_assert(!backing_purge_lazy((uintptr_t)p + MIB, 128 * KIB));
	memset(p + MIB, 2, MIB);
	ck_assert(!backing_purge_forced((uintptr_t)p + MIB, MIB));
	ck_assert(filled(p + MIB, 0, MIB) && filled(p + 2 * MIB, 1, 2 * MIB));
	s = frozen(3);
	check_span(&s[0], SPAN_ANON, p, MIB, false);
	check_span(&s[1], SPAN_ANON, p + MIB, MIB, true);
	check_span(&s[2], SPAN_ANON, p + 2 * MIB, 2 * MIB, false);
	frozen(1);
	ck_assert_int_eq(lines("rmmap-heap"), 0);
}
END_TEST

/* A page that is pinned cannot be sealed: its file is no layer, and all goes on. */
START_TEST(pinned)
{
	char *p = shared(4 * MIB), got[RM_PAGE];
	struct iovec page = { p + 8 * RM_PAGE, RM_PAGE };
	const struct span *s;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(vmsplice(ends[1], &page, 1, 0), RM_PAGE);
	s = frozen(1);
	check_span(s, SPAN_FROZEN, p, 4 * MIB, true);
	ck_assert_uint_eq(s->file, 0);
	ck_assert(intact(p, 0, 4 * MIB));
	memset(p, 99, RM_PAGE);
	ck_assert_int_eq(read(ends[0], got, RM_PAGE), RM_PAGE);
	ck_assert(filled(got, 9, RM_PAGE));
	grow(p + 4 * MIB, MIB);
	s = frozen(2);
	check_span(&s[1], SPAN_FROZEN, p + 4 * MIB, MIB, true);
	file_of(s[1].file, MIB);
}
END_TEST

/* The program closed all it did not know: what is shared stays so, and what comes is new. */
START_TEST(closed)
{
	char *p = shared(2 * MIB);
	const struct span *s;
	uint8_t id[RM_ID_BYTES];
	uint64_t length;
	int fd;

	close_all();
	grow(p + 2 * MIB, MIB);
	p[2 * MIB] = 77;
	s = frozen(2);
	check_span(&s[0], SPAN_SHARED, p, 2 * MIB, true);
	check_span(&s[1], SPAN_FROZEN, p + 2 * MIB, MIB, true);
	ck_assert(!backing_purge_forced((uintptr_t)p, MIB));
	ck_assert(filled(p, 0, MIB) && intact(p, MIB, 2 * MIB));
	/* and another file under the number is left alone */
	close_all();
	for (fd = 3; fd < 1200; fd++)
		dup2(2, fd);
	ck_assert(!backing_file(s[1].file, id, &length, &fd));
	backing_file_close(s[1].file);
	ck_assert_int_ge(fcntl(1000, F_GETFD), 0);
	check_span(frozen(2), SPAN_SHARED, p, 2 * MIB, false);
	ck_assert(intact(p, MIB, 2 * MIB));
}
END_TEST

static void anonymous(void)
{
	char *p;

	backing_init(true, true);
	p = grow(base(), 8 * MIB);
	memset(p, 5, 8 * MIB);
	check_span(frozen(1), SPAN_ANON, p, 8 * MIB, true);
}

START_TEST(no_descriptor)
{
	while (dup(2) >= 0)
		;
	anonymous();
}
END_TEST

/* The kernel would raise SIGXFSZ. */
START_TEST(small_files)
{
	struct rlimit limit = { 1 * MIB, 1 * MIB };

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	anonymous();
}
END_TEST

START_TEST(no_memfd)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (_i ? EPERM : ENOSYS)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(filter), filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	anonymous();
}
END_TEST

/* A quarter of what the program may have open is the most that the heap takes. */
START_TEST(few_descriptors)
{
	struct rlimit limit;
	int files = 0;
	char *p;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	backing_init(true, true);
	for (p = base(); p < base() + 200 * MIB; p += 4 * MIB) {
		grow(p, 4 * MIB);
		p[0] = 1;
		frozen(0);
	}
	for (size_t i = 0; i < spans.count; i++)
		files += ((const struct span *)spans.data)[i].kind == SPAN_FROZEN;
	ck_assert_int_eq(files, 16);
	/* what rmmapd has does not count */
	backing_file_close(((const struct span *)spans.data)[0].file);
	grow(p, MIB);
	frozen(0);
	ck_assert_int_eq(((const struct span *)spans.data)[spans.count - 1].kind, SPAN_FROZEN);
}
END_TEST

static int wait_for(pid_t pid)
{
	int status;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Both have it as it was, and neither sees what the other writes; descriptors there or not. */
START_TEST(forks)
{
	char *p = shared(4 * MIB), go = 0;
	int ends[2], descriptors = 0;
	pid_t pid;

	if (_i)
		close_all();
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		if (lines("rw-s") || !intact(p, 0, 4 * MIB))
			_exit(1);
		memset(p, 33, 2 * MIB);
		if (read(ends[0], &go, 1) != 1 || !intact(p, 3 * MIB, 4 * MIB))
			_exit(2);
		/* what it takes from now on may be frozen again */
		backing_map((uintptr_t)p + 16 * MIB, MIB, HEAP + 1);
		p[16 * MIB] = 4;
		frozen(0);
		_exit(((const struct span *)spans.data)[spans.count - 1].kind ==
		      SPAN_FROZEN ? 0 : 3);
	}
	memset(p + 3 * MIB, 44, MIB);
	ck_assert_int_eq(write(ends[1], &go, 1), 1);
	ck_assert_int_eq(wait_for(pid), 0);
	ck_assert(intact(p, 0, 3 * MIB) && filled(p + 3 * MIB, 44, MIB));
	/* what could not be frozen is the parent's own now, as it was */
	ck_assert_int_eq(lines("rw-s"), _i);

	for (int i = 0; i < 300; i++) {
		grow(p + 4 * MIB + (size_t)i * 64 * KIB, 64 * KIB);
		pid = fork();
		if (!pid)
			_exit(0);
		ck_assert_int_eq(wait_for(pid), 0);
	}
	ck_assert(filled(p + 4 * MIB, 0, 300 * 64 * KIB));
	frozen(0);
	ck_assert_uint_lt(spans.count, 16);
	for (int fd = 0; fd < 4096; fd++)
		descriptors += fcntl(fd, F_GETFD) >= 0;
	ck_assert_int_lt(descriptors, 30);
}
END_TEST

START_TEST(named)
{
	backing_init(false, false);
	grow(base(), MIB);
	ck_assert_int_eq(lines("[anon:rmmap heap]"), 0);
	own_names();
	grow(base() + 2 * MIB, MIB);
	if (prctl(0x53564d41, 0, base() + 2 * MIB, RM_PAGE, "rmmap heap") == 0)
		ck_assert_int_eq(lines("[anon:rmmap heap]"), 1);
	backing_init(true, true);
	grow(base() + 3 * MIB, MIB);
	ck_assert_int_eq(lines("memfd:rmmap-heap"), 1);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ freezes, 0 }, { grows, 0 }, { purges_shared, 0 }, { purges_frozen, 0 },
		{ purges_bounded, 0 }, { purges_anon, 0 }, { pinned, 0 }, { closed, 0 },
		{ no_descriptor, 0 }, { small_files, 0 }, { no_memfd, 2 }, { few_descriptors, 0 },
		{ forks, 2 }, { named, 0 },
	};

	return unit_run("backing", tests, COUNT(tests));
}
