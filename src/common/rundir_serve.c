/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rundir_serve.c - becoming the rmmapd of a run directory: its lock and its socket
 *
 * The lock decides which process that is. Only the lock's holder binds the socket; if it finds
 * a socket there, the process that made it is dead. A process that finds the lock taken waits
 * for an inotify event: a holder that starts or binds again creates the socket, and a holder
 * that ends closes the lock.
 */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "say.h"

#define MSEC UINT64_C(1000000)
#define BACKLOG 512
#define CHANGES (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF)
/*
 * How long to wait for an event. The event of a closed lock comes shortly before the lock is
 * free, and no event follows: so look again soon after an event.
 */
#define SOON_MS 1                       /* after an event */
#define WITHOUT_MS 10                   /* inotify is not available */
#define NET_MS 1000                     /* in case an event was missed */

#define PATH_SIZE (RM_RUNDIR_MAX + sizeof(RM_SOCKET_NAME))
_Static_assert(sizeof(RM_LOCK_NAME) <= sizeof(RM_SOCKET_NAME), "both names fit");

/* ---- the lock ---- */

int rm_rundir_open(const char *name)
{
	struct stat st;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	/* a umask that denies the owner access would make the file unusable */
	if (fstat(fd, &st) == 0 && (st.st_mode & 0600) != 0600)
		(void)fchmod(fd, 0600);
	return fd;
}

bool rm_rundir_lock_stands(const char *path, int lock)
{
	char name[PATH_SIZE];
	struct stat there, ours;

	rm_format(name, sizeof(name), "%s/" RM_LOCK_NAME, path);
	return fstat(lock, &ours) == 0 && lstat(name, &there) == 0 &&
	       there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
}

int rm_rundir_lock(const char *path, int *lock)
{
	char name[PATH_SIZE];

	rm_format(name, sizeof(name), "%s/" RM_LOCK_NAME, path);
	for (int i = 0; i < 8; i++) {
		int error = 0;

		if (*lock < 0)
			*lock = rm_rundir_open(name);
		if (*lock < 0)
			return *lock;
		if (flock(*lock, LOCK_EX | LOCK_NB) < 0)
			error = -errno;
		if (rm_rundir_lock_stands(path, *lock))
			return error == -EINTR ? -EWOULDBLOCK : error;
		/* the file was removed meanwhile: a lock on it excludes nobody */
		close(*lock);
		*lock = -1;
	}
	return -EWOULDBLOCK;
}

/* ---- waiting for the lock or the socket ---- */

int rm_rundir_watch(const char *path, uint32_t events)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, path, events | IN_ONLYDIR) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

void rm_rundir_watched(int fd)
{
	char events[512];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

/*
 * Wait until something changes in the directory. The first call only starts to watch it, so that
 * no change between the attempt before it and the watch is missed. soon: an event came last time.
 */
static void wait_change(const char *path, int *watch, bool *soon)
{
	struct pollfd in = { .events = POLLIN };

	if (*watch == -1) {
		*watch = rm_rundir_watch(path, CHANGES);
		if (*watch >= 0)
			return;
		*watch = -2;            /* inotify is not available */
	}
	in.fd = *watch;
	*soon = poll(&in, 1, *watch < 0 ? WITHOUT_MS : *soon ? SOON_MS : NET_MS) > 0;
	if (*soon)
		rm_rundir_watched(*watch);
}

int rm_rundir_join(const char *path, uint64_t deadline, int *connection, int *lock)
{
	int watch = -1, result;
	bool soon = false;

	*lock = *connection = -1;
	for (;;) {
		result = rm_rundir_connect(path);
		if (result >= 0) {
			*connection = result;
			break;
		}
		if (result == -ENOENT || result == -ECONNREFUSED)
			result = rm_rundir_lock(path, lock);
		if (result != -EWOULDBLOCK)
			break;
		if (rm_now_ns() >= deadline) {
			result = -EBUSY;
			break;
		}
		wait_change(path, &watch, &soon);
	}
	if (watch >= 0)
		close(watch);
	if ((result < 0 || *connection >= 0) && *lock >= 0) {
		close(*lock);
		*lock = -1;
	}
	return result < 0 ? result : 0;
}

void rm_rundir_holder(int lock, char pid[16])
{
	ssize_t n = pread(lock, pid, 15, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
}

/* ---- the socket ---- */

int rm_rundir_listen(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	/* bind the full path: systemd-tmpfiles recognizes a socket in use by it */
	rm_format(name.sun_path, sizeof(name.sun_path), "%s/" RM_SOCKET_NAME, path);
	unlink(name.sun_path);
	/* chmod() comes after listen(): its IN_ATTRIB event wakes the processes that wait */
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, BACKLOG) == 0 &&
	    chmod(name.sun_path, 0600) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

bool rm_rundir_listens(int fd)
{
	int listens = 0;
	socklen_t size = sizeof(listens);

	/* listen() again sets the credentials that clients see to those of this process */
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
	       listen(fd, BACKLOG) == 0;
}

/* ---- a test file ---- */

int rm_rundir_probe(const char *path)
{
	char name[PATH_SIZE];
	int fd, error = 0;

	rm_format(name, sizeof(name), "%s/probe%d", path, (int)getpid());
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	if (write(fd, "", 1) != 1)
		error = errno ? -errno : -ENOSPC;
	if (close(fd) < 0 && !error)
		error = -errno;
	unlink(name);
	return error;
}
