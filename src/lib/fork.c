/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.c - what happens around fork(), in one place and one order
 *
 * Registered after jemalloc's own handlers, so that it runs before them in prepare and
 * after them in parent and child: jemalloc works in all three. What is locked here is
 * locked before jemalloc's locks, as everywhere.
 *
 * _Fork() and clone() run no handlers. In a program that publishes, whose heap is shared
 * memory until it is frozen, they are taken in between: parent and child would go on in one
 * heap. vfork(), posix_spawn(), system() and popen() share memory anyway, until they
 * exec. A raw clone system call cannot be seen.
 */
#include "backing.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

static void prepare(void)
{
	publish_prefork();
	attach_prefork();
	client_lock();
	heap_prefork();
}

static void parent(void)
{
	heap_parent();
	client_unlock();
	attach_parent();
	publish_parent();
}

static void child(void)
{
	heap_child();
	client_child();
	attach_child();
	publish_child();
	stats_child();
}

void fork_init(void)
{
	pthread_atfork(prepare, parent, child);
}

/* ---- without handlers ---- */

static void prepare_all(void)
{
	prepare();
	hooks_prefork();
}

static void parent_all(void)
{
	hooks_parent();
	parent();
}

static void child_all(void)
{
	hooks_child();
	child();
}

RM_EXPORT pid_t _Fork(void)
{
	pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "_Fork");
	pid_t pid;
	int error;

	if (!next) {
		errno = ENOSYS;
		return -1;
	}
	if (!backing_shared())
		return next();
	prepare_all();
	pid = next();
	error = errno;
	if (pid)
		parent_all();
	else
		child_all();
	errno = error;
	return pid;
}

struct start {                          /* on the parent's stack; the child has a copy of that */
	int (*function)(void *);
	void *arg;
};

static int start(void *arg)
{
	const struct start *s = arg;

	child_all();
	return s->function(s->arg);
}

RM_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *arg, ...)
{
	int (*next)(int (*)(void *), void *, int, void *, ...) =
		(int (*)(int (*)(void *), void *, int, void *, ...))dlsym(RTLD_NEXT, "clone");
	struct start s = { function, arg };
	void *parent_tid, *tls, *child_tid;
	va_list more;
	int pid, error;

	if (!next) {
		errno = ENOSYS;
		return -1;
	}
	va_start(more, arg);
	parent_tid = va_arg(more, void *);
	tls = va_arg(more, void *);
	child_tid = va_arg(more, void *);
	va_end(more);
	if (flags & CLONE_VM || !backing_shared())
		return next(function, stack, flags, arg, parent_tid, tls, child_tid);
	prepare_all();
	pid = next(start, stack, flags, &s, parent_tid, tls, child_tid);
	error = errno;
	parent_all();
	errno = error;
	return pid;
}
