/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.h - formats text without stdio and without allocation
 *
 * All programs use it. Any thread, at any time: before libc is initialised, in the child of a
 * fork, in a signal handler. Pure, but for rm_say_fd(), which makes one write(2).
 */
#ifndef RM_SAY_H
#define RM_SAY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A small snprintf. It has %s %.*s %c %d %u %ld %lu %lld %llu %zu %x %lx %llx %p %% and
 * %m (the text of errno as it was on entry), and widths, padded with spaces or zeros, or
 * to the left with '-'. Text that does not fit is cut; buf always ends with a NUL
 * (size >= 1). Returns the length written, without the NUL.
 */
size_t rm_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t rm_vformat(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Format one line, end it with a newline, write it to fd in one write(2). errno is kept. */
void rm_say_fd(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The usual words for an errno value: a static text, never NULL, never translated. */
const char *rm_errno_text(int error);

#endif
