/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.h - text without stdio and without allocation
 *
 * Usable before libc is initialised, in a fork child, in rmmapd. Pure but for
 * rm_say_fd(), which makes one write(2).
 */
#ifndef RM_SAY_H
#define RM_SAY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A small printf: %s %.*s %c %d %u %ld %lu %lld %llu %zu %x %lx %llx %p %% and
 * %m (the text of errno as it was on entry); widths with 0 or space padding
 * for numbers and, with or without '-', for %s. Always terminates buf (size >= 1)
 * and returns the length written, without the NUL; what does not fit is cut.
 */
size_t rm_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t rm_vformat(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Format one line, end it with a newline, write it to fd in one write(2). errno is kept. */
void rm_say_fd(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The usual words for an errno value, static, never NULL, without locale. */
const char *rm_errno_text(int error);

#endif
