/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rss - prints resident MiB: with 1 GiB of blocks in use, soon after they were freed, and later.
 * With an argument a child is forked and ends while they are in use
 */
#include "preload.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 65536
#define SIZE 16384

static void *blocks[BLOCKS];

static long resident(void)
{
	long total, pages = -1;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%ld %ld", &total, &pages) == 2);
	fclose(f);
	return pages * getpagesize() >> 20;
}

int main(int argc, char **argv)
{
	struct timespec end, now;
	long full, freed;

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(SIZE);
		CHECK(blocks[i]);
		memset(blocks[i], 1, SIZE);
	}
	full = resident();
	if (argc > 1) {
		pid_t pid = fork();

		if (!pid)
			_exit(strcmp(argv[1], "fork") != 0);
		CHECK(waitpid(pid, NULL, 0) == pid);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	freed = resident();
	/* dirty pages go over ten seconds, as calls come in */
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 12;
	do {
		for (int i = 0; i < 1000; i++) {
			void *p = malloc(SIZE);

			OPAQUE(p);
			free(p);
		}
		usleep(20000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	printf("%ld %ld %ld\n", full, freed, resident());
	return 0;
}
