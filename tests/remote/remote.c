/* SPDX-License-Identifier: BSD-2-Clause */
/* remote.c - see remote.h */
#include "remote.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

void *remote_attach(const char *how, const char *handle)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;

	if (strcmp(how, "eager") == 0)
		options.flags = RMMAP_EAGER;
	else if (strcmp(how, "lazy") == 0)
		options.flags = RMMAP_LAZY;
	return rmmap_attach_with(handle, &options);
}

void remote_counters(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	if (rmmap_stats(&stats)) {
		printf("rmmap_stats: %s\n", rmmap_error());
		exit(1);
	}
	printf("pages=%" PRIu64 " bytes=%" PRIu64 " reads=%" PRIu64 " faults=%" PRIu64
	       " provider=%s prefetched=%" PRIu64 " used=%" PRIu64 " pointer=%" PRIu64
	       " pointer_used=%" PRIu64 " asked=%" PRIu64 "\n", stats.fetched_pages,
	       stats.fetched_bytes, stats.reads, stats.faults, stats.provider,
	       stats.prefetched_pages, stats.prefetched_used, stats.pointer_pages,
	       stats.pointer_used, stats.asked_pages);
	fflush(stdout);
}

int remote_failed(void)
{
	const char *name = errno == ENOTSUP ? "ENOTSUP" : strerrorname_np(errno);

	printf("%s: %s\n", name ? name : "unknown errno", rmmap_error());
	return 4;
}

int remote_shell(const char *command)
{
	char sh[] = "sh", c[] = "-c", *copy = strdup(command), *argv[] = { sh, c, copy, NULL };
	int status;
	pid_t pid;

	fflush(stdout);
	status = copy ? posix_spawnp(&pid, sh, NULL, NULL, argv, environ) : ENOMEM;
	free(copy);
	if (status)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}
