/* SPDX-License-Identifier: BSD-2-Clause */
/* memory.c - the memory of several processes together, with shared memory counted once */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conduct.h"

#define FILES_MAX 8192

struct seen {
	ino_t files[FILES_MAX];
	size_t count;
	double bytes;
};

/* Add private pages and shares of files to *others, shares of memory files to *shared. */
static void add_mappings(pid_t pid, double *others, double *shared)
{
	char path[64], line[256];
	double kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;                 /* it has ended */
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Pss_Anon: %lf", &kib) == 1 || sscanf(line, "Pss_File: %lf", &kib) == 1)
			*others += kib * 1024;
		else if (sscanf(line, "Pss_Shmem: %lf", &kib) == 1)
			*shared += kib * 1024;
	}
	fclose(file);
}

/* Add the allocated bytes of memory files that this process has open, each file once. */
static void add_files(pid_t pid, struct seen *seen)
{
	char path[64], name[400], target[16];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		size_t i = 0;

		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (readlink(name, target, sizeof(target)) < 7 || strncmp(target, "/memfd:", 7) ||
		    stat(name, &st))
			continue;
		while (i < seen->count && seen->files[i] != st.st_ino)
			i++;
		if (i < seen->count || i == FILES_MAX)
			continue;
		seen->files[seen->count++] = st.st_ino;
		seen->bytes += (double)st.st_blocks * 512;
	}
	closedir(dir);
}

double memory_of(const pid_t *pids, size_t count)
{
	static struct seen seen;
	double others = 0, shared = 0;

	seen.count = 0;
	seen.bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (!pids[i])
			continue;
		add_mappings(pids[i], &others, &shared);
		add_files(pids[i], &seen);
	}
	/* memory files that are mapped and not open are only counted in shared */
	return others + (shared > seen.bytes ? shared : seen.bytes);
}
