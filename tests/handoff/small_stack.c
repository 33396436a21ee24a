/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * small_stack - how much of a stack publish and attach need: less than rmmap(7) says, so that a
 * coroutine's is enough; the first time, with rmmapd to be started, and every further time
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rmmap.h"

#define SIZE ((size_t)1 << 20)
#define NEED 4096               /* as rmmap(7) says */
#define PAINT 0xa5

static unsigned char *stack;
static char handle[RMMAP_HANDLE_MAX];
static int *root;
static bool ok;

static void publish_it(void)
{
	ok = rmmap_publish(root, handle, sizeof(handle)) == 0;
}

static void attach_it(void)
{
	const int *p = rmmap_attach(handle);

	ok = p && *p == 7;
}

static void detach_it(void)
{
	ok = rmmap_detach(root) == 0;
}

/* Bytes of this thread's stack below the caller's frame that call() wrote to. */
static __attribute__((noinline)) size_t below(void (*call)(void))
{
	unsigned char *here = __builtin_frame_address(0);
	size_t left = (size_t)(here - stack) - 1024;

	memset(stack, PAINT, left);
	call();
	for (size_t i = 0; i < left; i++)
		if (stack[i] != PAINT)
			return (size_t)(here - stack) - i;
	return 1024;
}

static void *measure(void *arg)
{
	size_t need;

	for (int i = 0; i < 2; i++) {
		need = below(*(void (**)(void))arg);
		printf("%zu ", need);
		if (!ok || need > NEED)
			return arg;
	}
	return NULL;
}

static int on_thread(const char *name, void (*call)(void))
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *wrong;

	if (pthread_attr_init(&attributes) || pthread_attr_setstack(&attributes, stack, SIZE) ||
	    pthread_create(&thread, &attributes, measure, &call) || pthread_join(thread, &wrong))
		return 2;
	printf("%s\n", name);
	if (wrong)
		fprintf(stderr, "%s: more than %d bytes, or: %s\n", name, NEED, rmmap_error());
	return wrong != NULL;
}

/* Attached twice and detached twice: by a process that has none of it. */
static int reader(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (!pid) {
		execl("/proc/self/exe", "small_stack", handle, (char *)NULL);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

int main(int argc, char **argv)
{
	stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return 2;
	if (argc > 1) {
		snprintf(handle, sizeof(handle), "%s", argv[1]);
		if (on_thread("attach", attach_it))
			return 1;
		root = rmmap_attach(handle);    /* its address; and a third time */
		return on_thread("detach", detach_it);
	}
	root = malloc(sizeof(*root));
	if (!root)
		return 2;
	*root = 7;
	if (on_thread("publish", publish_it) || reader())
		return 1;
	return rmmap_unpublish(handle) != 0;
}
