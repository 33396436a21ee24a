/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * files.c - does the process map the files that it was sent?
 *
 * lazy_shares() knows that from the record of what was sent. Should that be wrong, or the process
 * have mapped something else by its own doing, the kernel tells for 4 KiB pages: the file that is
 * mapped lacks them (UFFD_NO_PAGE). In a huge page none is lacking, filled or not. So when an
 * attachment begins to be served, /proc/PID/maps is read and its inodes are compared. Where that
 * is not allowed, the record alone counts.
 *
 * Worker thread only; allocates as stdio does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/say.h"
#include "internal.h"

#define NAME "/memfd:rmmap-cache"

/* The pid of a pidfd, as this process sees it; 0: it has ended, or is not seen from here. */
static int pidfd_pid(int pidfd)
{
	char path[40], line[64];
	int pid = 0;
	FILE *f;

	rm_format(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = pidfd >= 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Pid:", 4))
			pid = atoi(line + 4);
	if (f)
		fclose(f);
	return pid > 0 ? pid : 0;
}

/* Is this the file of the layer that the segment shows? */
static bool segment_is_of(const struct lazy *lazy, const struct rm_segment *s, uint64_t inode)
{
	struct stat st;

	return fstat(remote_layer_fd(lazy->remote, s->layer), &st) || st.st_ino == inode;
}

/* A mapping [start, end) of a cache's file: is it another one than is thought to be there? */
static bool mapping_is_other(const struct lazy *lazy, uint64_t start, uint64_t end, uint64_t inode)
{
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *s = table->segments;

	for (uint32_t i = 0; i < table->segment_count && s->addr < end; i++, s++)
		if (s->addr + s->length > start && lazy_shares(lazy, s->layer) &&
		    !segment_is_of(lazy, s, inode))
			return true;
	return false;
}

bool lazy_maps_other(const struct lazy *lazy)
{
	int pid = pidfd_pid(lazy->attachment->pidfd);
	unsigned long start, end, inode;
	char line[512], path[40];
	bool other = false;
	FILE *f;

	rm_format(path, sizeof(path), "/proc/%d/maps", pid);
	f = pid ? fopen(path, "re") : NULL;
	while (f && !other && fgets(line, sizeof(line), f))
		other = strstr(line, NAME) &&
		        sscanf(line, "%lx-%lx %*s %*s %*s %lu", &start, &end, &inode) == 3 &&
		        mapping_is_other(lazy, start, end, inode);
	if (f)
		fclose(f);
	return other;
}
