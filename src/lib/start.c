/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - start rmmapd without the program noticing
 *
 * No fork handlers, no SIGCHLD, nothing for wait(-1): clone(2) without an exit
 * signal makes a child in this memory, which makes the grandchild that becomes
 * rmmapd, and ends; only __WCLONE sees the child. (execve sets the exit signal
 * to SIGCHLD again, so the one that execs must not be ours. Where this process
 * is itself a subreaper or the container's first process, rmmapd ends up as its
 * child after all, as every orphan does.) Any thread, under the connection's lock.
 *
 * Child and grandchild run on this thread's errno and memory while it waits
 * (CLONE_VFORK): system calls only, errno is put back.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/channel.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "internal.h"

#define STACK_SIZE (64 << 10)           /* of each of the two */
#define START_NS UINT64_C(30000000000)  /* until it must accept connections; a host may be busy */
#define AGAIN_NS UINT64_C(1000000000)   /* until another is started: see wait_for() */
#define NSIG_ALL 64
#define SOCKET 3                        /* in rmmapd --private */

extern char **environ;

struct start {                          /* shared by the three */
	const char *program;
	char *const *arguments;
	char *const *environment;
	char *stack;                    /* the grandchild's, its end */
	int socket;                     /* becomes its descriptor SOCKET; -1: none */
	int error;                      /* why rmmapd could not be executed */
	const char *step;
};

static int failed(struct start *start, const char *step)
{
	start->error = errno;
	start->step = step;
	return 1;
}

static void close_from(unsigned first)
{
	struct rlimit limit = { 1024, 1024 };

	if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
		return;
	/* Before Linux 5.9, or a sandbox that does not know it. */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned fd = first; fd < limit.rlim_cur && fd < 65536; fd++)
		syscall(SYS_close, fd);
}

/* The dispositions are this process's own copy: clone without CLONE_SIGHAND. */
static void default_signals(void)
{
	uint64_t none = 0;

	for (int number = 1; number <= NSIG_ALL; number++) {
		struct { void (*handler)(int); unsigned long rest[4]; } action = { SIG_DFL, { 0 } };

		syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(uint64_t));
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* Of this process's descriptors rmmapd gets the socket, if there is one. */
static int keep_socket(int fd)
{
	long ret = 0;

	if (fd == SOCKET)
		ret = syscall(SYS_fcntl, fd, F_SETFD, 0);
	else if (fd >= 0)
		ret = syscall(SYS_dup3, fd, SOCKET, 0);
	close_from(fd >= 0 ? SOCKET + 1 : SOCKET);
	return ret < 0 ? -1 : 0;
}

static int grandchild(void *arg)
{
	struct start *start = arg;
	int null;

	syscall(SYS_setsid);
	if (syscall(SYS_chdir, "/") < 0)
		return failed(start, "chdir /");
	null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
	if (null < 0)
		return failed(start, "open /dev/null");
	for (int fd = 0; fd < 3; fd++)
		if (fd != null && syscall(SYS_dup3, null, fd, 0) < 0)
			return failed(start, "dup3");
	if (keep_socket(start->socket) < 0)
		return failed(start, "keep the socket");
	default_signals();
	syscall(SYS_execve, start->program, start->arguments, start->environment);
	return failed(start, start->program);
}

static int child(void *arg)
{
	struct start *start = arg;

	if (clone(grandchild, start->stack, CLONE_VM | CLONE_VFORK, start) < 0)
		return failed(start, "clone");
	return 0;
}

/* All signals, those that libc keeps for itself too: a handler must not run in the child. */
static void block_signals(uint64_t *before)
{
	uint64_t all = ~UINT64_C(0);

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, before, sizeof(all));
}

static int spawn(struct start *start)
{
	char *stacks = own_pages(2 * STACK_SIZE);
	uint64_t mask;
	pid_t pid;

	if (!stacks)
		return -ENOMEM;
	start->stack = stacks + 2 * STACK_SIZE;
	start->error = 0;
	block_signals(&mask);
	pid = clone(child, stacks + STACK_SIZE, CLONE_VM | CLONE_VFORK, start);
	if (pid < 0)
		failed(start, "clone");
	else
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	own_pages_free(stacks, 2 * STACK_SIZE);
	return start->error ? -ECONNREFUSED : 0;
}

/*
 * What is for this program alone stays out of rmmapd. LD_LIBRARY_PATH is handed
 * on: it may be how the system's libfabric is found.
 */
static bool handed_on(const char *variable)
{
	return strncmp(variable, "LD_PRELOAD=", 11) != 0 &&
	       strncmp(variable, "LD_AUDIT=", 9) != 0 &&
	       strncmp(variable, "RMMAP_RUNDIR=", 13) != 0;
}

/* A copy of the environment's pointers, NULL-terminated; nothing of a secure program's. */
static char **copy_environment(bool secure, size_t *size)
{
	size_t n = 0, kept = 0;
	char **copy;

	while (!secure && environ && environ[n])
		n++;
	*size = (n + 1) * sizeof(*copy);
	copy = own_pages(*size);
	for (size_t i = 0; copy && i < n && environ[i]; i++)
		if (handed_on(environ[i]))
			copy[kept++] = environ[i];
	return copy;
}

static int start_with(char *const *arguments, int socket, char *why, size_t why_size)
{
	const char *program = arguments[0];
	struct start start = { .program = program, .arguments = arguments, .socket = socket };
	size_t size;
	char **environment = copy_environment(env_options()->secure, &size);
	int err, saved = errno;

	if (!environment)
		return -ENOMEM;
	start.environment = environment;
	err = spawn(&start);
	errno = saved;
	own_pages_free(environment, size);
	if (err == -ECONNREFUSED)
		rm_format(why, why_size, "cannot start rmmapd (%s): %s: %s; install it there, or set "
		          "RMMAP_DAEMON to its path", program, start.step,
		          rm_errno_text(start.error));
	return err;
}

static int start_one(const char *program, const char *rundir, char *why, size_t why_size)
{
	/* In the foreground: one process less that a subreaper would have to wait for. */
	char *arguments[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)"--foreground",
	                      (char *)(uintptr_t)"--rundir", (char *)(uintptr_t)rundir, NULL };

	return start_with(arguments, -1, why, why_size);
}

/* ---- one of this process's own ---- */

bool daemon_is_private(void)
{
	const char *given = env_options()->daemon;

	return given && strncmp(given, RM_DAEMON_PRIVATE, sizeof(RM_DAEMON_PRIVATE) - 1) == 0;
}

/*
 * It ends when this process does, and knows that by its pidfd: nothing to be told. Both
 * ends above the standard descriptors, which may be closed here and are not in rmmapd.
 */
int daemon_start_private(char *why, size_t why_size)
{
	const char *program = env_options()->daemon + sizeof(RM_DAEMON_PRIVATE) - 1;
	char *arguments[] = { (char *)(uintptr_t)(*program ? program + 1 : RM_LIBEXECDIR "/rmmapd"),
	                      (char *)(uintptr_t)"--private", (char *)(uintptr_t)"3", NULL };
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		rm_format(why, why_size, "no sockets to talk to an rmmapd of this process's own: %s; "
		          "raise its limit of open files (ulimit -n)", rm_errno_text(-err));
		return err;
	}
	pair[1] = fd_raise(pair[1]);
	err = pair[1] < 0 ? pair[1] : start_with(arguments, pair[1], why, why_size);
	if (pair[1] >= 0)
		close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	return pair[0];
}

/* ---- the one of this run directory ---- */

/* Is there nobody behind the socket (yet)? Any other failure is not cured by a start. */
static bool nobody(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -EAGAIN || err == -EINTR;
}

/*
 * Connect as soon as somebody listens. Two programs may start one each: the
 * second rmmapd finds the lock taken and ends, and both connect to the first. If
 * the holder of the lock was about to end, nobody listens: start once more, and later
 * each time, since one that is only slow is not helped by many beside it.
 */
static int wait_for(const char *program, const char *rundir, char *why, size_t why_size)
{
	uint64_t begin = rm_now_ns(), started = begin, again = AGAIN_NS;
	long pause = 1000000;

	for (;;) {
		struct timespec time = { 0, pause };
		int fd = rm_rundir_connect(rundir);
		uint64_t now = rm_now_ns();

		if (fd >= 0 || !nobody(fd))
			return fd;
		if (now - begin > START_NS)
			break;
		if (now - started > again) {
			int err = start_one(program, rundir, why, why_size);

			if (err)
				return err;
			started = now;
			again *= 2;
		}
		nanosleep(&time, NULL);
		pause = pause < 25000000 ? pause * 2 : 50000000;
	}
	rm_format(why, why_size, "%s was started but nobody listens in %s after %d s; run it with "
	          "--foreground to see why", program, rundir, (int)(START_NS / 1000000000));
	return -ECONNREFUSED;
}

/* The program to start, or NULL with why. */
static const char *which(char *why, size_t why_size, int *err)
{
	const char *given = env_options()->daemon;

	if (!given || strcmp(given, "shared") == 0)
		return RM_LIBEXECDIR "/rmmapd";
	if (given[0] == '/')
		return given;
	*err = -ECONNREFUSED;
	if (strcmp(given, "off") == 0)
		rm_format(why, why_size, "no rmmapd runs here and RMMAP_DAEMON=off forbids to start "
		          "one; start rmmapd, or unset RMMAP_DAEMON");
	else
		rm_format(why, why_size, "RMMAP_DAEMON=%s is not shared, private, off or the absolute "
		          "path of rmmapd", given);
	return NULL;
}

int daemon_start(const char *rundir, char *why, size_t why_size)
{
	const char *program;
	int err = 0, fd = rm_rundir_connect(rundir);

	why[0] = '\0';
	if (fd >= 0)
		return fd;
	if (nobody(fd)) {
		program = which(why, why_size, &err);
		if (!program)
			return err;
		fd = start_one(program, rundir, why, why_size);
		if (!fd)
			fd = wait_for(program, rundir, why, why_size);
	}
	if (fd < 0 && !why[0])
		rm_format(why, why_size, "connecting to rmmapd in %s: %s", rundir,
		          rm_errno_text(-fd));
	return fd;
}
