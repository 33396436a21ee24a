/* SPDX-License-Identifier: BSD-2-Clause */
/* standard.c - keeps descriptors 0 to 2 occupied; see standard.h */
#include <fcntl.h>
#include <unistd.h>

#include "standard.h"

int rm_standard_open(const char *path, int flags)
{
	int fd;

	do
		fd = open(path, flags);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd;
}

void rm_standard_occupy(void)
{
	int fd = rm_standard_open("/", O_PATH | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}
