/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - see host.h: run directories, and their rmmapd */
#include "host.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "rundir.h"

#define HOSTS 3

static char directories[HOSTS][64];
static unsigned made;
static char *directory;
static pid_t owner;

/* ---- the run directory ---- */

const char *host_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

const char *host_directory(void)
{
	return directory;
}

pid_t host_keeper(void)
{
	FILE *file = fopen(host_path(RM_LOCK_NAME), "r");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

bool host_listens(void)
{
	int fd = rm_rundir_connect(directory);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool unlocked(void)
{
	int fd = open(host_path(RM_LOCK_NAME), O_RDWR | O_CLOEXEC);
	bool ret = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

bool host_gone(void)
{
	return access(host_path(RM_SOCKET_NAME), F_OK) < 0 && unlocked();
}

bool host_dead(void)
{
	return !host_listens() && unlocked();
}

bool host_eventually(bool (*true_now)(void))
{
	uint64_t deadline = rm_now_ns() + PATIENCE;

	while (!true_now()) {
		if (rm_now_ns() > deadline)
			return false;
		usleep(5000);
	}
	return true;
}

/* Only who holds the lock of this directory is signalled: a pid alone may be anybody's. */
static void end_daemon(void)
{
	pid_t keeper = host_keeper();

	for (int i = 0; i < 6000 && keeper > 1 && !unlocked(); i++) {
		if (i % 50 == 0)
			kill(keeper, SIGTERM);
		usleep(10000);
	}
}

static void clean_up(void)
{
	const char *const names[] = { RM_SOCKET_NAME, RM_LOCK_NAME, RM_HOST_NAME, "log" };

	if (getpid() != owner)
		return;
	for (unsigned n = 0; n < made; n++) {
		directory = directories[n];
		end_daemon();
		for (size_t i = 0; i < COUNT(names); i++)
			unlink(host_path(names[i]));
		rmdir(directory);
	}
}

void host_use(unsigned n)
{
	directory = directories[n];
	setenv("RMMAP_RUNDIR", directory, 1);
	setenv("RMMAP_LOG", host_path("log"), 1);
}

void host_new(void)
{
	ck_assert_uint_lt(made, HOSTS);
	strcpy(directories[made], "/tmp/rmmapd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directories[made]));
	if (!made)
		atexit(clean_up);
	owner = getpid();
	setenv("RMMAP_FABRIC", "off", 1);
	host_use(made++);
}

/* ---- rmmapd ---- */

pid_t host_spawn(const char *const *options)
{
	const char *argv[16] = { "rmmapd" };
	const char *build = getenv("abs_top_builddir");
	char path[512];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/rmmapd", build ? build : ".");
	for (unsigned i = 0; options[i]; i++)
		argv[1 + i] = options[i];
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		execv(path, (char *const *)argv);
		_exit(127);
	}
	return pid;
}

int host_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int host_start(const char *const *options)
{
	return host_wait(host_spawn(options));
}

unsigned host_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static char state(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state;
}

unsigned host_settled_fds(pid_t pid)
{
	uint64_t deadline = rm_now_ns() + PATIENCE;

	while (state(pid) != 'S') {
		ck_assert_uint_lt(rm_now_ns(), deadline);
		usleep(1000);
	}
	return host_fds(pid);
}

long host_rss(pid_t pid)
{
	char path[64], line[128];
	long rss = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &rss) == 1)
			break;
	fclose(file);
	return rss;
}
