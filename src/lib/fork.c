/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.c - what happens around fork(), in one place and one order
 *
 * One pthread_atfork() registers all of it, jemalloc's own handlers included (heap/jemalloc.c keeps
 * jemalloc from registering them). The locks are taken in the library's order: publish,
 * attachments, connection, pool of arenas, jemalloc's, hooks, backing.
 *
 * A signal handler may call fork(), and may have interrupted this very thread in malloc, in a
 * publish, or in fork(). own_locks tells. Such an inner fork takes no lock that its thread may
 * hold, so it only makes the heap's memory private: see inner_prepare().
 *
 * _Fork() and clone() run no handlers. In a program that publishes this library interposes them:
 * otherwise parent and child would go on in one heap, which in shared memory is one memory.
 * vfork(), posix_spawn(), system() and popen() share memory anyway, until they exec. A raw clone
 * system call cannot be seen.
 *
 * The handlers run on the thread that forks. They do not allocate.
 */
#include "lib.h"
#include "heap/backing.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "heap/jemalloc.h"

/*
 * glibc's fork() takes the lock over the list of streams after the handlers, and so after
 * jemalloc's locks. A thread that has it and allocates would wait for jemalloc's locks, and fork()
 * for that thread. So it is taken here first. It is recursive; the child resets it, as glibc's
 * fork() does.
 */
void _IO_list_lock(void) __attribute__((weak, visibility("default")));
void _IO_list_unlock(void) __attribute__((weak, visibility("default")));
void _IO_list_resetlock(void) __attribute__((weak, visibility("default")));

static bool streams_known(void)
{
	return _IO_list_lock && _IO_list_unlock && _IO_list_resetlock;
}

/* ---- the parts, in order ---- */

static void parts_prepare(void)
{
	if (streams_known())
		_IO_list_lock();
	publish_prefork();
	attach_prefork();
	client_lock();
	heap_prefork();
}

static void parts_parent(void)
{
	heap_parent();
	client_unlock();
	attach_parent();
	publish_parent();
	if (streams_known())
		_IO_list_unlock();
}

static void parts_child(void)
{
	heap_child();
	client_child();
	attach_child();
	publish_child();
	counters_child();
	/*
	 * Last: the parts before it give back their locks, and this undoes prepare_all()'s
	 * own_enter().
	 */
	own_child();
}

/* ---- a fork by a signal handler that interrupted a thread with a lock ---- */

/* Inner forks of this thread that are under way: one may interrupt another. */
static __thread unsigned inner __attribute__((tls_model("initial-exec")));

/*
 * The heap's memory becomes private, so that neither process writes into the other's. Everything
 * else stays as it is: if the child returns from the handler, it goes on with what was interrupted,
 * as its only thread. The rest of what fork() does in a child is done by fork_settle() when the
 * child attaches or publishes. Until then it allocates at its parent's addresses.
 */
static void inner_prepare(void)
{
	inner++;
	backing_inner_prefork();
}

static void inner_parent(void)
{
	backing_inner_parent();
	inner--;
}

static void fork_settle(void);

static void inner_child(void)
{
	backing_inner_child();
	client_inner_child();
	inner--;
	own_unsettled = fork_settle;
}

/* ---- all of it ---- */

static void prepare_all(void)
{
	if (own_locks) {
		inner_prepare();
		return;
	}
	own_enter();            /* from here on a handler's fork is an inner one */
	parts_prepare();
	if (heap_started()) {
		je_jemalloc_prefork();
		hooks_prefork();
	}
}

static void parent_all(void)
{
	if (inner) {
		inner_parent();
		return;
	}
	if (heap_started()) {
		hooks_parent();
		je_jemalloc_postfork_parent();
	}
	parts_parent();
	own_leave();
}

static void child_all(void)
{
	if (inner) {
		inner_child();
		return;
	}
	if (heap_started()) {
		hooks_child();
		je_jemalloc_postfork_child();
	}
	if (streams_known())
		_IO_list_resetlock();
	own_unsettled = NULL;
	parts_child();
}

void fork_init(void)
{
	pthread_atfork(prepare_all, parent_all, child_all);
}

/*
 * Do what fork() does in a child, as if this process had come from a fork just now. It may have
 * threads by now, so the parent's half of jemalloc's handlers gives its locks back.
 */
static void fork_settle(void)
{
	/*
	 * With a lock held, prepare_all() would take the inner branch. A later call does it then.
	 */
	if (likely(!own_unsettled) || own_locks)
		return;
	prepare_all();
	if (heap_started()) {
		hooks_child();
		je_jemalloc_postfork_parent();
	}
	if (streams_known())
		_IO_list_unlock();
	own_unsettled = NULL;
	parts_child();
}

/* ---- calls that run no handlers ---- */

/* libc's functions of these names; NULL if libc has none. */
static pid_t (*next_fork)(void);
static int (*next_clone)(int (*)(void *), void *, int, void *, ...);

/*
 * A signal handler may call _Fork(), and dlsym() may allocate: so look them up before a handler can
 * be installed.
 */
static void __attribute__((constructor(102))) next_find(void)
{
	if (!next_clone)
		next_clone = (int (*)(int (*)(void *), void *, int, void *, ...))
			dlsym(RTLD_NEXT, "clone");
	if (!next_fork)
		next_fork = (pid_t (*)(void))dlsym(RTLD_NEXT, "_Fork");
	if (!next_fork)         /* an older libc: the program must not find an error of ours */
		dlerror();
}

/* Does this process have a heap that a child must not share? */
static bool heap_takes_part(void)
{
	return policy_publishes() && heap_started();
}

RM_EXPORT pid_t _Fork(void)
{
	pid_t pid;
	int error;

	next_find();
	if (!next_fork) {
		errno = ENOSYS;
		return -1;
	}
	if (!heap_takes_part())
		return next_fork();
	/*
	 * The handlers after it change errno, which tells why there is no child. A failure is the
	 * parent's case: the locks have to be given back.
	 */
	prepare_all();
	pid = next_fork();
	error = errno;
	if (pid)
		parent_all();
	else
		child_all();
	errno = error;
	return pid;
}

struct clone_call {                     /* on the parent's stack, of which the child has a copy */
	int (*function)(void *);
	void *arg;
};

static int clone_start(void *arg)
{
	const struct clone_call *s = arg;

	child_all();
	return s->function(s->arg);
}

/*
 * With CLONE_FILES the child would close descriptors of its parent's: give it a table of its own.
 */
static int clone_start_apart(void *arg)
{
	return unshare(CLONE_FILES) ? 127 : clone_start(arg);
}

/*
 * Returns in the parent only: the child begins in clone_start(), on the stack that the caller
 * gave it.
 */
static int clone_as_fork(int (*function)(void *), void *stack, int flags, void *arg, void **ids)
{
	struct clone_call s = { function, arg };
	int pid, error;

	prepare_all();
	pid = next_clone(flags & CLONE_FILES ? clone_start_apart : clone_start, stack, flags, &s,
	                 ids[0], ids[1], ids[2]);
	error = errno;
	parent_all();
	errno = error;
	return pid;
}

RM_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *arg, ...)
{
	void *ids[3];           /* clone's parent_tid, tls and child_tid */
	va_list more;

	next_find();
	if (!next_clone || !function) {
		errno = next_clone ? EINVAL : ENOSYS;
		return -1;
	}
	/*
	 * What the flags do not ask for was not passed. Then this reads what happens to be there,
	 * as libc's clone does, and the kernel does not look at it.
	 */
	va_start(more, arg);
	for (int i = 0; i < 3; i++)
		ids[i] = va_arg(more, void *);
	va_end(more);
	/*
	 * A thread, or a child that shares memory until it execs: both are meant to have one
	 * heap.
	 */
	if (flags & CLONE_VM || !heap_takes_part())
		return next_clone(function, stack, flags, arg, ids[0], ids[1], ids[2]);
	return clone_as_fork(function, stack, flags, arg, ids);
}
