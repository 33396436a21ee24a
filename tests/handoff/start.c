/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmapd is started without the program noticing: no SIGCHLD, nothing to wait for, nothing
 * inherited; programs that race to start it share one; what cannot be started says why.
 */
#include "handoff.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t children_ended;

static void on_child(int number)
{
	(void)number;
	children_ended++;
}

static void publish_something(char handle[RMMAP_HANDLE_MAX])
{
	CHECK(rmmap_publish(strdup("something"), handle, RMMAP_HANDLE_MAX) == 0);
}

/* End rmmapd, so that the next call has to start one. */
static void stop(void)
{
	pid_t pid = daemon_pid();

	CHECK(pid > 1 && stop_daemon(pid));
}

static bool has(const char *path, const char *text)
{
	char buffer[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buffer, sizeof(buffer) - 1);

	CHECK(n >= 0);
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (buffer[i] == '\0')
			buffer[i] = '\n';
	buffer[n] = '\0';
	return strstr(buffer, text) != NULL;
}

/* Is this signal in the set that /proc/PID/status gives under this name? */
static bool set(const char *path, const char *name, int number)
{
	unsigned long long bits = 0;
	char line[256];
	FILE *f = fopen(path, "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			bits = strtoull(line + strlen(name), NULL, 16);
	fclose(f);
	return bits >> (number - 1) & 1;
}

/* The pipe by which a start is heard is closed a moment after the answer. */
static bool has_pipe(pid_t pid)
{
	char path[64], target[PATH_MAX];
	bool found = false;

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0)
			target[n] = '\0';
		found |= n > 0 && strstr(target, "pipe:");
	}
	return found;
}

/* Of all that this process has open and set, nothing is rmmapd's. */
static void inherited(pid_t pid, const char *marked)
{
	char path[64], target[PATH_MAX], ours[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	CHECK(!has(path, "LD_PRELOAD="));
	CHECK(has(path, "HANDOFF_MARK=1"));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	CHECK(!set(path, "SigBlk:", SIGUSR1) && !set(path, "SigIgn:", SIGUSR2));
	CHECK(getsid(pid) == pid || getsid(pid) != getsid(0));
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	n = readlink(path, target, sizeof(target) - 1);
	CHECK(n > 0);
	target[n] = '\0';
	CHECK(strcmp(target, "/") == 0 || strcmp(target, getenv("RMMAP_RUNDIR")) == 0);
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, ours, sizeof(ours) - 1);
		if (n < 0)
			continue;
		ours[n] = '\0';
		CHECK(strcmp(ours, marked) != 0);
	}
	for (int i = 0; i < 6000 && has_pipe(pid); i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	CHECK(!has_pipe(pid));
}

/* It is nobody's child here: not by wait, not by signal. */
static void unnoticed(int action)
{
	struct sigaction handler = { .sa_handler = action == 0 ? SIG_DFL : action == 1 ? SIG_IGN :
	                                           on_child };
	char handle[RMMAP_HANDLE_MAX];

	CHECK(sigaction(SIGCHLD, &handler, NULL) == 0);
	children_ended = 0;
	publish_something(handle);
	errno = 0;
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	stop();
	CHECK(children_ended == 0);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	CHECK(rmmap_unpublish(handle) == -1 && errno == ENOENT);
	stop();
	handler.sa_handler = SIG_DFL;
	CHECK(sigaction(SIGCHLD, &handler, NULL) == 0);
}

static int race_mode(const char *go)
{
	struct timespec time = { 0, 1000000 };
	char handle[RMMAP_HANDLE_MAX];

	for (int i = 0; access(go, F_OK) != 0; i++) {
		CHECK(i < 60000);
		nanosleep(&time, NULL);
	}
	publish_something(handle);
	printf("%d", daemon_pid());
	return 0;
}

static void race(void)
{
	char go[PATH_MAX], out[4][32];
	int fds[4];
	pid_t pids[4];

	snprintf(go, sizeof(go), "%s/go", getenv("RMMAP_RUNDIR"));
	for (int i = 0; i < 4; i++)
		pids[i] = start_self("race", go, &fds[i]);
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (int i = 0; i < 4; i++) {
		CHECK(end_self(pids[i], fds[i], out[i], sizeof(out[i])) == 0);
		CHECK(atoi(out[i]) > 1 && strcmp(out[i], out[0]) == 0);
	}
	stop();
}

static int refused_mode(const char *words)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(strdup("x"), handle, sizeof(handle)) == -1);
	CHECK_ERROR(ECONNREFUSED, words);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	return 0;
}

static void refused(const char *value, const char *words)
{
	char *before = strdup(getenv("RMMAP_DAEMON")), out[16];

	setenv("RMMAP_DAEMON", value, 1);
	CHECK(run_self("refused", words, out, sizeof(out)) == 0);
	setenv("RMMAP_DAEMON", before, 1);
	free(before);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX], marked[PATH_MAX];
	sigset_t blocked;
	int fd;

	if (mode && strcmp(mode, "race") == 0)
		return race_mode(argv[2]);
	if (mode && strcmp(mode, "refused") == 0)
		return refused_mode(argv[2]);
	refused("off", "RMMAP_DAEMON=off");
	refused("private:/nonexistent/rmmapd", "No such file or directory");
	refused("/nonexistent/rmmapd", "No such file or directory");
	snprintf(marked, sizeof(marked), "%s/marked", getenv("RMMAP_RUNDIR"));
	fd = open(marked, O_CREAT | O_RDWR, 0600);      /* without O_CLOEXEC */
	CHECK(fd >= 0 && fcntl(fd, F_DUPFD, 500) >= 0);
	setenv("HANDOFF_MARK", "1", 1);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	publish_something(handle);
	inherited(daemon_pid(), marked);
	stop();
	for (int action = 0; action < 3; action++)
		unnoticed(action);
	race();
	return 0;
}
