/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork_stdio - fork() while other threads hold the lock of all streams, or one stream's, and
 * allocate: neither side may wait for ever. An alarm ends it if one does. Without care for it,
 * fork() waits within a second or two.
 */
#include "preload.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKERS 3
#define FORKS 150
#define READERS 6
#define LINE 60000

static volatile int done;
static char line[LINE];

/* Allocates under a stream's lock, and more than a thread's cache holds. */
static void *reads(void *arg)
{
	FILE *f = fmemopen(line, sizeof(line), "r");

	(void)arg;
	CHECK(f);
	while (!done) {
		char *text = NULL;
		size_t size = 0;

		rewind(f);
		CHECK(getline(&text, &size, f) == LINE);
		free(text);
		usleep(200);
	}
	fclose(f);
	return NULL;
}

/* Waits for each stream's lock with that of all. */
static void *flushes(void *arg)
{
	(void)arg;
	while (!done) {
		fflush(NULL);
		usleep(200);            /* locks are not fair */
	}
	return NULL;
}

static void in_child(int i)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	alarm(300);
	CHECK(f && fprintf(f, "%d", i) > 0 && fclose(f) == 0);
	CHECK(atoi(text) == i);
	free(text);
	fflush(NULL);
	_exit(7);
}

static void *forks(void *arg)
{
	(void)arg;
	for (int i = 0; i < FORKS; i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			in_child(i);
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	return NULL;
}

int main(void)
{
	pthread_t forkers[FORKERS], others[READERS + 1];

	alarm(600);
	memset(line, 'x', sizeof(line));
	line[LINE - 1] = '\n';
	for (int i = 0; i <= READERS; i++)
		CHECK(pthread_create(&others[i], NULL, i ? reads : flushes, NULL) == 0);
	for (int i = 0; i < FORKERS; i++)
		CHECK(pthread_create(&forkers[i], NULL, forks, NULL) == 0);
	for (int i = 0; i < FORKERS; i++)
		pthread_join(forkers[i], NULL);
	done = 1;
	for (int i = 0; i <= READERS; i++)
		pthread_join(others[i], NULL);
	puts("ok");
	return 0;
}
