/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.c - make rmmapd's process without the program noticing
 *
 * The program must run no fork handlers, get no SIGCHLD, and find nothing by wait(-1). So clone(2)
 * without an exit signal makes a child in this memory. The child makes the grandchild that becomes
 * rmmapd, and ends; only __WCLONE sees it. (execve sets the exit signal to SIGCHLD again, so the
 * process that execs must not be our child. A program that inherits orphans would become its
 * parent in the end: see parent.c.)
 *
 * Any thread, under the connection's lock. Child and grandchild run in this process's memory and on
 * this thread's errno while it waits (CLONE_VFORK): they make system calls only, and errno is
 * restored. Allocates own pages for their stacks.
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
	char *second;                   /* the upper end of the grandchild's */
};

/* The child: makes the grandchild, waits until that has exec'ed, and ends. */
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

/* Block all signals, libc's internal ones too: no handler may run in the child. */
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
