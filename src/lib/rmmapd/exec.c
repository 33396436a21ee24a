/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.c - in the process that becomes rmmapd: descriptors, signals, exec
 *
 * Runs in the program's memory and on the errno of the thread that waits for it (CLONE_VFORK), so
 * it makes system calls only. Does not allocate. Only spawn.c and parent.c call it.
 */
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client.h"

#define NSIG_ALL 64

int spawn_failed(struct spawn *spawn, const char *step)
{
	spawn->error = errno;
	spawn->step = step;
	return 1;
}

void spawn_close_from(unsigned first)
{
	struct rlimit limit = { 1024, 1024 };

	if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
		return;
	/* Linux before 5.9, or a sandbox that does not know close_range. */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned fd = first; fd < limit.rlim_cur && fd < 65536; fd++)
		syscall(SYS_close, fd);
}

/* Without CLONE_SIGHAND the dispositions are a copy: the program keeps its own. */
static void signals_default(void)
{
	uint64_t none = 0;

	for (int number = 1; number <= NSIG_ALL; number++) {
		struct { void (*handler)(int); unsigned long rest[4]; } action = { SIG_DFL, { 0 } };

		syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(uint64_t));
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* Give the new process the descriptors that it is to have, and close all others. */
static int descriptors_pass(const struct spawn *spawn)
{
	unsigned next = STDERR_FILENO + 1;
	const int last = STDERR_FILENO + SPAWN_PASSED;

	/* With a very low limit they could not be raised, and dup3() would replace one of them. */
	if (spawn->words <= last || (spawn->passed[0] >= 0 && spawn->passed[0] <= last) ||
	    (spawn->passed[1] >= 0 && spawn->passed[1] <= last)) {
		errno = EMFILE;
		return -1;
	}
	for (int i = 0; i < SPAWN_PASSED; i++)
		if (spawn->passed[i] >= 0 && syscall(SYS_dup3, spawn->passed[i], next++, 0) < 0)
			return -1;
	if (syscall(SYS_dup3, spawn->words, STDERR_FILENO, 0) < 0)
		return -1;
	spawn_close_from(next);
	return 0;
}

int spawn_exec(void *arg)
{
	struct spawn *spawn = arg;
	int null;

	syscall(SYS_setsid);
	if (syscall(SYS_chdir, "/") < 0)
		return spawn_failed(spawn, "chdir /");
	null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	if (null < 0)
		return spawn_failed(spawn, "open /dev/null");
	for (int fd = 0; fd < 2; fd++) {
		/* If the program has closed it, fd may be the very one that was opened. */
		long result = fd == null ? syscall(SYS_fcntl, fd, F_SETFD, 0)
		                         : syscall(SYS_dup3, null, fd, 0);

		if (result < 0)
			return spawn_failed(spawn, "dup3");
	}
	if (descriptors_pass(spawn) < 0)
		return spawn_failed(spawn, "hand over the descriptors");
	signals_default();
	syscall(SYS_execve, spawn->arguments[0], spawn->arguments, spawn->environment);
	return spawn_failed(spawn, spawn->arguments[0]);
}
