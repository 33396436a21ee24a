/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * take.c - take the run directory (lock, id of this host, socket), and look that it stays
 *
 * Keeper only. Allocates nothing. start_take() makes the run directory the current one, so names
 * without a slash are in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "keep.h"

#define OTHER_NS UINT64_C(3000000000)   /* how long to wait for another rmmapd that has the lock to
                                           listen, or to end */
/* Events of inotify that may mean that the socket or the directory was removed. */
#define GONE (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)
#define LISTENER_FD 3                   /* --inherit: the library opens these descriptors */
#define LOCK_FD 4

static int take_failed(const struct rmmapd *rmmapd, const char *what, int error)
{
	log_failed("%s %s: %s; check that the directory is yours and takes files, or set "
	           "RMMAP_RUNDIR to another one", rmmapd->rundir, what, rm_errno_text(-error));
	return error;
}

/* ---- the lock ---- */

/* Another rmmapd serves the directory. In the background that is as good as a start. Returns 1. */
static int lock_report_other(const struct rmmapd *rmmapd)
{
	char pid[16] = "";
	int fd = open(RM_LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0) {
		rm_rundir_holder(fd, pid);
		close(fd);
	}
	if (rmmapd->foreground)
		log_failed("another rmmapd (process %s) serves %s: stop it, or set RMMAP_RUNDIR "
		           "to another directory", pid, rmmapd->rundir);
	return 1;
}

static int lock_take(struct rmmapd *rmmapd)
{
	int connection, ret;

	ret = rm_rundir_join(rmmapd->rundir, rm_now_ns() + OTHER_NS, &connection, &rmmapd->lock);
	if (connection >= 0)
		close(connection);
	if (connection >= 0 || ret == -EBUSY)
		return lock_report_other(rmmapd);
	return ret < 0 ? take_failed(rmmapd, "cannot be locked", ret) : 0;
}

/*
 * Check the lock and the listener that the library has opened. The library holds the lock on this
 * open file, so flock() succeeds once more; it fails if some other open file has the lock.
 */
static int lock_inherit(struct rmmapd *rmmapd)
{
	rmmapd->lock = LOCK_FD;
	if (fcntl(LOCK_FD, F_SETFD, FD_CLOEXEC) < 0 || fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    !rm_rundir_lock_stands(rmmapd->rundir, LOCK_FD) ||
	    flock(LOCK_FD, LOCK_EX | LOCK_NB) < 0 || !rm_rundir_listens(LISTENER_FD))
		return log_failed("--inherit: descriptors 3 and 4 are not the library's: %m; it is "
		                  "the library that uses this option");
	start_use_socket(rmmapd, LISTENER_FD);
	return 0;
}

/* ---- the id of this host ---- */

/* 0, -ENOENT (no file), -EINVAL (not an id), other -errno. */
static int host_read(uint8_t host[RM_ID_BYTES])
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

/*
 * Called with the lock held. Other processes read the file at any time, so rename() makes it appear
 * with its whole content.
 */
static int host_write(const uint8_t host[RM_ID_BYTES])
{
	static const char name[] = RM_HOST_NAME ".new";
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, host, RM_ID_BYTES);
	if (close(fd) < 0 || n != RM_ID_BYTES) {
		unlink(name);
		return -ENOSPC;
	}
	return rename(name, RM_HOST_NAME) < 0 ? -errno : 0;
}

/* Read the id of this host, or choose a random one and write it. */
static int host_take(struct rmmapd *rmmapd)
{
	int error = host_read(rmmapd->host);

	if (error == -ENOENT || error == -EINVAL) {
		if (getrandom(rmmapd->host, RM_ID_BYTES, 0) != RM_ID_BYTES)
			return log_failed("no random bytes for the id of this host: %m");
		error = host_write(rmmapd->host);
	}
	return error < 0 ? take_failed(rmmapd, "/" RM_HOST_NAME " cannot be made", error) : 0;
}

/* ---- the socket ---- */

/* True if the socket in the run directory is the one that this rmmapd has bound. */
static bool socket_stands(const struct rmmapd *rmmapd)
{
	char name[RM_RUNDIR_MAX + sizeof(RM_SOCKET_NAME)];
	struct stat st;

	rm_format(name, sizeof(name), "%s/" RM_SOCKET_NAME, rmmapd->rundir);
	return lstat(name, &st) == 0 && st.st_ino == rmmapd->socket_ino &&
	       st.st_dev == rmmapd->socket_dev;
}

void start_use_socket(struct rmmapd *rmmapd, int listener)
{
	struct stat st;

	rmmapd->listener = listener;
	if (lstat(RM_SOCKET_NAME, &st) == 0) {
		rmmapd->socket_ino = st.st_ino;
		rmmapd->socket_dev = st.st_dev;
	}
}

int start_listen(struct rmmapd *rmmapd)
{
	int fd = rm_rundir_listen(rmmapd->rundir);

	if (fd < 0)
		return take_failed(rmmapd, "/" RM_SOCKET_NAME " cannot be bound", fd);
	start_use_socket(rmmapd, fd);
	return 0;
}

void start_unlisten(const struct rmmapd *rmmapd)
{
	if (rmmapd->listener >= 0 && socket_stands(rmmapd))
		unlink(RM_SOCKET_NAME);
}

/* ---- the directory ---- */

/*
 * Lock the directory, since systemd-tmpfiles cleans no directory that a process has locked, and
 * watch it by inotify for any other program that removes the socket. rmmapd serves without
 * either.
 */
static void directory_hold(struct rmmapd *rmmapd)
{
	if (rmmapd->directory >= 0)
		close(rmmapd->directory);
	rmmapd->directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rmmapd->directory >= 0 && flock(rmmapd->directory, LOCK_SH | LOCK_NB) < 0)
		log_note("%s is locked by another program: %m", rmmapd->rundir);
	if (rmmapd->watch >= 0)
		close(rmmapd->watch);
	rmmapd->watch = rm_rundir_watch(rmmapd->rundir, GONE);
	if (rmmapd->watch < 0)
		log_note("whether the socket is removed is looked at every %u s, since inotify "
		         "says: %s", START_LOOK_MS / 1000, rm_errno_text(-rmmapd->watch));
}

static int directory_find(struct rmmapd *rmmapd)
{
	char path[RM_RUNDIR_MAX], why[RM_RUNDIR_MAX + 256];
	int error = rm_rundir_find(&rmmapd->options, true, path, why, sizeof(why));

	if (error < 0) {
		log_failed("%s", why);
		return error;
	}
	memcpy(rmmapd->rundir, path, sizeof(path));
	/* Use this path from now on, even if a later search would find another directory. */
	rmmapd->options.rundir = rmmapd->rundir;
	return chdir(rmmapd->rundir) < 0 ? take_failed(rmmapd, "cannot be entered", -errno) : 0;
}

int start_take(struct rmmapd *rmmapd)
{
	int ret = directory_find(rmmapd);

	if (ret < 0)
		return ret;
	ret = rmmapd->inherited ? lock_inherit(rmmapd) : lock_take(rmmapd);
	if (ret)
		return ret;
	ret = host_take(rmmapd);
	if (ret == 0 && !rmmapd->inherited)
		ret = start_listen(rmmapd);
	if (ret == 0)
		directory_hold(rmmapd);
	return ret;
}

void start_write_pid(struct rmmapd *rmmapd, int pid)
{
	char text[16];
	size_t n = rm_format(text, sizeof(text), "%d\n", pid);

	/* Only people and messages use it, so a full disk does not matter. */
	if (ftruncate(rmmapd->lock, 0) == 0 && pwrite(rmmapd->lock, text, n, 0) < 0)
		log_note("cannot write " RM_LOCK_NAME ": %m");
}

/* ---- the socket was removed ---- */

/*
 * If the whole directory was removed, so was the lock's file. Lock a new one, which fails with
 * -EWOULDBLOCK if another rmmapd was started there meanwhile.
 */
static int lock_renew(struct rmmapd *rmmapd)
{
	int lock = -1, error = rm_rundir_lock(rmmapd->rundir, &lock);

	if (error < 0) {
		if (lock >= 0)
			close(lock);
		return error;
	}
	close(rmmapd->lock);
	rmmapd->lock = lock;
	start_write_pid(rmmapd, (int)rmmapd->keeper_pid);
	return 0;
}

/* Bind a new socket, and close the old one, which has no name any more. */
static int socket_renew(struct rmmapd *rmmapd)
{
	int fd = rm_rundir_listen(rmmapd->rundir);

	if (fd < 0)
		return fd;
	close(rmmapd->listener);
	start_use_socket(rmmapd, fd);
	return 0;
}

/* Errors are not logged here, since the caller may try for as long as this rmmapd runs. */
int start_look(struct rmmapd *rmmapd, bool make)
{
	bool locked = rm_rundir_lock_stands(rmmapd->rundir, rmmapd->lock);
	bool bound = socket_stands(rmmapd);
	char path[RM_RUNDIR_MAX];
	int ret;

	if (locked && bound)
		return 0;
	ret = rm_rundir_find(&rmmapd->options, make, path, NULL, 0);
	if (ret == 0 && chdir(path) < 0)
		ret = -errno;
	if (ret == 0 && !locked)
		ret = lock_renew(rmmapd);
	if (ret == 0 && !bound)
		ret = socket_renew(rmmapd);
	if (ret < 0)
		return ret;
	if (access(RM_HOST_NAME, F_OK) < 0 && host_write(rmmapd->host) < 0)
		log_note("cannot write " RM_HOST_NAME " anew: %m");
	directory_hold(rmmapd);
	log_line("%s was removed: it is there again", bound ? RM_LOCK_NAME : RM_SOCKET_NAME);
	return 1;
}
