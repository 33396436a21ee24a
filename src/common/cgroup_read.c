/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroup_read.c - reads the files of this process's cgroups; see cgroup.h
 *
 * Any thread. Nothing allocates; the text of one file at a time is on the stack (16 KiB).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "say.h"

#define TEXT_MAX 16384
#define PATH_MAX_HERE (RM_CGROUP_PATH_MAX + 512)

static const struct files {
	const char *limit, *used, *stat;
	const char *active, *inactive;  /* keys of stat for cached files, children included */
} files_of[] = {
	[RM_CGROUP_V1] = { "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat",
	                   "total_active_file", "total_inactive_file" },
	[RM_CGROUP_V2] = { "memory.max", "memory.current", "memory.stat",
	                   "active_file", "inactive_file" },
};

static int file_open(const char *root, const char *dir, const char *name)
{
	char path[PATH_MAX_HERE];
	size_t length = rm_format(path, sizeof(path), "%s%s/%s", root, dir, name);
	int fd;

	if (length + 1 >= sizeof(path))
		return -ENAMETOOLONG;
	do
		fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* The first TEXT_MAX - 1 bytes of a file as text; empty if it cannot be read. */
static void file_text(const char *root, const char *dir, const char *name, char text[TEXT_MAX])
{
	int fd = file_open(root, dir, name);
	size_t size = 0;
	ssize_t n = fd < 0 ? 0 : 1;

	while (n > 0 && size < TEXT_MAX - 1) {
		n = read(fd, text + size, TEXT_MAX - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	text[size] = 0;
	if (fd >= 0)
		close(fd);
}

/*
 * Search mountinfo, which may have any size, in pieces of whole lines. A line that does not fit
 * the buffer is skipped: lines of cgroups are much shorter.
 */
static int dir_find(const char *root, enum rm_cgroup_version version, const char *path,
                    char dir[RM_CGROUP_PATH_MAX], size_t *top)
{
	int fd = file_open(root, "/proc/self", "mountinfo"), error = -ENOENT;
	char text[TEXT_MAX], *end;
	size_t size = 0, rest;
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		n = read(fd, text + size, sizeof(text) - 1 - size);
		size += n > 0 ? (size_t)n : 0;
		text[size] = 0;
		end = strrchr(text, '\n');
		rest = end ? strlen(end + 1) : 0;
		if (end)
			end[0] = 0;
		error = rm_cgroup_dir(text, version, path, dir, top);
		if (end)
			memmove(text, end + 1, rest);
		size = rest;
	} while (n > 0 && error == -ENOENT);
	close(fd);
	return error;
}

/* Read limit and use of one directory. The use is read only if there is a limit. */
static void level_read(const char *root, const char *dir, const struct files *files,
                       struct rm_cgroup *level)
{
	char text[TEXT_MAX];
	uint64_t cached;

	level->limit = RM_CGROUP_NONE;
	level->used = 0;
	file_text(root, dir, files->limit, text);
	if (rm_cgroup_number(text, &level->limit) || level->limit == RM_CGROUP_NONE)
		return;
	file_text(root, dir, files->used, text);
	if (rm_cgroup_number(text, &level->used))
		level->used = 0;
	file_text(root, dir, files->stat, text);
	cached = rm_cgroup_stat(text, files->active) + rm_cgroup_stat(text, files->inactive);
	level->used -= cached < level->used ? cached : level->used;
}

/*
 * Read the cgroup of one version, and its parents up to the mount point: each of them limits this
 * process too.
 */
static void version_read(const char *root, enum rm_cgroup_version version,
                         struct rm_cgroup *cgroup)
{
	char text[TEXT_MAX], path[RM_CGROUP_PATH_MAX], dir[RM_CGROUP_PATH_MAX], *slash;
	struct rm_cgroup level;
	size_t top;

	file_text(root, "/proc/self", "cgroup", text);
	if (rm_cgroup_own(text, version, path) || dir_find(root, version, path, dir, &top))
		return;
	for (;;) {
		level_read(root, dir, &files_of[version], &level);
		if (rm_cgroup_room(&level) < rm_cgroup_room(cgroup))
			*cgroup = level;
		slash = strrchr(dir + top, '/');
		if (!slash)
			return;
		*slash = 0;
	}
}

void rm_cgroup_read(const char *root, struct rm_cgroup *cgroup)
{
	*cgroup = (struct rm_cgroup){ .limit = RM_CGROUP_NONE };
	version_read(root, RM_CGROUP_V2, cgroup);
	version_read(root, RM_CGROUP_V1, cgroup);
}
