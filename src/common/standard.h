/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * standard.h - descriptors 0 to 2, for programs that open sockets. At their start, one thread.
 */
#ifndef RM_STANDARD_H
#define RM_STANDARD_H

/*
 * Open path, and once more for each of 0 to 2 that is closed: a socket would be taken for
 * standard output there. The descriptor above these is the caller's; or -1 and errno.
 */
int rm_standard_open(const char *path, int flags);

/*
 * Occupy each of 0 to 2 that is closed with a descriptor that can neither be read nor written
 * and that exec() closes.
 */
void rm_standard_occupy(void);

#endif
