/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - start rmmapd where none runs, and learn why it does not start
 *
 * The process that starts rmmapd takes the lock of the run directory, makes the socket, and hands
 * both to the new process. From then on connections wait in the socket's queue, the starter's own
 * too, and nobody waits for the socket to appear. The answer to the first request tells the starter
 * that rmmapd serves. If the connection ends instead, the new process has written the reason to
 * its standard error, which is a pipe.
 *
 * Any thread, under the connection's lock. Allocates in own pages only. spawn.c makes the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/rundir.h"
#include "../../common/say.h"
#include "client.h"
#include "spawn.h"

#define OTHER_NS UINT64_C(30000000000)  /* for another process's start; the host may be busy */
#define WORDS_NS UINT64_C(2000000000)   /* for its last words, after the connection has ended */

extern char **environ;

/*
 * Does rmmapd get this variable? Not those that are for this program alone. LD_LIBRARY_PATH is
 * handed on: the system's libfabric may be found by it.
 */
static bool variable_handed_on(const char *variable)
{
	return strncmp(variable, "LD_PRELOAD=", 11) != 0 &&
	       strncmp(variable, "LD_AUDIT=", 9) != 0 &&
	       strncmp(variable, "RMMAP_RUNDIR=", 13) != 0;
}

/* A copy of the environment's pointers, NULL-terminated, in own pages; empty if secure. */
static char **environment_copy(bool secure, size_t *size)
{
	size_t n = 0, kept = 0;
	char **copy;

	while (!secure && environ && environ[n])
		n++;
	*size = (n + 1) * sizeof(*copy);
	copy = own_pages(*size);
	for (size_t i = 0; copy && i < n && environ[i]; i++)
		if (variable_handed_on(environ[i]))
			copy[kept++] = environ[i];
	return copy;
}

/* The error that the caller gets; the text says the reason. */
static int start_error(int error)
{
	if (error == -EROFS)
		return -EACCES;
	return error == -EMFILE || error == -ENOMEM || error == -EACCES ? error : -ECONNREFUSED;
}

/* Returns -1, the new value of the closed descriptor. */
static int fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * Make the process with these descriptors, which are closed here in any case. Returns the read end
 * of the pipe that is its standard error, or -errno with why.
 */
static int process_start(char *const *arguments, int first, int second, char *why, size_t why_size)
{
	struct spawn spawn = { .arguments = arguments, .passed = { first, second } };
	int ends[2] = { -1, -1 }, error = 0;
	char **environment = NULL;
	size_t size = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		error = -errno;
	if (!error) {
		spawn.words = ends[1] = fd_raise(ends[1]);
		environment = environment_copy(env_options()->secure, &size);
		error = ends[1] < 0 ? ends[1] : environment ? 0 : -ENOMEM;
	}
	if (!error) {
		spawn.environment = environment;
		error = spawn_process(&spawn);
	}
	if (environment)
		own_pages_free(environment, size);
	fd_close(first);
	fd_close(second);
	fd_close(ends[1]);
	if (spawn.error)
		rm_format(why, why_size, "cannot start rmmapd (%s): %s: %s; install it there, or "
		          "set RMMAP_DAEMON to its path", arguments[0], spawn.step,
		          rm_errno_text(spawn.error));
	else if (error)
		rm_format(why, why_size, "cannot start rmmapd: %s%s", rm_errno_text(-error),
		          error == -EMFILE ? "; raise the limit of open files (ulimit -n)" : "");
	if (error)
		fd_close(ends[0]);
	return error ? start_error(error) : ends[0];
}

/* ---- the last words of an rmmapd that did not start ---- */

/*
 * Read the pipe until its other end is closed, as one line of text. True: it contained the NUL by
 * which rmmapd says that it serves.
 */
static bool words_read(int words, char *text, size_t size)
{
	uint64_t deadline = rm_now_ns() + WORDS_NS;
	size_t have = 0;

	while (have + 1 < size && !memchr(text, '\0', have) && rm_now_ns() < deadline) {
		struct pollfd in = { .fd = words, .events = POLLIN };
		ssize_t n = read(words, text + have, size - 1 - have);

		if (n > 0)
			have += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
		else
			poll(&in, 1, 100);
	}
	if (memchr(text, '\0', have))
		return true;
	while (have && text[have - 1] == '\n')
		have--;
	text[have] = '\0';
	for (size_t i = 0; i < have; i++)
		if (text[i] == '\n')
			text[i] = ';';
		else if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	return false;
}

bool daemon_last_words(int words, char *why, size_t why_size)
{
	const char *given = env_options()->daemon;
	char text[320];

	if (words_read(words, text, sizeof(text)))
		return false;
	if (text[0])
		rm_format(why, why_size, "rmmapd could not start: %s", text);
	else
		rm_format(why, why_size, "rmmapd (%s) ended before it served, without a word; run "
		          "it with --foreground to see why",
		          given ? given : RM_LIBEXECDIR "/rmmapd");
	return text[0] != '\0';
}

/* ---- an rmmapd for this process alone ---- */

bool daemon_is_private(void)
{
	const char *given = env_options()->daemon;

	return given && strncmp(given, RM_DAEMON_PRIVATE, sizeof(RM_DAEMON_PRIVATE) - 1) == 0;
}

/*
 * That rmmapd watches this process by its pidfd, and ends with it. Its end of the pair is moved
 * above the standard descriptors, which this program may have closed.
 */
int daemon_start_private(int *words, char *why, size_t why_size)
{
	const char *program = env_options()->daemon + sizeof(RM_DAEMON_PRIVATE) - 1;
	char *arguments[] = { (char *)(uintptr_t)(*program ? program + 1 : RM_LIBEXECDIR "/rmmapd"),
	                      (char *)(uintptr_t)"--inherit", (char *)(uintptr_t)"--private",
	                      (char *)(uintptr_t)"3", NULL };
	int pair[2], error;

	*words = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
		rm_format(why, why_size, "no sockets to talk to an rmmapd of this process's own: "
		          "%s; raise its limit of open files (ulimit -n)", rm_errno_text(-error));
		return error;
	}
	pair[1] = fd_raise(pair[1]);
	error = pair[1] < 0 ? pair[1] : process_start(arguments, pair[1], -1, why, why_size);
	if (error < 0) {
		close(pair[0]);
		return error;
	}
	*words = error;
	return pair[0];
}

/* ---- the rmmapd of a run directory ---- */

/* Hands the lock, which we hold, to rmmapd: it is locked as long as rmmapd has it open. */
static int daemon_start_here(const char *program, const char *rundir, int lock, char *why,
                             size_t why_size)
{
	/* --foreground: one process less that a subreaper would have to wait for. */
	char *arguments[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)"--inherit",
	                      (char *)(uintptr_t)"--foreground", (char *)(uintptr_t)"--rundir",
	                      (char *)(uintptr_t)rundir, NULL };
	int listener = rm_rundir_listen(rundir);

	if (listener < 0) {
		rm_format(why, why_size, "%s/" RM_SOCKET_NAME " cannot be bound: %s; set "
		          "RMMAP_RUNDIR to a directory that takes files", rundir,
		          rm_errno_text(-listener));
		close(lock);
		return start_error(listener);
	}
	lock = fd_raise(lock);
	listener = fd_raise(listener);
	if (lock < 0 || listener < 0) {
		fd_close(lock);
		fd_close(listener);
		rm_format(why, why_size, "no descriptors to start rmmapd with; raise the limit of "
		          "open files (ulimit -n)");
		return -EMFILE;
	}
	return process_start(arguments, listener, lock, why, why_size);
}

/* Another process has held the lock for OTHER_NS, and nobody listens. */
static int listener_missing(const char *rundir, char *why, size_t why_size)
{
	char pid[16] = "";
	int lock = -1;

	if (rm_rundir_lock(rundir, &lock) == -EWOULDBLOCK && lock >= 0)
		rm_rundir_holder(lock, pid);
	fd_close(lock);
	rm_format(why, why_size, "rmmapd (process %s) holds %s/" RM_LOCK_NAME " but nobody listens "
	          "there after %d s; end it, or set RMMAP_RUNDIR to another directory",
	          pid[0] ? pid : "unknown", rundir, (int)(OTHER_NS / 1000000000));
	return -ECONNREFUSED;
}

/* The path of the program to start, or NULL with why. */
static const char *program_find(char *why, size_t why_size)
{
	const char *given = env_options()->daemon;

	if (!given || strcmp(given, "shared") == 0)
		return RM_LIBEXECDIR "/rmmapd";
	if (given[0] == '/')
		return given;
	if (strcmp(given, "off") == 0)
		rm_format(why, why_size, "no rmmapd runs here and RMMAP_DAEMON=off forbids to "
		          "start one; start rmmapd, or unset RMMAP_DAEMON");
	else
		rm_format(why, why_size, "RMMAP_DAEMON=%s is not shared, private, off or the "
		          "absolute path of rmmapd", given);
	return NULL;
}

/* Start rmmapd, or wait for another process that does. A connected descriptor, or -errno. */
static int daemon_join(const char *rundir, int *words, char *why, size_t why_size)
{
	const char *program = program_find(why, why_size);
	int fd, lock, error;

	if (!program)
		return -ECONNREFUSED;
	error = rm_rundir_join(rundir, rm_now_ns() + OTHER_NS, &fd, &lock);
	if (error == -EBUSY)
		return listener_missing(rundir, why, why_size);
	if (error < 0)
		rm_format(why, why_size, "%s/" RM_LOCK_NAME " cannot be locked: %s; set "
		          "RMMAP_RUNDIR to a directory that takes files", rundir,
		          rm_errno_text(-error));
	if (error < 0 || fd >= 0)
		return error < 0 ? start_error(error) : fd;
	error = daemon_start_here(program, rundir, lock, why, why_size);
	if (error < 0)
		return error;
	*words = error;
	fd = rm_rundir_connect(rundir);
	/* It has ended already; its last words are the reason. */
	if (fd == -ECONNREFUSED || fd == -ENOENT)
		daemon_last_words(*words, why, why_size);
	if (fd < 0)
		*words = fd_close(*words);
	return fd == -ENOENT ? -ECONNREFUSED : fd;
}

int daemon_start(const char *rundir, int *words, char *why, size_t why_size)
{
	int fd = rm_rundir_connect(rundir);

	why[0] = '\0';
	*words = -1;
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		fd = daemon_join(rundir, words, why, why_size);
	if (fd < 0 && !why[0])
		rm_format(why, why_size, "connecting to rmmapd in %s: %s", rundir,
		          rm_errno_text(-fd));
	return fd;
}
