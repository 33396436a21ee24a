/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that inherits orphans, as a child subreaper or as the first process of a pid
 * namespace, waits for all of its children: rmmapd is none of them, nor is anything that is
 * left of it, and the process that stands between the two has hardly any memory.
 */
#include "handoff.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t children_ended;

static void on_child(int number)
{
	(void)number;
	children_ended++;
}

static void pause_10ms(void)
{
	nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
}

/* As it is known in this pid namespace; /proc may be another's. */
static pid_t keeper(void)
{
	char path[256];
	int pid = 0;

	snprintf(path, sizeof(path), "%s/rmmapd.lock", getenv("RMMAP_RUNDIR"));
	for (int i = 0; i < 6000; i++) {
		FILE *f = fopen(path, "re");

		if (f && fscanf(f, "%d", &pid) != 1)
			pid = 0;
		if (f)
			fclose(f);
		if (pid > 1 && kill(pid, 0) == 0)
			return pid;
		pause_10ms();
	}
	return 0;
}

static void publish_something(char handle[RMMAP_HANDLE_MAX])
{
	CHECK(rmmap_publish(strdup("something"), handle, RMMAP_HANDLE_MAX) == 0);
}

/* The loop of a first process: it ends with the last child, and sees no other. */
static void wait_for_all(pid_t child)
{
	int seen = 0;
	pid_t pid;

	alarm(120);
	while ((pid = waitpid(-1, NULL, 0)) > 0 || errno == EINTR)
		if (pid > 0) {
			CHECK(pid == child);
			seen++;
		}
	CHECK(errno == ECHILD && seen == 1);
	alarm(0);
}

static void with_child(void)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child)
		_exit(0);
	wait_for_all(child);
}

static void end(pid_t pid)
{
	for (int i = 0; kill(pid, 0) == 0; i++) {
		CHECK(i < 6000);
		if (i % 100 == 0)
			kill(pid, SIGTERM);
		pause_10ms();
	}
}

/* Twice: the second start takes away what is left of the first, but for the last. */
static void starts(void)
{
	struct sigaction handler = { .sa_handler = on_child };
	char handle[RMMAP_HANDLE_MAX];
	int left = 0;

	CHECK(sigaction(SIGCHLD, &handler, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid;

		publish_something(handle);
		pid = keeper();
		CHECK(pid > 1);
		children_ended = 0;
		with_child();
		CHECK(rmmap_unpublish(handle) == 0);
		end(pid);
		CHECK(children_ended == 1);
		errno = 0;
		CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	}
	alarm(120);
	while (waitpid(-1, NULL, __WALL) > 0)
		left++;
	alarm(0);
	CHECK(left == 1);
}

/* The worker goes on alone, and is no child here either. */
static void keeper_killed(void)
{
	char handle[RMMAP_HANDLE_MAX];
	pid_t pid;

	publish_something(handle);
	pid = keeper();
	CHECK(pid > 1 && kill(pid, SIGKILL) == 0);
	for (int i = 0; i < 6000 && kill(pid, 0) == 0; i++)
		pause_10ms();
	with_child();
	CHECK(rmmap_unpublish(handle) == 0);
	end(-pid);              /* both were one process group */
}

static void refused(void)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(strdup("x"), handle, sizeof(handle)) == -1);
	CHECK_ERROR(ECONNREFUSED, "No such file or directory");
	CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD);
}

static int reaper_mode(const char *as)
{
	if (strcmp(as, "subreaper") == 0)
		CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	else
		CHECK(getpid() == 1);
	if (access(getenv("RMMAP_DAEMON"), X_OK) < 0) {
		refused();
		return 0;
	}
	starts();
	keeper_killed();
	return 0;
}

/* What the program has in memory is not held by who stands between. */
static int memory_mode(void)
{
	char handle[RMMAP_HANDLE_MAX], path[64], line[256];
	char *large = malloc((size_t)64 << 20);
	long kb = -1;
	int parent = 0;
	FILE *f;

	CHECK(large && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	memset(large, 1, (size_t)64 << 20);
	publish_something(handle);
	snprintf(path, sizeof(path), "/proc/%d/status", keeper());
	f = fopen(path, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	fclose(f);
	CHECK(parent > 1 && parent != getpid());
	snprintf(path, sizeof(path), "/proc/%d/status", parent);
	for (int i = 0; i < 6000 && !(kb >= 0 && kb < 1024); i++) {
		f = fopen(path, "re");
		CHECK(f);
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "VmSize: %ld", &kb) == 1)
				break;
		fclose(f);
		pause_10ms();
	}
	CHECK(kb >= 0 && kb < 1024);
	CHECK(rmmap_unpublish(handle) == 0);
	end(keeper());
	free(large);
	return 0;
}

static bool write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool done = f && fputs(text, f) >= 0;

	return f && fclose(f) == 0 && done;
}

/* Exit status 77 where there may be no namespace. */
static int first_process(void)
{
	unsigned uid = getuid();
	int flags = CLONE_NEWPID | (uid ? CLONE_NEWUSER : 0), status;
	char map[64];
	pid_t pid;

	fflush(NULL);
	if (unshare(flags) < 0)
		return 77;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (uid && !write_file("/proc/self/uid_map", map))
		return 77;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "self", "reaper", "first", (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int in_child(int (*function)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(function());
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[16], *daemon;
	int ret;

	if (mode && strcmp(mode, "reaper") == 0)
		return reaper_mode(argv[2]);
	if (mode && strcmp(mode, "memory") == 0)
		return memory_mode();
	CHECK(run_self("reaper", "subreaper", out, sizeof(out)) == 0);
	CHECK(run_self("memory", "", out, sizeof(out)) == 0);
	daemon = strdup(getenv("RMMAP_DAEMON"));
	setenv("RMMAP_DAEMON", "/nonexistent/rmmapd", 1);
	CHECK(run_self("reaper", "subreaper", out, sizeof(out)) == 0);
	setenv("RMMAP_DAEMON", daemon, 1);
	free(daemon);
	ret = in_child(first_process);
	if (ret == 77)
		fprintf(stderr, "no pid namespace may be made here: that part was left out\n");
	return ret;
}
