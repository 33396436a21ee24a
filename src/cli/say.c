/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.c - prints one line on standard error: an error or a warning
 *
 * Standard output is flushed first, so that the two keep their order in a terminal.
 */
#include <errno.h>
#include <stdarg.h>

#include "cli.h"

static void message_print(const char *format, va_list args)
{
	int saved = errno;      /* for %m */

	fflush(stdout);
	errno = saved;
	fputs("rmmap: ", stderr);
	vfprintf(stderr, format, args);
	putc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message_print(format, args);
	va_end(args);
	return 1;
}

void cli_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message_print(format, args);
	va_end(args);
}
