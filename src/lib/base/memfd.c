/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memfd.c - sealed memory files, random bytes
 *
 * Any thread. Does not allocate, except for the memory files.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int random_bytes(void *to, size_t bytes)
{
	uint8_t *p = to;

	while (bytes) {
		ssize_t n = getrandom(p, bytes, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
		}
	}
	return 0;
}

int memfd(const char *name, uint64_t size)
{
	struct rlimit limit;
	int error, fd;

	/* Beyond this limit, which applies to memory files, the kernel would raise SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int sealed_copy(const char *name, const void *data, size_t size)
{
	int error, fd = memfd(name, size);
	size_t at = 0;

	if (fd < 0)
		return fd;
	while (at < size) {
		ssize_t n = pwrite(fd, (const char *)data + at, size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? -errno : -EIO;
			close(fd);
			return error;
		}
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}
