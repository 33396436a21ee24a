/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.c - make a process of rmmapd without the program noticing
 *
 * No fork handlers, no SIGCHLD, nothing for wait(-1): clone(2) without an exit
 * signal makes a child in this memory, which makes the grandchild that becomes
 * rmmapd, and ends; only __WCLONE sees the child. (execve sets the exit signal
 * to SIGCHLD again, so the one that execs must not be ours. Where this process
 * inherits orphans, it would be in the end: see parent.c.) Any thread, under the
 * connection's lock.
 *
 * Child and grandchild run on this thread's errno and memory while it waits
 * (CLONE_VFORK): system calls only, errno is put back.
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

#define STACK_SIZE (64 << 10)           /* of each of the two */

struct stacks {
	struct spawn *spawn;
	char *second;                   /* the grandchild's, its end */
};

static int orphan_maker(void *arg)
{
	struct stacks *stacks = arg;

	if (__clone(spawn_exec, stacks->second, CLONE_VM | CLONE_VFORK, stacks->spawn) < 0)
		return spawn_failed(stacks->spawn, "clone");
	return 0;
}

static void spawn_orphan(struct spawn *spawn, char *memory)
{
	struct stacks stacks = { spawn, memory + 2 * STACK_SIZE };
	pid_t pid = __clone(orphan_maker, memory + STACK_SIZE, CLONE_VM | CLONE_VFORK, &stacks);

	if (pid < 0)
		spawn_failed(spawn, "clone");
	else
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			;
}

/* All signals, those that libc keeps for itself too: a handler must not run in the child. */
static void signals_block(uint64_t *before)
{
	uint64_t all = ~UINT64_C(0);

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, before, sizeof(all));
}

int spawn_process(struct spawn *spawn)
{
	char *memory = own_pages(2 * STACK_SIZE);
	int saved = errno;
	uint64_t mask;

	if (!memory)
		return -ENOMEM;
	spawn->error = 0;
	signals_block(&mask);
	if (!parent_needed() || !parent_spawn(spawn))
		spawn_orphan(spawn, memory);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	own_pages_free(memory, 2 * STACK_SIZE);
	errno = saved;
	return spawn->error ? -ECONNREFUSED : 0;
}
