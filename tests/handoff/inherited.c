/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inherited - a child of fork() begins a heap of its own: it has no huge page while little is
 * allocated, however large the parent's heap is
 */
#include <sys/wait.h>
#include <unistd.h>

#include "../smaps.h"
#include "handoff.h"

static bool child_succeeds(int (*child)(size_t), size_t argument)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child(argument));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Nothing of the parent's is touched, so what there is belongs to this process. */
static int child_small(size_t size)
{
	char *p = malloc(size);

	CHECK(p);
	memset(p, 1, size);
	CHECK(smaps_huge_kb("", "") == 0);
	return 0;
}

int main(int argc, char **argv)
{
	char *blocks[512];

	isolate(argc, argv);
	for (int i = 0; i < 512; i++) {
		blocks[i] = malloc(64 << 10);
		CHECK(blocks[i]);
		memset(blocks[i], 1, 64 << 10);
	}
	CHECK(child_succeeds(child_small, 10000));
	CHECK(child_succeeds(child_small, 500000));
	return 0;
}
