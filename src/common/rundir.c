/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rundir.c - finds, makes and checks the run directory; connects to its rmmapd
 *
 * The checks use the path, not a descriptor. That is safe: a directory of this
 * user, that is no link and lies in a directory of this user or a sticky one,
 * cannot be replaced by another user afterwards.
 */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "say.h"

#define CONNECT_SECONDS 5

_Static_assert(RM_RUNDIR_MAX + sizeof(RM_SOCKET_NAME) <= sizeof(((struct sockaddr_un *)0)->sun_path),
               "the socket's path fits");

static bool private_directory(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 077) == 0;
}

/* True for an absolute path of a private directory of this user, as XDG_RUNTIME_DIR has to be. */
static bool directory_ours(const char *path)
{
	struct stat st;

	return path[0] == '/' && stat(path, &st) == 0 && private_directory(&st);
}

static int path_too_long(const char *path, char *why, size_t why_size)
{
	rm_format(why, why_size, "the run directory's path is too long for a socket (%zu bytes, at "
	          "most %d): %s: set RMMAP_RUNDIR to a shorter one", strlen(path),
	          RM_RUNDIR_MAX - 1, path);
	return -ENAMETOOLONG;
}

/* Choose the path by the environment or the defaults. Nothing is created or checked yet. */
static int path_choose(const struct rm_options *options, char path[RM_RUNDIR_MAX],
                       char *why, size_t why_size)
{
	const char *xdg = options->xdg_runtime_dir;
	unsigned uid = geteuid();
	char run[32];
	size_t length;

	rm_format(run, sizeof(run), "/run/user/%u", uid);
	if (options->rundir) {
		if (options->rundir[0] != '/') {
			rm_format(why, why_size, "RMMAP_RUNDIR is not an absolute path: %s: give one "
			          "that begins with /", options->rundir);
			return -EINVAL;
		}
		length = strlen(options->rundir);
		while (length > 1 && options->rundir[length - 1] == '/')
			length--;
		if (length >= RM_RUNDIR_MAX)
			return path_too_long(options->rundir, why, why_size);
		rm_format(path, RM_RUNDIR_MAX, "%.*s", (int)length, options->rundir);
		return 0;
	}
	if (xdg && directory_ours(xdg)) {
		if (strlen(xdg) + sizeof("/rmmap") > RM_RUNDIR_MAX)
			return path_too_long(xdg, why, why_size);
		rm_format(path, RM_RUNDIR_MAX, "%s/rmmap", xdg);
	} else if (directory_ours(run)) {
		rm_format(path, RM_RUNDIR_MAX, "%s/rmmap", run);
	} else {
		rm_format(path, RM_RUNDIR_MAX, "/tmp/rmmap-%u", uid);
	}
	return 0;
}

static int directory_make(const char *path, char *why, size_t why_size)
{
	int error;

	/* a umask that denies the owner access would make the directory unusable */
	if (mkdir(path, 0700) == 0)
		return chmod(path, 0700) == 0 ? 0 : -errno;
	if (errno == EEXIST)
		return 0;
	error = errno;
	rm_format(why, why_size, "cannot create the run directory %s: %s: create it with mode 0700, or "
	          "set RMMAP_RUNDIR to a directory that can be created",
	          path, rm_errno_text(error));
	return error == EROFS ? -EACCES : -error;
}

/* Check that it is a private directory of this user. 0, -ENOENT, -EACCES, other -errno. */
static int check_owner(const char *path, char *why, size_t why_size)
{
	struct stat st;
	const char *what = NULL;

	if (lstat(path, &st) != 0) {
		int error = errno;

		rm_format(why, why_size, "cannot look at the run directory %s: %s: set RMMAP_RUNDIR to "
		          "another one, or make its parent accessible", path, rm_errno_text(error));
		return -error;
	}
	if (S_ISLNK(st.st_mode))
		what = "is a symbolic link: name the directory itself in RMMAP_RUNDIR, or remove the link";
	else if (!S_ISDIR(st.st_mode))
		what = "is not a directory: remove it, or set RMMAP_RUNDIR to a directory";
	if (what) {
		rm_format(why, why_size, "the run directory %s %s", path, what);
		return -EACCES;
	}
	if (st.st_uid != geteuid()) {
		rm_format(why, why_size, "the run directory %s belongs to user %u and this process is "
		          "user %u: set RMMAP_RUNDIR to a directory of your own",
		          path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -EACCES;
	}
	if (st.st_mode & 077) {
		rm_format(why, why_size, "other users may enter the run directory %s: chmod 0700 it, or "
		          "set RMMAP_RUNDIR to another one", path);
		return -EACCES;
	}
	return 0;
}

/*
 * Check that the directory can be used. Without create, search permission is enough, so that a
 * container may have the directory mounted read-only.
 */
static int check_access(const char *path, bool create, char *why, size_t why_size)
{
	int error;

	if (faccessat(AT_FDCWD, path, create ? W_OK | X_OK : X_OK, AT_EACCESS) == 0)
		return 0;
	error = errno;
	rm_format(why, why_size, "the run directory %s cannot be written to: %s: chmod 0700 it, or set "
	          "RMMAP_RUNDIR to a directory that can", path, rm_errno_text(error));
	return error == EROFS ? -EACCES : -error;
}

int rm_rundir_find(const struct rm_options *options, bool create, char path[RM_RUNDIR_MAX],
                   char *why, size_t why_size)
{
	int error;

	path[0] = 0;
	error = path_choose(options, path, why, why_size);
	if (!error && create)
		error = directory_make(path, why, why_size);
	if (!error)
		error = check_owner(path, why, why_size);
	if (!error)
		error = check_access(path, create, why, why_size);
	return error;
}

/* The other end could read all publications of this process, so it must be the same user. */
static int check_peer(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		return -errno;
	return peer.uid == geteuid() ? 0 : -EACCES;
}

int rm_rundir_connect(const char *path)
{
	/* connect() waits so long if the backlog is full */
	const struct timeval patience = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	uint64_t deadline = rm_now_ns() + CONNECT_SECONDS * UINT64_C(1000000000);
	int fd, error;

	if (strlen(path) >= RM_RUNDIR_MAX)
		return -ENAMETOOLONG;
	rm_format(addr.sun_path, sizeof(addr.sun_path), "%s/" RM_SOCKET_NAME, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0)
		error = -errno;
	while (!error && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		if (errno == EAGAIN || (errno == EINTR && rm_now_ns() >= deadline))
			error = -ETIMEDOUT;
		else if (errno != EINTR)
			error = -errno;
	}
	if (!error)
		error = check_peer(fd);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}
