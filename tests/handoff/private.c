/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RMMAP_DAEMON=private: an rmmapd of the process's own, which nobody notices, which touches
 * no run directory and ends with the process.
 */
#include "handoff.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t children_ended;

static void on_child(int number)
{
	(void)number;
	children_ended++;
}

/* ---- the processes of private rmmapds that are this test's ---- */

static size_t read_proc(const char *pid, const char *name, char *out, size_t size)
{
	char path[300];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(out, 1, size - 1, file);
	fclose(file);
	out[n] = '\0';
	return n;
}

static bool holds(const char *text, size_t size, const char *word)
{
	return memmem(text, size, word, strlen(word)) != NULL;
}

/* How many there are; keepers come before their workers. */
static int private_daemons(pid_t *pids, int max)
{
	static char text[1 << 16];
	char marked[64];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int n = 0;

	CHECK(dir);
	snprintf(marked, sizeof(marked), "PRIVATE_MARK=%s", getenv("PRIVATE_MARK"));
	while ((entry = readdir(dir))) {
		size_t size = read_proc(entry->d_name, "cmdline", text, sizeof(text));

		if (atoi(entry->d_name) <= 0 || !holds(text, size, "--private"))
			continue;
		size = read_proc(entry->d_name, "environ", text, sizeof(text));
		if (holds(text, size, marked) && !process_gone(atoi(entry->d_name))) {
			if (n < max)
				pids[n] = atoi(entry->d_name);
			n++;
		}
	}
	closedir(dir);
	return n;
}

static bool all_gone(void)
{
	struct timespec pause = { 0, 10000000 };

	for (int i = 0; i < 6000; i++) {
		if (private_daemons(NULL, 0) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* ---- modes ---- */

static uint64_t sum_of(const char *handle)
{
	void *root = rmmap_attach(handle);
	uint64_t sum;

	CHECK(root);
	sum = structure_sum("tree", root);
	CHECK(rmmap_detach(root) == 0);
	return sum;
}

static void publish_tree(char handle[RMMAP_HANDLE_MAX])
{
	CHECK(rmmap_publish(structure_build("tree", 1), handle, RMMAP_HANDLE_MAX) == 0);
}

static int unnoticed_mode(void)
{
	struct sigaction handler = { .sa_handler = on_child };
	char handle[RMMAP_HANDLE_MAX];

	CHECK(sigaction(SIGCHLD, &handler, NULL) == 0);
	publish_tree(handle);
	CHECK(private_daemons(NULL, 0) == 2);
	CHECK(access(getenv("RMMAP_RUNDIR"), F_OK) < 0);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	CHECK(children_ended == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(rmmap_unpublish(handle) == -1 && errno == ENOENT);
	return 0;
}

/* A child of fork has an rmmapd of its own, and fetches by the fabric; so does its parent. */
static int forks_mode(void)
{
	char handle[RMMAP_HANDLE_MAX], of_child[RMMAP_HANDLE_MAX] = "";
	int up[2], down[2], status;
	pid_t pid;

	publish_tree(handle);
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char mine[RMMAP_HANDLE_MAX];

		publish_tree(mine);
		CHECK(private_daemons(NULL, 0) == 4);
		CHECK(write(up[1], mine, sizeof(mine)) == (ssize_t)sizeof(mine));
		CHECK(read(down[0], mine, 1) == 1);
		_exit(0);
	}
	CHECK(read(up[0], of_child, sizeof(of_child)) == (ssize_t)sizeof(of_child));
	CHECK(sum_of(of_child) == structure_sum("tree", structure_build("tree", 1)));
	CHECK(write(down[1], "", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	/* the child's is gone; this process's goes on */
	for (int i = 0; i < 6000 && private_daemons(NULL, 0) > 2; i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	CHECK(private_daemons(NULL, 0) == 2);
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

/* Print a handle; go on until killed. */
static _Noreturn void stay_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];

	publish_tree(handle);
	printf("%s\n", handle);
	fflush(stdout);
	for (;;)
		pause();
}

/* A program that closes all it does not know goes on, and all its rmmapds end with it. */
static int closes_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];

	publish_tree(handle);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	publish_tree(handle);
	CHECK(private_daemons(NULL, 0) == 4);
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

static int killed_mode(void)
{
	char handle[RMMAP_HANDLE_MAX], other[RMMAP_HANDLE_MAX];
	pid_t pids[2], child[4];
	int first;

	publish_tree(handle);
	CHECK(private_daemons(pids, 2) == 2);
	first = daemon_children(pids[0], child, 4) ? 0 : 1;     /* the keeper */
	CHECK(kill(pids[1 - first], SIGKILL) == 0);
	publish_tree(other);
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(private_daemons(pids, 2) == 2);
	CHECK(kill(pids[0], SIGSTOP) == 0 && kill(pids[1], SIGSTOP) == 0);
	CHECK(kill(pids[0], SIGKILL) == 0 && kill(pids[1], SIGKILL) == 0);
	publish_tree(handle);
	CHECK(rmmap_unpublish(other) == -1);
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

/* ---- */

static void run_private(const char *mode)
{
	char out[64];

	CHECK(run_self(mode, "", out, sizeof(out)) == 0);
	CHECK(all_gone());
	printf("%s\n", mode);
	fflush(stdout);
}

/* Somebody with an ordinary rmmapd attaches what such a process has published. */
static void attach_and_kill(const char *rundir, const char *daemon)
{
	char handle[RMMAP_HANDLE_MAX] = "", own[16];
	int out;
	pid_t pid = start_self("stay", "", &out);
	FILE *file = fdopen(out, "r");

	CHECK(file && fgets(handle, sizeof(handle), file));
	CHECK(private_daemons(NULL, 0) == 2);
	setenv("RMMAP_RUNDIR", rundir, 1);
	setenv("RMMAP_DAEMON", daemon, 1);
	CHECK(run_self("attach", handle, own, sizeof(own)) == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(all_gone());
	CHECK(run_self("refused", handle, own, sizeof(own)) == 0);
	fclose(file);
}

static int run_mode(const char *mode, const char *argument)
{
	if (strcmp(mode, "unnoticed") == 0)
		return unnoticed_mode();
	if (strcmp(mode, "forks") == 0)
		return forks_mode();
	if (strcmp(mode, "stay") == 0)
		stay_mode();
	if (strcmp(mode, "closes") == 0)
		return closes_mode();
	if (strcmp(mode, "killed") == 0)
		return killed_mode();
	if (strcmp(mode, "attach") == 0)
		return sum_of(argument) != structure_sum("tree", structure_build("tree", 1));
	CHECK(strcmp(mode, "refused") == 0);
	CHECK(rmmap_attach(argument) == NULL);
	CHECK(errno == EHOSTUNREACH || errno == ETIMEDOUT);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char private[600], mark[16], *daemon, *rundir;

	if (mode)
		return run_mode(mode, argc > 2 ? argv[2] : "");
	daemon = strdup(getenv("RMMAP_DAEMON"));
	rundir = strdup(getenv("RMMAP_RUNDIR"));
	snprintf(private, sizeof(private), "private:%s", daemon);
	snprintf(mark, sizeof(mark), "%d", getpid());
	setenv("PRIVATE_MARK", mark, 1);
	setenv("RMMAP_DAEMON", private, 1);
	snprintf(private, sizeof(private), "%s/absent", rundir);
	setenv("RMMAP_RUNDIR", private, 1);
	run_private("unnoticed");
	run_private("forks");
	run_private("closes");
	run_private("killed");
	attach_and_kill(rundir, daemon);
	return 0;
}
