/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ending.c - ends the functions and unpublishes their publications
 *
 * Only the conductor knows the handles. So it unpublishes everything when it ends, in whatever way,
 * instead of leaving that to the time to live. Values in Redis expire by their time to live.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conduct.h"

#define GRACE_MS 3000                   /* from SIGTERM to SIGKILL */

const char *line_of(const struct instance *from, size_t at, size_t *length)
{
	const char *line = from->lines, *end = from->lines + from->length, *newline;

	while (line && line < end && (newline = memchr(line, '\n', (size_t)(end - line)))) {
		if (!at--) {
			*length = (size_t)(newline + 1 - line);
			return line;
		}
		line = newline + 1;
	}
	return NULL;
}

bool hear_lines(struct instance *from)
{
	char bytes[16384], *lines;
	const ssize_t got = read(from->output, bytes, sizeof(bytes));

	lines = got > 0 ? realloc(from->lines, from->length + (size_t)got) : NULL;
	if (!lines) {
		close(from->output);
		from->output = -1;
		return false;
	}
	from->lines = lines;
	memcpy(from->lines + from->length, bytes, (size_t)got);
	from->length += (size_t)got;
	return true;
}

void stop_all(struct instance *instances, size_t count)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	size_t left = count;

	for (size_t i = 0; i < count; i++)
		if (instances[i].pid > 0)
			kill(instances[i].pid, SIGTERM);
	for (int ms = 0; left && ms < 2 * GRACE_MS; ms += 10) {
		left = 0;
		for (size_t i = 0; i < count; i++) {
			if (instances[i].pid <= 0)
				continue;
			if (ms == GRACE_MS)
				kill(instances[i].pid, SIGKILL);
			if (waitpid(instances[i].pid, NULL, WNOHANG))
				instances[i].pid = 0;
			else
				left++;
		}
		if (left)
			nanosleep(&tick, NULL);
	}
	/* they may have printed handles before they ended */
	for (size_t i = 0; i < count; i++) {
		struct pollfd output = { .fd = instances[i].output, .events = POLLIN };

		while (output.fd >= 0 && poll(&output, 1, 0) == 1 && hear_lines(&instances[i]))
			;
	}
}

/* In the child: execute rmmap unpublish, on the host of this instance. */
static void become_unpublish(const struct instance *from, char **far_words, int handle)
{
	char *argv[80];
	size_t n = 0;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* usually the publication ended with its last reader: print no error for that */
	dup2(nowhere, STDERR_FILENO);
	dup2(handle, STDIN_FILENO);
	for (size_t i = 0; from->stage->far && far_words[i]; i++)
		argv[n++] = far_words[i];
	argv[n++] = (char *)"rmmap";
	argv[n++] = (char *)"unpublish";
	argv[n++] = (char *)"-";
	argv[n] = NULL;
	execvp(argv[0], argv);
	_exit(127);
}

void unpublish(const struct instance *from, char **far_words)
{
	size_t length = 0;
	const char *handle = line_of(from, 0, &length);
	int fds[2];
	pid_t pid;

	if (!handle || pipe2(fds, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid)
		become_unpublish(from, far_words, fds[0]);
	close(fds[0]);
	if (pid < 0 || write(fds[1], handle, length) != (ssize_t)length)
		fputs("conduct: a publication is left to its time to live\n", stderr);
	close(fds[1]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}
