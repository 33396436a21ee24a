/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * where - prints the slot of its heap, and whether a child's is the same or
 * another; with an argument it waits, or frees what is not from malloc
 */
#include "preload.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef IMPORT
#include "rmmap.h"
#endif

static int global[16];

int main(int argc, char **argv)
{
	unsigned slot = fresh_slot();
	void *bad = &global[4];
	int status;
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "wait")) {
		printf("%u\n", slot);
		fflush(stdout);
		return (int)sleep(300);
	}
	if (argc > 1 && !strcmp(argv[1], "free")) {
		OPAQUE(bad);
		free(bad);
		return 0;
	}
#ifdef IMPORT           /* a program that publishes, or only looks as if it did */
	if (argc > 5)
		printf("%p\n", (void *)(uintptr_t)rmmap_publish);
#endif
	pid = fork();
	if (!pid)
		_exit(fresh_slot() != slot);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	printf("%u %s\n", slot, WEXITSTATUS(status) ? "other" : "same");
	return 0;
}
