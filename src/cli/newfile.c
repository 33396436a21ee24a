/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * newfile.c - creates a file that gets its name only when it is complete; see newfile.h
 *
 * If the file system supports O_TMPFILE the file has no name before, so that nothing is left behind
 * if the process is killed. Otherwise it has a random name beside its final one.
 */
#include "newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Choose a random name in the same directory. */
static void choose_other(struct newfile *file)
{
	uint64_t random = 0;

	/* The name only has to be free: O_EXCL and linkat() refuse one that is taken. */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)getpid();
	snprintf(file->other, sizeof(file->other), ".rmmap-save.%016llx",
	         (unsigned long long)random);
}

/* Open the directory of path, where name is the part behind its last slash. */
static int open_directory(const char *path, const char *name)
{
	char *directory;
	int fd;

	if (name == path)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = strndup(path, (size_t)(name - path));
	if (!directory)
		return -1;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	return fd;
}

int newfile_open(struct newfile *file, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	int error;

	*file = (struct newfile){ .fd = -1, .name = slash ? slash + 1 : path };
	if (!file->name[0])
		return -EISDIR;
	file->dir = open_directory(path, file->name);
	if (file->dir < 0)
		return -errno;
	if (fstatat(file->dir, file->name, &st, 0) == 0 && !S_ISREG(st.st_mode)) {
		close(file->dir);
		return -EEXIST;
	}
	/* Mode 0600: the content is a program's memory. */
	file->fd = openat(file->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* NFS and others lack O_TMPFILE; old kernels report that as EISDIR or ENOENT */
	if (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		choose_other(file);
		file->fd = openat(file->dir, file->other, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		                  0600);
	}
	if (file->fd < 0) {
		error = -errno;
		close(file->dir);
		return error;
	}
	return 0;
}

/* Link the unnamed file to a name. -EEXIST if the name is taken: linkat() never replaces. */
static int give_name(struct newfile *file, const char *name)
{
	char path[64];

	/* AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	return linkat(AT_FDCWD, path, file->dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Get the final name. A file that has it is replaced by a rename from a second name. */
static int take_place(struct newfile *file)
{
	int error = 0;

	if (!file->other[0]) {
		error = give_name(file, file->name);
		if (error != -EEXIST)
			return error;
		choose_other(file);
		error = give_name(file, file->other);
		/* Then the name is not ours, and must not be unlinked. */
		if (error)
			file->other[0] = 0;
	}
	if (!error && renameat(file->dir, file->other, file->dir, file->name))
		error = -errno;
	if (!error)
		file->other[0] = 0;
	return error;
}

int newfile_commit(struct newfile *file)
{
	/*
	 * The content before the name, or a power failure could leave the name on an empty file.
	 */
	int error = fsync(file->fd) ? -errno : 0;

	if (!error)
		error = take_place(file);
	/* the name itself survives a power failure only after this */
	if (!error && fsync(file->dir) && errno != EINVAL)
		error = -errno;
	/* other is "" if it has its name, so that this only closes. */
	newfile_drop(file);
	return error;
}

void newfile_drop(struct newfile *file)
{
	if (file->other[0])
		unlinkat(file->dir, file->other, 0);
	close(file->fd);
	close(file->dir);
}
