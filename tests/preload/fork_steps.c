/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork_steps - _Fork() in a signal handler, at each single instruction of the allocator: the
 * child lives, whatever it interrupted, and so does its parent.
 * With "on", which only a heap that parent and child do not share allows, the child
 * also goes on where it was interrupted, and allocates. With "probe" it says if it can be tried
 */
#include "preload.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "rmmap.h"

#if defined(__x86_64__)
#define STEP 0x100              /* the processor's trap flag */
#define BLOCKS 40

extern pid_t _Fork(void) __attribute__((weak));
static bool goes_on;
static volatile bool in_child, stop;
static volatile long steps, forks, every = 1;

static void trap(int signal, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
	int error = errno, status;
	pid_t pid;

	(void)signal, (void)info;
	if (stop) {
		*flags &= ~STEP;
		return;
	}
	*flags |= STEP;
	if (steps++ % every)
		return;
	pid = _Fork();
	if (!pid) {
		if (!goes_on)
			_exit(9);
		alarm(60);
		in_child = true;
		*flags &= ~STEP;
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 9 << 8) {
		/* not through a stream, which may be what was interrupted */
		char text[] = "a child did not live\n";

		if (write(2, text, sizeof(text) - 1) < 0)
			_exit(2);
		_exit(1);
	}
	forks++;
	errno = error;
}

static void begin(long pace)
{
	every = pace;
	stop = false;
	raise(SIGTRAP);
}

static void *kept[BLOCKS];

/* From here on it is as if nothing had happened. */
static void end(void)
{
	stop = true;
	if (!in_child)
		return;
	for (int i = 0; i < BLOCKS; i++) {
		free(kept[i]);
		kept[i] = calloc(1, (size_t)1 << i % 18);
		if (!kept[i] || *(char *)kept[i])
			_exit(3);
		memset(kept[i], 1, (size_t)1 << i % 18);
	}
	_exit(9);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = trap, .sa_flags = SA_SIGINFO };
	void *p, *q, *large;

	goes_on = argc > 1 && !strcmp(argv[1], "on");
	if (argc > 5)                   /* never: it publishes by having this */
		printf("%s %p\n", argv[5], (void *)(uintptr_t)rmmap_publish);
	if (!_Fork) {
		fprintf(stderr, "no _Fork() in this C library: not tried\n");
		return 77;
	}
	if (argc > 1 && !goes_on)
		return 0;
	CHECK(!sigaction(SIGTRAP, &action, NULL));
	for (int i = 0; i < BLOCKS; i++) {
		kept[i] = malloc((size_t)1 << i % 18);
		CHECK(kept[i]);
	}
	/* each once before, so that no step is the linker's; a place of the cache never used */
	free(realloc(calloc(1, 300), 400));
	large = malloc(20000);
	OPAQUE(large);
	/* from and to the thread's cache */
	begin(1);
	free(large);
	p = malloc(100);
	OPAQUE(p);
	q = calloc(1, 300);
	OPAQUE(q);
	free(p);
	free(q);
	end();
	begin(1);
	p = realloc(kept[3], 400);
	OPAQUE(p);
	end();
	kept[3] = p;
	/* with the arena: what fills and empties the cache, and what is too large for it */
	begin(97);
	for (int i = 0; i < 150; i++) {
		void *more[8];

		for (int k = 0; k < 8; k++) {
			more[k] = malloc((size_t)40 * (size_t)(k + 1));
			OPAQUE(more[k]);
		}
		for (int k = 0; k < 8; k++)
			if (i % 3)
				free(more[k]);
	}
	end();
	begin(101);
	p = malloc((size_t)3 << 20);
	OPAQUE(p);
	free(p);
	end();
	CHECK(forks > 300);
	puts("ok");
	return 0;
}
#else
int main(void)
{
	fprintf(stderr, "single steps need x86-64: not tried\n");
	return 77;
}
#endif
