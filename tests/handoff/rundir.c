/* SPDX-License-Identifier: BSD-2-Clause */
/* A run directory that cannot be used: not writable, too long, a link, somebody else's. */
#include "handoff.h"

#include <sys/stat.h>
#include <unistd.h>

static int refused_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	int error = atoi(argument);

	CHECK(rmmap_publish(strdup("x"), handle, sizeof(handle)) == -1);
	CHECK(handle[0] == '\0');
	CHECK_ERROR(error, strchr(argument, ' ') + 1);
	return 0;
}

static void refuse(const char *dir, int error, const char *words)
{
	char argument[128], out[16];

	setenv("RMMAP_RUNDIR", dir, 1);
	snprintf(argument, sizeof(argument), "%d %s", error, words);
	CHECK(run_self("refused", argument, out, sizeof(out)) == 0);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char base[256], path[512];

	if (mode && strcmp(mode, "refused") == 0)
		return refused_mode(argv[2]);
	snprintf(base, sizeof(base), "%s", getenv("RMMAP_RUNDIR"));
	snprintf(path, sizeof(path), "%s/%0120d", base, 0);
	refuse(path, ENAMETOOLONG, "too long");
	snprintf(path, sizeof(path), "%s/link", base);
	CHECK(symlink("/tmp", path) == 0);
	refuse(path, EACCES, "symbolic link");
	snprintf(path, sizeof(path), "%s/open", base);
	CHECK(mkdir(path, 0700) == 0 && chmod(path, 0755) == 0);
	refuse(path, EACCES, "chmod 0700");
	if (geteuid() == 0) {           /* for root every directory is writable, not so /proc */
		CHECK(chmod(path, 0700) == 0 && chown(path, 65534, 65534) == 0);
		refuse(path, EACCES, "belongs to user 65534");
		CHECK(chown(path, 0, 0) == 0);
		refuse("/proc/rmmap", ENOENT, "RMMAP_RUNDIR");
	} else {
		CHECK(chmod(path, 0500) == 0);
		refuse(path, EACCES, "cannot be written");
		refuse("/rmmap", EACCES, "cannot create");
		refuse("/root", EACCES, "RMMAP_RUNDIR");
	}
	rmdir(path);
	setenv("RMMAP_RUNDIR", base, 1);
	return 0;
}
