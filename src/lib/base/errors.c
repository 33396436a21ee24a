/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errors.c - this thread's last failure, in words
 *
 * The one place where -errno becomes errno and a text. A text says what is wrong and what to do;
 * it never contains a handle or a secret (an id is shortened by rm_short_id()). Any thread; does
 * not allocate: the text is in static thread-local storage.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/say.h"
#include "base.h"
#include "rmmap.h"

static __thread char text[RM_TEXT_MAX] __attribute__((tls_model("initial-exec")));

/* ENOMEM may mean that the process has too many mappings, which the text does not say yet. */
static void add_cause(int error, size_t length)
{
	char cause[256];

	if (error == ENOMEM && !strstr(text, "max_map_count") && maps_spent(cause, sizeof(cause)))
		rm_format(text + length, sizeof(text) - length, ": %s", cause);
}

int fail(const char *function, int error, const char *format, ...)
{
	va_list args;
	size_t n = rm_format(text, sizeof(text), "%s: ", function);

	va_start(args, format);
	n += rm_vformat(text + n, sizeof(text) - n, format, args);
	va_end(args);
	add_cause(error, n);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	errno = error;
	return -1;
}

void own_abort(const char *condition)
{
	rm_say_fd(2, "librmmap: internal error: !(%s); please report it", condition);
	abort();
}

RM_EXPORT const char *rmmap_error(void)
{
	return text;
}

RM_EXPORT const char *rmmap_version(void)
{
	return PACKAGE_VERSION;
}
