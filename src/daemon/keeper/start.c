/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - the log, the standard descriptors, and what the starter hears
 *
 * Keeper only, before the first worker; start_log() and start_drop_words() are everyone's.
 * Allocates nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../common/say.h"
#include "../../common/standard.h"
#include "keep.h"

/*
 * The pipe to whoever waits for this start, while it waits; else -1. What is said until
 * then goes there too, since it may be why there is no rmmapd after all.
 */
static int words = -1;

/* ---- the log ---- */

/*
 * stderr may be a pipe or a terminal that a consumer shares, and that consumer may be
 * waiting for a page of ours: a line that cannot be written at once is dropped.
 */
static void log_line(const char *text)
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

void start_log(const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	log_line(text);
	if (words >= 0)
		rm_say_fd(words, "%s", text);
}

void start_note(const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	log_line(text);
}

int start_failed(const char *format, ...)
{
	int error = errno ? -errno : -EIO;
	char text[768];
	va_list args;

	va_start(args, format);
	rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	rm_say_fd(STDERR_FILENO, "rmmapd: %s", text);
	if (words >= 0)
		rm_say_fd(words, "%s", text);
	return error;
}

/* ---- the starter ---- */

int start_words(int fd)
{
	words = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return words < 0 ? -errno : 0;
}

void start_drop_words(void)
{
	if (words >= 0)
		close(words);
	words = -1;
}

void start_ready(void)
{
	/* nobody may be left to read it */
	if (words >= 0 && write(words, "", 1) < 0)
		start_note("whoever started this rmmapd has not waited for it");
	start_drop_words();
}

/* ---- the standard descriptors ---- */

void start_quiet(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	dup2(null, STDOUT_FILENO);
	if (!rmmapd->options.log)
		dup2(null, STDERR_FILENO);
	close(null);
}

int start_output(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR), log;

	if (null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	close(null);
	if (rmmapd->inherited) {
		if (start_words(STDERR_FILENO) < 0)
			return start_failed("no descriptor is left: %m; raise the limit (ulimit -n)");
		start_quiet(rmmapd);
	}
	if (!rmmapd->options.log)
		return 0;
	log = open(rmmapd->options.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log < 0)
		return start_failed("cannot open the log %s: %m; give --log (or RMMAP_LOG) a file "
		                    "that you may write", rmmapd->options.log);
	dup2(log, STDERR_FILENO);
	close(log);
	return 0;
}

/* A host of its own, and no file. The current directory is not held in use. */
int start_private(struct rmmapd *rmmapd)
{
	int type = 0, flags = fcntl(rmmapd->served, F_GETFL);
	socklen_t size = sizeof(type);

	if (getsockopt(rmmapd->served, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    type != SOCK_SEQPACKET || fcntl(rmmapd->served, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(rmmapd->served, F_SETFD, FD_CLOEXEC) < 0)
		return start_failed("--private %d: this descriptor is not the library's socket; set "
		                    "RMMAP_DAEMON=private for the program instead", rmmapd->served);
	if (getrandom(rmmapd->host, RM_ID_BYTES, 0) != RM_ID_BYTES || chdir("/") < 0)
		return start_failed("no id for this rmmapd: %m");
	return 0;
}
