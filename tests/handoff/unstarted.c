/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An rmmapd that cannot start: the call fails as soon as that is known, and with its words.
 */
#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* From now on, here and in what is started from here, this system call fails. */
static void forbid(unsigned call, unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* argument: errno, the system call that is forbidden or -1, and the words, by spaces. */
static int refused_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	int error, call, words = 0;

	CHECK(sscanf(argument, "%d %d %n", &error, &call, &words) == 2);
	if (call >= 0)
		forbid((unsigned)call, EPERM);
	for (int i = 0; i < 2; i++) {
		CHECK(rmmap_publish(strdup("x"), handle, sizeof(handle)) == -1);
		CHECK(handle[0] == '\0');
		CHECK_ERROR(error, argument + words);
	}
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	return 0;
}

/* A generous limit: what is known at once took 30 seconds. */
static void refuse(const char *daemon, int error, int call, const char *words)
{
	struct timespec before, after;
	char argument[512], out[16];

	setenv("RMMAP_DAEMON", daemon, 1);
	snprintf(argument, sizeof(argument), "%d %d %s", error, call, words);
	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK(run_self("refused", argument, out, sizeof(out)) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec - before.tv_sec < 25);
}

static const char *path_of(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", other_rundir(), name);
	return path;
}

static void script(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void scripts(void)
{
	char path[256];

	script(path_of(path, "daemon"), "#!/bin/sh\necho 'a reason of its own' >&2\nexit 3\n");
	refuse(path, ECONNREFUSED, -1, "rmmapd could not start: a reason of its own");
	script(path, "#!/bin/sh\nkill -9 $$\n");
	refuse(path, ECONNREFUSED, -1, "without a word");
	refuse("/bin/false", ECONNREFUSED, -1, "without a word");
	unlink(path);
}

/* The loader's own words: rmmapd itself never runs. */
static void broken_library(const char *daemon)
{
	const char *before = getenv("LD_LIBRARY_PATH");
	char path[256], all[1024], *kept = before ? strdup(before) : NULL;

	script(path_of(path, "libfabric.so.1"), "no library\n");
	snprintf(all, sizeof(all), "%s%s%s", other_rundir(), kept ? ":" : "", kept ? kept : "");
	setenv("LD_LIBRARY_PATH", all, 1);
	refuse(daemon, ECONNREFUSED, -1, "libfabric.so.1");
	snprintf(all, sizeof(all), "private:%s", daemon);
	refuse(all, ECONNREFUSED, -1, "libfabric.so.1");
	if (kept)
		setenv("LD_LIBRARY_PATH", kept, 1);
	else
		unsetenv("LD_LIBRARY_PATH");
	free(kept);
	unlink(path);
}

/* The first is rmmapd's, the second the library's own. */
static void sandbox(const char *daemon)
{
	refuse(daemon, ECONNREFUSED, SYS_socketpair, "no worker can be started: Operation not permitted");
	refuse(daemon, ECONNREFUSED, SYS_flock, "cannot be locked: Operation not permitted");
	refuse(daemon, ECONNREFUSED, SYS_signalfd4, "no worker can be started: Operation not permitted");
	refuse(daemon, ECONNREFUSED, SYS_epoll_create1, "the worker cannot start");
}

static void log_refused(const char *daemon)
{
	char path[256];

	setenv("RMMAP_LOG", path_of(path, "no/such/directory"), 1);
	refuse(daemon, ECONNREFUSED, -1, "cannot open the log");
	unsetenv("RMMAP_LOG");
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char *daemon, handle[RMMAP_HANDLE_MAX];

	if (mode && strcmp(mode, "refused") == 0)
		return refused_mode(argv[2]);
	daemon = strdup(getenv("RMMAP_DAEMON"));
	scripts();
	broken_library(daemon);
	sandbox(daemon);
	log_refused(daemon);
	/* none of them has left anything that stands in the way */
	setenv("RMMAP_DAEMON", daemon, 1);
	CHECK(rmmap_publish(strdup("x"), handle, sizeof(handle)) == 0);
	free(daemon);
	return 0;
}
