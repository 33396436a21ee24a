/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - lines of rmmapd's log, on standard error
 *
 * Keeper and worker, each from its one thread. Allocates nothing and never waits for a
 * reader: a line that cannot be written at once is dropped.
 */
#ifndef RM_LOG_H
#define RM_LOG_H

#include <stddef.h>

/* "TIME rmmapd[PID]: text", and to the starter while it waits. Never a handle or a secret. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, but not to the starter. */
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "rmmapd: text", for who started it by hand, and to the starter. -errno, or -EIO. */
int log_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The starter waits at a pipe for how the start goes. It gets every line until log_ready(),
 * which sends a NUL. Its end without that is the end of the start.
 */
int log_starter(int fd);                /* a copy of it is used: 0 or -errno */
void log_ready(void);                   /* the keeper, when its worker serves */
void log_starter_drop(void);            /* the worker, then */

/*
 * Zeroed memory, from calloc(). Where there is none the worker ends, with a line in the log:
 * the keeper's records survive, and another worker starts from them.
 */
void *log_need(size_t size);

#endif
