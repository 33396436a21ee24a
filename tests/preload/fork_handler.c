/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork_handler - a timer's handler forks, whatever the only thread is doing: malloc, free, fork()
 * itself, or a publish. Each child either ends at once, or writes to the heap, which its
 * parent must not see, or returns from the handler and goes on, and publishes.
 * Argument: how many times
 */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rmmap.h"

#define BLOCKS 300
#define BIG ((size_t)200 << 10)

struct shared {                         /* with the children */
	char handle[RMMAP_HANDLE_MAX];
	int value;
};

static volatile sig_atomic_t handled, in_child;
static struct shared *shared;
static char *big;

static void gone_wrong(const char *what)
{
	if (write(2, what, strlen(what)) < 0)   /* not through a stream */
		_exit(2);
	_exit(1);
}

static void expect(pid_t pid, int code)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (in_child && errno == ECHILD)
			return;         /* the child of whom this process is a copy */
		else if (errno != EINTR)
			gone_wrong("no child\n");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
		char text[] = "a child ended with status 0000\n";

		for (int i = 0; i < 4; i++)
			text[sizeof(text) - 3 - i] = "0123456789abcdef"[status >> 4 * i & 15];
		gone_wrong(text);
	}
}

static void handler(int number)
{
	int saved = errno;
	pid_t pid;

	(void)number;
	if (in_child)
		return;
	pid = fork();
	if (pid < 0)
		gone_wrong("no fork\n");
	if (pid == 0) {
		alarm(60);
		switch (handled % 3) {
		case 0:
			_exit(9);
		case 1:
			memset(big, 0xee, BIG);
			_exit(9);
		}
		in_child = 1;
		return;
	}
	expect(pid, 9);
	for (size_t i = 0; i < BIG; i += 512)
		if (big[i] != 0x11)
			gone_wrong("a child's write is seen in its parent\n");
	handled++;
	errno = saved;
}

static char *blocks[BLOCKS];

static void some(unsigned *random)
{
	for (int i = 0; i < 50; i++) {
		char **b = &blocks[(*random >> 8) % BLOCKS];
		size_t size;

		*random = *random * 1103515245 + 12345;
		size = (*random >> 4) % 70000 + 1;
		free(*b);
		*b = malloc(size);
		if (!*b)
			gone_wrong("no memory\n");
		(*b)[size - 1] = 1;
	}
}

/* As any other process of this program would. */
static void go_on(unsigned random)
{
	int *value = malloc(sizeof(*value));
	pid_t pid;

	some(&random);
	pid = fork();
	if (!pid) {
		some(&random);
		_exit(7);
	}
	expect(pid, 7);
	*value = shared->value;
	if (rmmap_publish(value, shared->handle, sizeof(shared->handle)))
		gone_wrong(rmmap_error());
	some(&random);
	_exit(9);
}

/*
 * The child's publication shows the child's value, or is refused since it lies where this
 * process has its own: never this process's content instead.
 */
static void look(void)
{
	const int *value;
	sigset_t timer, before;

	if (!shared->handle[0])
		return;
	/* A child that came from a handler in here would go on with what its parent does here. */
	sigemptyset(&timer);
	sigaddset(&timer, SIGALRM);
	sigprocmask(SIG_BLOCK, &timer, &before);
	value = rmmap_attach(shared->handle);
	if (!value && errno != EADDRINUSE)
		gone_wrong(rmmap_error());
	if (value && *value != shared->value)
		gone_wrong("another value than the child published\n");
	if (value)
		rmmap_detach(value);
	rmmap_unpublish(shared->handle);
	shared->handle[0] = '\0';
	shared->value++;
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void with_timer(int times)
{
	const struct itimerval on = { { 0, 3000 }, { 0, 3000 } }, off = { { 0, 0 }, { 0, 0 } };
	char handle[RMMAP_HANDLE_MAX];
	unsigned random = 1;

	setitimer(ITIMER_REAL, &on, NULL);
	for (int i = 0; handled < times; i++) {
		pid_t pid;

		some(&random);
		if (i % 4 == 0) {
			pid = fork();
			if (!pid)
				_exit(8);
			if (pid > 0)    /* it has no other parent where a handler's child comes here */
				expect(pid, 8);
		}
		if (i % 64 == 0 && !rmmap_publish(big, handle, sizeof(handle)))
			rmmap_unpublish(handle);
		if (in_child)
			go_on(random);
		look();
	}
	setitimer(ITIMER_REAL, &off, NULL);
	if (in_child)
		go_on(random);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	shared->value = 1;
	big = malloc(BIG);
	CHECK(big);
	memset(big, 0x11, BIG);
	CHECK(!sigaction(SIGALRM, &action, NULL));
	with_timer(argc > 1 ? atoi(argv[1]) : 100);
	puts("ok");
	return 0;
}
