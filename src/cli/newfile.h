/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * newfile.h - a file that gets its name only when it is complete
 *
 * rmmap save writes with it: FILE is either complete, or as it was before. One thread.
 */
#ifndef RM_CLI_NEWFILE_H
#define RM_CLI_NEWFILE_H

#include <limits.h>

/*
 * Valid from newfile_open() with 0 to the commit or the drop, each of which closes it. After a
 * failure of newfile_open() there is nothing to drop.
 */
struct newfile {
	int fd;                         /* write the content to it */
	int dir;                        /* the directory of the file */
	const char *name;               /* in dir; points into the caller's path */
	char other[64];                 /* its name until it is complete; "" if it has none */
};

/* Create it. 0; -EEXIST if path exists and is not a regular file; other -errno. */
int newfile_open(struct newfile *file, const char *path);
/*
 * Write it to the disk and give it its name, in place of a file that had the name. 0 or -errno.
 * It is closed in both cases, and removed after an error.
 */
int newfile_commit(struct newfile *file);
/* Close it and remove it. */
void newfile_drop(struct newfile *file);

#endif
