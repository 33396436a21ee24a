/* SPDX-License-Identifier: BSD-2-Clause */
/* fork.c - fork() and copy on write: the receiver is a child, which has all at once */
#include <sys/wait.h>

#include "ways.h"

static pid_t child;
static int report[2];

static void fork_send(struct handover *handover, const void *root)
{
	if (pipe(report))
		bench_die("pipe failed");
	child = fork();
	if (child < 0)
		bench_die("fork failed");
	if (child == 0) {
		struct verdict verdict;

		verdict.sum = structures.walk(handover->kind, root, handover->touch);
		verdict.walked = bench_now();
		bench_write(report[1], &verdict, sizeof verdict);
		_exit(0);
	}
}

/* Its memory is free when it has ended. */
static void *fork_receive(struct handover *handover)
{
	static struct verdict verdict;

	(void)handover;
	if (bench_read(report[0], &verdict, sizeof verdict) != sizeof verdict ||
	    waitpid(child, NULL, 0) != child)
		bench_die("the child failed");
	verdict.freed = bench_now();
	return &verdict;
}

const struct way way_fork = {
	.name = "fork", .shape = &structures, .forks = 1,
	.send = fork_send, .receive = fork_receive,
};
