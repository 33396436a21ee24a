/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - take the run directory: lock, id of this host, socket, log
 *
 * Keeper only, before the first worker; start_log() is everyone's. Allocates nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../common/say.h"
#include "../common/standard.h"
#include "keep.h"

#define MSEC UINT64_C(1000000)

/* ---- the log ---- */

/*
 * stderr may be a pipe or a terminal that a consumer shares, and that consumer may be
 * waiting for a page of ours: a line that cannot be written at once is dropped.
 */
static void log_line(const char *text)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct timespec now;
	struct tm utc;

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	rm_say_fd(STDERR_FILENO, "%04d-%02d-%02dT%02d:%02d:%02dZ rmmapd[%d]: %s",
	          utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	          utc.tm_hour, utc.tm_min, utc.tm_sec, (int)getpid(), text);
}

void start_log(const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	log_line(text);
}

int start_output(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR), log;

	if (null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	close(null);
	if (!rmmapd->options.log)
		return 0;
	log = open(rmmapd->options.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log < 0) {
		rm_say_fd(STDERR_FILENO, "rmmapd: cannot open the log %s: %m; give --log (or "
		          "RMMAP_LOG) a file that you may write", rmmapd->options.log);
		return -EACCES;
	}
	dup2(log, STDERR_FILENO);
	close(log);
	return 0;
}

void start_quiet(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	dup2(null, STDOUT_FILENO);
	if (!rmmapd->options.log)
		dup2(null, STDERR_FILENO);
	close(null);
}

/* ---- the lock ---- */

static void other_pid(int lock, char text[16])
{
	ssize_t n = pread(lock, text, 15, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/*
 * Taken by somebody who listens: then that one serves. Taken and nobody listens: it is
 * starting, or on its way out; whoever started us waits for a socket, so wait too.
 */
static int take_lock(struct rmmapd *rmmapd)
{
	uint64_t deadline = rm_now_ns() + 3000 * MSEC;
	const struct timespec pause = { .tv_nsec = 10 * MSEC };

	while (flock(rmmapd->lock, LOCK_EX | LOCK_NB) < 0) {
		int fd;

		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		fd = rm_rundir_connect(rmmapd->rundir);
		if (fd >= 0)
			close(fd);
		if (fd >= 0 || rm_now_ns() > deadline)
			return 1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int say_failure(const struct rmmapd *rmmapd, const char *what, int ret)
{
	rm_say_fd(STDERR_FILENO, "rmmapd: %s %s: %s; check that the directory is yours and writable, "
	          "or set RMMAP_RUNDIR to another one", rmmapd->rundir, what, rm_errno_text(-ret));
	return ret;
}

/* ---- the id of this host ---- */

static int read_host(uint8_t host[RM_ID_BYTES])
{
	int fd = open(RM_HOST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fstat(fd, &st) == 0 && st.st_size == RM_ID_BYTES ? read(fd, host, RM_ID_BYTES) : -1;
	close(fd);
	return n == RM_ID_BYTES ? 0 : -EINVAL;
}

/* Under the lock. Others read the file at any time, so it appears whole: by rename(). */
static int make_host(uint8_t host[RM_ID_BYTES])
{
	static const char name[] = RM_HOST_NAME ".new";
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (getrandom(host, RM_ID_BYTES, 0) != RM_ID_BYTES) {
		close(fd);
		return -EIO;
	}
	n = write(fd, host, RM_ID_BYTES);
	if (close(fd) < 0 || n != RM_ID_BYTES)
		return -ENOSPC;
	return rename(name, RM_HOST_NAME) < 0 ? -errno : 0;
}

/* ---- public ---- */

int start_take(struct rmmapd *rmmapd)
{
	char why[RM_RUNDIR_MAX + 256];
	int ret = rm_rundir_find(&rmmapd->options, true, rmmapd->rundir, why, sizeof(why));

	if (ret < 0) {
		rm_say_fd(STDERR_FILENO, "rmmapd: %s", why);
		return ret;
	}
	if (chdir(rmmapd->rundir) < 0)
		return say_failure(rmmapd, "cannot be entered", -errno);
	rmmapd->lock = open(RM_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (rmmapd->lock < 0)
		return say_failure(rmmapd, "/" RM_LOCK_NAME " cannot be opened", -errno);
	ret = take_lock(rmmapd);
	if (ret == 1 && rmmapd->foreground) {
		char pid[16];

		other_pid(rmmapd->lock, pid);
		rm_say_fd(STDERR_FILENO, "rmmapd: another rmmapd (process %s) serves %s: stop it, "
		          "or set RMMAP_RUNDIR to another directory", pid, rmmapd->rundir);
	}
	if (ret)
		return ret < 0 ? say_failure(rmmapd, "cannot be locked", ret) : ret;
	ret = read_host(rmmapd->host);
	if (ret == -ENOENT || ret == -EINVAL)
		ret = make_host(rmmapd->host);
	return ret < 0 ? say_failure(rmmapd, "/" RM_HOST_NAME " cannot be made", ret) : 0;
}

/* A host of its own, and no file. The current directory is not held in use. */
int start_private(struct rmmapd *rmmapd)
{
	int type = 0, flags = fcntl(rmmapd->served, F_GETFL);
	socklen_t size = sizeof(type);

	if (getsockopt(rmmapd->served, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    type != SOCK_SEQPACKET || fcntl(rmmapd->served, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(rmmapd->served, F_SETFD, FD_CLOEXEC) < 0) {
		rm_say_fd(STDERR_FILENO, "rmmapd: --private %d: this descriptor is not the library's "
		          "socket; set RMMAP_DAEMON=private for the program instead", rmmapd->served);
		return -EINVAL;
	}
	if (getrandom(rmmapd->host, RM_ID_BYTES, 0) != RM_ID_BYTES || chdir("/") < 0)
		return -EIO;
	return 0;
}

void start_unlisten(const struct rmmapd *rmmapd)
{
	if (rmmapd->listener >= 0)
		unlink(RM_SOCKET_NAME);
}

void start_write_pid(struct rmmapd *rmmapd, int pid)
{
	char text[16];
	size_t n = rm_format(text, sizeof(text), "%d\n", pid);

	/* for people and messages only, so a full disk does not matter */
	if (ftruncate(rmmapd->lock, 0) == 0 && pwrite(rmmapd->lock, text, n, 0) < 0)
		start_log("cannot write " RM_LOCK_NAME ": %m");
}

/* The lock is ours, so a socket that is there is a dead one's. */
int start_listen(struct rmmapd *rmmapd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = RM_SOCKET_NAME };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int ret = 0;

	if (fd < 0)
		return -errno;
	unlink(RM_SOCKET_NAME);
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 512) < 0)
		ret = -errno;
	umask(mask);
	if (ret < 0) {
		close(fd);
		return say_failure(rmmapd, "/" RM_SOCKET_NAME " cannot be bound", ret);
	}
	rmmapd->listener = fd;
	return 0;
}
