/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sealed.c - memory files that publishers hand in: are they sealed, and a read-only descriptor
 *
 * Worker thread only; does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

int file_reopen(int fd)
{
	char path[32];
	int again;

	rm_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : fd;
	close(fd);
	return again;
}

bool file_sealed(int fd, int seals, uint64_t length)
{
	int has = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return has >= 0 && (has & seals) == seals && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == length;
}
