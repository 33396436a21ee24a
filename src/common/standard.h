/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * standard.h - keeps descriptors 0 to 2 occupied in programs that open sockets
 *
 * A program may be started with some of them closed. The next socket would then get such a
 * number, and messages for standard error be sent to it. main() calls these functions before
 * there are threads. No allocation.
 */
#ifndef RM_STANDARD_H
#define RM_STANDARD_H

/*
 * Open path as often as it takes to get a descriptor above 2. The closed ones of 0 to 2 are open
 * then. Returns the last descriptor, which the caller owns; or -1 and errno.
 */
int rm_standard_open(const char *path, int flags);

/*
 * Occupy each of 0 to 2 that is closed with a descriptor that can neither be read nor written
 * and that exec() closes.
 */
void rm_standard_occupy(void);

#endif
