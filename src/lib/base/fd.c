/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fd.c - the library's descriptors in a program that does not know of them
 *
 * They are moved to high numbers, where scripts and programs do not dup2() over them, and checked
 * before each use: a program may have closed all descriptors that it does not know, and opened
 * other files under the same numbers. Any thread; system calls only; does not allocate.
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIGH 960        /* below the usual limit of 1024, and no cause for a larger table */

int fd_raise(int fd)
{
	struct rlimit limit;
	int floor = HIGH, high;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < HIGH + 64)
		floor = (int)(limit.rlim_cur / 4 * 3);
	high = fcntl(fd, F_DUPFD_CLOEXEC, floor);
	if (high < 0)           /* all numbers above floor are in use */
		high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

void fd_mark(struct fd_mark *mark, int fd)
{
	struct stat st;

	mark->fd = -1;
	if (fd < 0 || fstat(fd, &st))
		return;
	mark->fd = fd;
	mark->dev = st.st_dev;
	mark->ino = st.st_ino;
}

bool fd_still(const struct fd_mark *mark)
{
	struct stat st;

	return mark->fd >= 0 && fstat(mark->fd, &st) == 0 && st.st_dev == mark->dev &&
	       st.st_ino == mark->ino;
}
