/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * function.c - rmmap function: executes rmmap-function, which contains the HTTP server
 *
 * rmmap-function is in the directory of rmmap in a build tree, and in libexec when installed. It
 * reads all options itself.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#ifdef RM_FUNCTION
/* True if rmmap-function is in the directory of this program; path is then its path. */
static bool program_beside(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	if (length <= 0 || length >= PATH_MAX)
		return false;
	path[length] = 0;
	slash = strrchr(path, '/');
	if (!slash || PATH_MAX - (slash - path) < (ssize_t)sizeof("/rmmap-function"))
		return false;
	strcpy(slash, "/rmmap-function");
	return !access(path, X_OK);
}

int cli_function(const struct args *args)
{
	static char installed[] = RM_LIBEXECDIR "/rmmap-function";
	char path[PATH_MAX], *program = program_beside(path) ? path : installed;

	/* operands[-1] is the word "function": it becomes argv[0] of the program */
	args->operands[-1] = program;
	execv(program, args->operands - 1);
	return cli_fail("cannot run %s: %m", program);
}
#else
int cli_function(const struct args *args)
{
	(void)args;
	return cli_fail("this build has no HTTP server: it was configured without libmicrohttpd or "
	                "cJSON; install them (libmicrohttpd-dev, libcjson-dev) and build rmmap "
	                "again");
}
#endif
