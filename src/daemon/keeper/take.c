/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * take.c - take the run directory: lock, id of this host, socket; and keep it
 *
 * Keeper only. Allocates nothing. start_take() makes the run directory the current one.
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

#define OTHER_NS UINT64_C(3000000000)   /* until one that has the lock must listen, or be gone */
#define GONE (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)
#define LISTENER_FD 3                   /* --inherit: where the library puts them */
#define LOCK_FD 4

static int take_failed(const struct rmmapd *rmmapd, const char *what, int ret)
{
	log_failed("%s %s: %s; check that the directory is yours and takes files, or set "
	             "RMMAP_RUNDIR to another one", rmmapd->rundir, what, rm_errno_text(-ret));
	return ret;
}

/* ---- the lock ---- */

static int other_serves(const struct rmmapd *rmmapd)
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

static int take_lock(struct rmmapd *rmmapd)
{
	int connection, ret;

	ret = rm_rundir_join(rmmapd->rundir, rm_now_ns() + OTHER_NS, &connection, &rmmapd->lock);
	if (connection >= 0)
		close(connection);
	if (connection >= 0 || ret == -EBUSY)
		return other_serves(rmmapd);
	return ret < 0 ? take_failed(rmmapd, "cannot be locked", ret) : 0;
}

/* The library has locked it, and listens: a lock that is not ours cannot be taken again. */
static int take_inherited(struct rmmapd *rmmapd)
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
static int write_host(const uint8_t host[RM_ID_BYTES])
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

static int take_host(struct rmmapd *rmmapd)
{
	int ret = read_host(rmmapd->host);

	if (ret == -ENOENT || ret == -EINVAL) {
		if (getrandom(rmmapd->host, RM_ID_BYTES, 0) != RM_ID_BYTES)
			return log_failed("no random bytes for the id of this host: %m");
		ret = write_host(rmmapd->host);
	}
	return ret < 0 ? take_failed(rmmapd, "/" RM_HOST_NAME " cannot be made", ret) : 0;
}

/* ---- the socket ---- */

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
 * systemd-tmpfiles cleans no directory that somebody has locked; and whatever else removes the
 * socket is seen by inotify. Neither is needed to serve.
 */
static void hold_directory(struct rmmapd *rmmapd)
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

static int find_directory(struct rmmapd *rmmapd)
{
	char path[RM_RUNDIR_MAX], why[RM_RUNDIR_MAX + 256];
	int ret = rm_rundir_find(&rmmapd->options, true, path, why, sizeof(why));

	if (ret < 0) {
		log_failed("%s", why);
		return ret;
	}
	memcpy(rmmapd->rundir, path, sizeof(path));
	/* from now on it is this one, whatever else may come to stand where it was looked for */
	rmmapd->options.rundir = rmmapd->rundir;
	return chdir(rmmapd->rundir) < 0 ? take_failed(rmmapd, "cannot be entered", -errno) : 0;
}

int start_take(struct rmmapd *rmmapd)
{
	int ret = find_directory(rmmapd);

	if (ret < 0)
		return ret;
	ret = rmmapd->inherited ? take_inherited(rmmapd) : take_lock(rmmapd);
	if (ret)
		return ret;
	ret = take_host(rmmapd);
	if (ret == 0 && !rmmapd->inherited)
		ret = start_listen(rmmapd);
	if (ret == 0)
		hold_directory(rmmapd);
	return ret;
}

void start_write_pid(struct rmmapd *rmmapd, int pid)
{
	char text[16];
	size_t n = rm_format(text, sizeof(text), "%d\n", pid);

	/* for people and messages only, so a full disk does not matter */
	if (ftruncate(rmmapd->lock, 0) == 0 && pwrite(rmmapd->lock, text, n, 0) < 0)
		log_note("cannot write " RM_LOCK_NAME ": %m");
}

/* ---- the socket is gone ---- */

/*
 * Where the whole directory was removed, the lock's file was too: it is taken anew, unless
 * somebody has started another rmmapd there.
 */
static int lock_anew(struct rmmapd *rmmapd)
{
	int lock = -1, ret = rm_rundir_lock(rmmapd->rundir, &lock);

	if (ret < 0) {
		if (lock >= 0)
			close(lock);
		return ret;
	}
	close(rmmapd->lock);
	rmmapd->lock = lock;
	start_write_pid(rmmapd, (int)rmmapd->keeper_pid);
	return 0;
}

static int listen_anew(struct rmmapd *rmmapd)
{
	int fd = rm_rundir_listen(rmmapd->rundir);

	if (fd < 0)
		return fd;
	close(rmmapd->listener);
	start_use_socket(rmmapd, fd);
	return 0;
}

/* Without a message: it may be tried for as long as this rmmapd runs. */
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
		ret = lock_anew(rmmapd);
	if (ret == 0 && !bound)
		ret = listen_anew(rmmapd);
	if (ret < 0)
		return ret;
	if (access(RM_HOST_NAME, F_OK) < 0 && write_host(rmmapd->host) < 0)
		log_note("cannot write " RM_HOST_NAME " anew: %m");
	hold_directory(rmmapd);
	log_line("%s was removed: it is there again", bound ? RM_LOCK_NAME : RM_SOCKET_NAME);
	return 1;
}
