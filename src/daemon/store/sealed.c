/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sealed.c - memory files that others hand in: sealed, and opened again for reading only
 *
 * Does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/*
 * Only descriptors that were opened O_RDONLY after the seal may leave rmmapd: the kernel of
 * Debian 12 refuses even read-only shared mappings of a sealed file through a writable one.
 * Where /proc is not mounted, the descriptor stays as it is.
 */
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
