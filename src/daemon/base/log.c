/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c - lines of rmmapd's log: see log.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../common/say.h"
#include "log.h"

/*
 * The pipe to the process that waits for this start, or -1 when nobody waits. Lines of the start
 * go there too, because one of them may say why the start fails. Not locked: keeper and worker
 * have one thread each, and each has its own copy.
 */
static int starter = -1;

/*
 * Standard error may be a pipe or a terminal that a consumer has to read or drain, and that
 * consumer may be waiting for a page from this worker. So the line is dropped unless it can be
 * written at once.
 */
static void line_write(const char *text)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct timespec now;
	struct tm utc;

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	rm_say_fd(STDERR_FILENO, "%04d-%02d-%02dT%02d:%02d:%02dZ rmmapd[%d]: %s",
	          utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	          utc.tm_hour, utc.tm_min, utc.tm_sec, (int)getpid(), text);
}

void log_line(const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	line_write(text);
	if (starter >= 0)
		rm_say_fd(starter, "%s", text);
}

void log_note(const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	line_write(text);
}

int log_failed(const char *format, ...)
{
	int error = errno ? -errno : -EIO;
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	rm_say_fd(STDERR_FILENO, "rmmapd: %s", text);
	if (starter >= 0)
		rm_say_fd(starter, "%s", text);
	return error;
}

int log_starter(int fd)
{
	starter = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return starter < 0 ? -errno : 0;
}

void log_starter_drop(void)
{
	if (starter >= 0)
		close(starter);
	starter = -1;
}

void log_ready(void)
{
	ssize_t written;

	/* The starter may have closed its end: it had an answer from the worker already, or ended. */
	if (starter >= 0) {
		written = write(starter, "", 1);
		(void)written;
	}
	log_starter_drop();
}

void *log_need(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory) {
		log_line("out of memory: the worker starts anew");
		abort();
	}
	return memory;
}
