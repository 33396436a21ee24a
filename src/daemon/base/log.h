/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - lines of rmmapd's log, on standard error
 *
 * Called by the keeper and by the worker, each from its one thread. Logging allocates nothing and
 * never waits for a reader: a line that cannot be written at once is dropped.
 */
#ifndef RM_LOG_H
#define RM_LOG_H

#include <stddef.h>

/*
 * Write "TIME rmmapd[PID]: text" to the log, and the text to the starter while it waits. The text
 * must not contain a handle or a secret.
 */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Write the same line to the log only. */
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Write "rmmapd: text" to standard error, for the user who ran rmmapd by hand, and the text to the
 * starter. Returns -errno as it was at the call, or -EIO where errno was 0.
 */
int log_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The starter is the process that started this rmmapd and waits at a pipe for the outcome. It gets
 * every line of log_line() and log_failed(), and then a NUL byte from log_ready(). If the pipe
 * closes without a NUL, the start has failed.
 */
int log_starter(int fd);                /* a duplicate of fd is used: 0 or -errno */
void log_ready(void);                   /* called by the keeper when its worker serves */
void log_starter_drop(void);            /* called by the worker when it serves */

/*
 * Return SIZE bytes of zeroed memory from calloc(), never NULL. If there is none the worker logs a
 * line and aborts: the keeper has its records, and starts another worker from them. Worker only.
 */
void *log_need(size_t size);

#endif
