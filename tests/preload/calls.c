/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls - the system calls that malloc and free make once the program runs
 * "list": runs itself under ptrace and prints those of a program that uses the allocator in every
 * way, one a line, sorted. "filter NAME...": the same under a seccomp filter that kills for
 * every call but these.
 */
#include "preload.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MARK 0x726d6d61         /* getppid(MARK): the allocator's part begins, and ends */

/* What a malloc may be expected to call, what a thread does, and what gives a failure away. */
static const struct { const char *name; long number; } known[] = {
	{ "clock_gettime", SYS_clock_gettime }, { "clone", SYS_clone }, { "clone3", SYS_clone3 },
	{ "exit", SYS_exit }, { "exit_group", SYS_exit_group }, { "fcntl", SYS_fcntl },
	{ "fstat", SYS_fstat }, { "ftruncate", SYS_ftruncate }, { "futex", SYS_futex },
	{ "getpid", SYS_getpid }, { "getppid", SYS_getppid }, { "getrandom", SYS_getrandom },
	{ "ioctl", SYS_ioctl }, { "madvise", SYS_madvise }, { "memfd_create", SYS_memfd_create },
	{ "mincore", SYS_mincore }, { "mmap", SYS_mmap }, { "mprotect", SYS_mprotect },
	{ "mremap", SYS_mremap }, { "munmap", SYS_munmap }, { "openat", SYS_openat },
	{ "prctl", SYS_prctl }, { "read", SYS_read }, { "rseq", SYS_rseq },
	{ "rt_sigaction", SYS_rt_sigaction }, { "rt_sigprocmask", SYS_rt_sigprocmask }, { "sched_getaffinity", SYS_sched_getaffinity },
	{ "set_robust_list", SYS_set_robust_list }, { "write", SYS_write },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static const char *name_of(long number)
{
	static char text[24];

	for (size_t i = 0; i < KNOWN; i++)
		if (known[i].number == number)
			return known[i].name;
	snprintf(text, sizeof(text), "%ld", number);
	return text;
}

static long number_of(const char *name)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (!strcmp(known[i].name, name))
			return known[i].number;
	fprintf(stderr, "calls: %s is none that this test knows\n", name);
	exit(2);
}

/* From a few bytes to blocks that are given back at once, and stay the second time. */
static void *use(void *arg)
{
	void *block[64] = { 0 };

	for (unsigned i = 0; i < 1500; i++) {
		size_t size = (size_t)1 << i % 22;
		void **b = &block[i * 7 % 64];

		switch (i % 4) {
		case 0: free(*b); *b = malloc(size); break;
		case 1: free(*b); *b = calloc(1, size); break;
		case 2: *b = realloc(*b, size + 100); break;
		case 3: free(*b); *b = aligned_alloc(4096, size + 4096); break;
		}
		if (!*b)
			_exit(3);
		memset(*b, 1, size);
	}
	for (int i = 0; i < 64; i++)
		free(block[i]);
	for (int i = 0; i < 4; i++) {
		char *large = calloc(1, (size_t)24 << 20);

		if (!large || large[4096 * 100])
			_exit(4);
		memset(large, 1, (size_t)24 << 20);
		free(large);
	}
	malloc_trim(0);
	return arg;
}

static void all(void)
{
	pthread_t thread[3];

	use(NULL);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread[i], NULL, use, NULL))
			_exit(5);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	use(NULL);
}

static int filter(char **names, int count)
{
	struct sock_filter f[2 * 64 + 2], *to = f;
	struct sock_fprog program = { .filter = f };

	*to++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < count && i < 64; i++) {
		*to++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		                                     (uint32_t)number_of(names[i]), 0, 1);
		*to++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	*to++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	program.len = (unsigned short)(to - f);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("calls: no seccomp filter here");
		return 77;
	}
	all();
	if (write(1, "ok\n", 3) != 3)
		_exit(2);
	_exit(0);
}

static bool seen[1024];

/* Counts entries between the first thread's two marks. */
static void note(pid_t pid)
{
	static bool on;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_getppid && info.entry.args[0] == MARK)
		on = !on;
	else if (on)
		seen[info.entry.nr % 1024] = true;
}

static int watch(pid_t child)
{
	int status, at_end = -1;
	pid_t pid;

	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
	           PTRACE_O_EXITKILL))
		return 2;
	ptrace(PTRACE_SYSCALL, child, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		long signal = 0;

		if (!WIFSTOPPED(status)) {
			if (pid == child)
				at_end = status;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			note(pid);
		else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
			signal = WSTOPSIG(status);
		ptrace(PTRACE_SYSCALL, pid, 0, signal);
	}
	return at_end;
}

static int list(void)
{
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(77);
		raise(SIGSTOP);
		syscall(SYS_getppid, MARK);
		all();
		syscall(SYS_getppid, MARK);
		_exit(0);
	}
	if (pid < 0 || watch(pid)) {
		fprintf(stderr, "calls: the traced program failed, or ptrace is not allowed here\n");
		return 77;
	}
	for (long i = 0; i < 1024; i++)
		if (seen[i])
			puts(name_of(i));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "filter"))
		return filter(argv + 2, argc - 2);
	return list();
}
#else
int main(void)
{
	fprintf(stderr, "calls: written for x86-64: not tried\n");
	return 77;
}
#endif
