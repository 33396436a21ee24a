/* SPDX-License-Identifier: BSD-2-Clause */
/* rundir_steps.c - see rundir_steps.h */
#include "rundir_steps.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

char base[] = "/tmp/rmmap-unit-XXXXXX";
char path[RM_RUNDIR_MAX], why[512];

const char *in_base(const char *leaf)
{
	static char name[512];

	snprintf(name, sizeof(name), "%s/%s", base, leaf);
	return name;
}

int find(const char *rundir, bool create)
{
	struct rm_options o = { .slot = -1, .rundir = rundir };

	memset(path, '#', sizeof(path));
	why[0] = 0;
	return rm_rundir_find(&o, create, path, why, sizeof(why));
}

void not_tested(const char *what, const char *needs)
{
	fprintf(stderr, "not tested: %s: it needs %s\n", what, needs);
}

int listen_at(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" RM_SOCKET_NAME, dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

int run_in_base(const char *name, const struct unit_test *tests, size_t count)
{
	char command[64];
	int status;

	if (!mkdtemp(base))
		return EXIT_FAILURE;
	status = unit_run(name, tests, count);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	if (system(command) != 0)
		status = EXIT_FAILURE;
	return status;
}
