/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupted - a signal handler forks while the thread is in malloc() or free(): the heap's files
 * are frozen then, without the lock under which chunks would have been told. What is freed and
 * allocated afterwards: calloc() returns zeros, in parent and child
 *
 * Where the signal arrives is left to chance, so it is tried a few times.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"

#define TRIES 5
#define COUNT 400
#define SIZE ((size_t)128 << 10)        /* of a block; a dozen or so are a huge page */

static char *blocks[COUNT];
static volatile sig_atomic_t forks, failures;
static volatile bool in_child;

/* The child goes on with what was interrupted, as the parent does. */
static void fork_here(int signal)
{
	int saved = errno, status;
	pid_t pid;

	(void)signal;
	if (forks++)
		return;
	pid = fork();
	if (pid == 0)
		in_child = true;
	else if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		failures++;
	errno = saved;
}

static void interrupted_churn(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 3000 }, never = { .it_value = { 0, 0 } };
	struct sigaction action = { .sa_handler = fork_here };

	CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
	while (!forks) {
		char *p = malloc(SIZE);

		CHECK(p);
		p[0] = 1;
		free(p);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

/* Free one block in twelve, and then another one of each dozen, so that much is left unused. */
static void blocks_thin(void)
{
	for (int from = 0; from <= 4; from += 4)
		for (int i = from; i < COUNT; i += 12) {
			free(blocks[i]);
			blocks[i] = NULL;
		}
}

static bool blocks_refill(void)
{
	for (int i = 0; i < COUNT; i++) {
		char fill = 0x5a;

		if (!blocks[i]) {
			blocks[i] = calloc(1, SIZE);
			fill = 0;
		}
		CHECK(blocks[i]);
		if (blocks[i][0] != fill || memcmp(blocks[i], blocks[i] + 1, SIZE - 1)) {
			fprintf(stderr, "block %d at %p is not all %d%s\n", i, (void *)blocks[i], fill,
			        in_child ? " in the child" : "");
			return false;
		}
	}
	return true;
}

static int try_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];
	bool right;

	for (int i = 0; i < COUNT; i++) {
		blocks[i] = malloc(SIZE);
		CHECK(blocks[i]);
		memset(blocks[i], 0x5a, SIZE);
	}
	interrupted_churn();
	blocks_thin();
	right = blocks_refill();
	if (in_child)
		_exit(right ? 0 : 1);
	CHECK(right && !failures);
	CHECK(rmmap_publish(blocks[1], handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char text[64];

	if (mode)
		return try_mode();
	/* Free memory is given back at once, also before anything was published. */
	setenv("RMMAP_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0", 1);
	for (int i = 0; i < TRIES; i++)
		CHECK(run_self("try", "", text, sizeof(text)) == 0);
	return 0;
}
