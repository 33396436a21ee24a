/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * newfile.h - a file that appears under its name when it is whole, or not at all
 *
 * One thread.
 */
#ifndef RM_CLI_NEWFILE_H
#define RM_CLI_NEWFILE_H

#include <limits.h>

struct newfile {
	int fd;                         /* to be written to */
	int dir;
	const char *name;               /* in dir */
	char other[64];                 /* its name until it is whole; "" : it has none */
};

/* 0; -EEXIST if path is something else than a file; other -errno. */
int newfile_open(struct newfile *file, const char *path);
/* On the disk, and in the place of what had the name. 0 or -errno; closed either way. */
int newfile_commit(struct newfile *file);
void newfile_drop(struct newfile *file);

#endif
