/* SPDX-License-Identifier: BSD-2-Clause */
/* handoff.c - run directory, processes and rmmapd for the tests of publish and attach */
#include "handoff.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 600000               /* of a whole test */
#define PATIENCE 6000                   /* times 10 ms, for one event */

void check_failed(const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: failed: %s (errno %s, rmmap_error \"%s\")\n", file, line, text,
	        strerror(errno), rmmap_error());
	_exit(1);
}

void check_error(const char *file, int line, int error, const char *words)
{
	if (errno == error && strstr(rmmap_error(), words))
		return;
	fprintf(stderr, "%s:%d: wanted %s with \"%s\", got %s with \"%s\"\n", file, line,
	        strerror(error), words, strerror(errno), rmmap_error());
	_exit(1);
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static bool connects(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/rmmapd.sock", dir);
	yes = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	close(fd);
	return yes;
}

/* It writes its process id into the lock, a moment after it listens. */
pid_t daemon_pid(void)
{
	const char *dir = getenv("RMMAP_RUNDIR");
	char path[256];
	int pid = 0;

	for (int i = 0; pid == 0 && i < PATIENCE && connects(dir); i++) {
		FILE *f;

		pause_ms(i ? 10 : 0);
		snprintf(path, sizeof(path), "%s/rmmapd.lock", dir);
		f = fopen(path, "re");
		if (f && fscanf(f, "%d", &pid) != 1)
			pid = 0;
		if (f)
			fclose(f);
		if (pid && process_gone(pid))
			pid = 0;
	}
	return pid;
}

bool process_gone(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	if (f)
		fclose(f);
	return state == 'Z';
}

bool stop_daemon(pid_t pid)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (process_gone(pid))
			return true;
		if (i % 100 == 0 || i == 5)
			kill(pid, SIGTERM);
		pause_ms(10);
	}
	return false;
}

int daemon_children(pid_t pid, pid_t *children, int max)
{
	char path[64];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	while (f && n < max && fscanf(f, "%d", &children[n]) == 1)
		n++;
	if (f)
		fclose(f);
	return n;
}

static long rss_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int descriptors(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

long daemon_rss_kb(pid_t pid)
{
	pid_t children[16];
	int n = daemon_children(pid, children, 16);
	long sum = rss_kb(pid);

	for (int i = 0; i < n; i++)
		sum += rss_kb(children[i]);
	return sum;
}

int daemon_descriptors(pid_t pid)
{
	pid_t children[16];
	int n = daemon_children(pid, children, 16), sum = descriptors(pid);

	for (int i = 0; i < n; i++)
		sum += descriptors(children[i]);
	return sum;
}

int own_descriptors(void)
{
	return descriptors(getpid());
}

static void remove_directory(const char *path)
{
	char name[512];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		unlink(name);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void end_daemon(void)
{
	pid_t pid = daemon_pid();

	if (pid > 1 && !stop_daemon(pid)) {
		fprintf(stderr, "rmmapd %d does not end\n", pid);
		kill(pid, SIGKILL);
	}
}

/* The other "hosts" of a test: run directories below the first. */
static const char *rundir_below(char path[256], const char *name)
{
	if (!path[0]) {
		snprintf(path, 256, "%s/%s", getenv("RMMAP_RUNDIR"), name);
		mkdir(path, 0700);
	}
	return path;
}

const char *other_rundir(void)
{
	static char path[256];

	return rundir_below(path, "other");
}

const char *third_rundir(void)
{
	static char path[256];

	return rundir_below(path, "third");
}

static void clean_up(const char *dir)
{
	const char *const names[] = { "other", "third" };

	end_daemon();
	for (unsigned i = 0; i < 2; i++) {
		char below[256];

		snprintf(below, sizeof(below), "%s/%s", dir, names[i]);
		setenv("RMMAP_RUNDIR", below, 1);
		end_daemon();
		remove_directory(below);
	}
	remove_directory(dir);
}

/* Wait for the test, at most TIMEOUT_MS; its exit status. */
static int supervise(pid_t pid)
{
	int status;

	for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		if (i == TIMEOUT_MS / 10) {
			fprintf(stderr, "the test takes too long\n");
			kill(pid, SIGKILL);
		}
		pause_ms(10);
	}
	if (WIFSIGNALED(status))
		fprintf(stderr, "the test died of signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

const char *isolate(int argc, char **argv)
{
	char dir[] = "/tmp/rmmap-test-XXXXXX", daemon[512];
	int status;
	pid_t pid;

	if (getenv("HANDOFF_ISOLATED"))
		return argc > 1 ? argv[1] : NULL;
	CHECK(mkdtemp(dir));
	setenv("HANDOFF_ISOLATED", "1", 1);
	setenv("RMMAP_RUNDIR", dir, 1);
	snprintf(daemon, sizeof(daemon), "%s/rmmapd", getenv("abs_top_builddir") ?
	         getenv("abs_top_builddir") : BUILDDIR);
	setenv("RMMAP_DAEMON", daemon, 0);
	setenv("RMMAP_FABRIC", "tcp@127.0.0.1", 0);     /* no network is needed */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	status = supervise(pid);
	clean_up(dir);
	exit(status);
}

pid_t start_self(const char *mode, const char *argument, int *out)
{
	int ends[2];
	pid_t pid;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		if (getenv("HANDOFF_STDERR"))
			dup2(ends[1], 2);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", "self", mode, argument, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

int end_self(pid_t pid, int out, char *text, size_t size)
{
	size_t have = 0;
	ssize_t n;
	int status;

	while (have + 1 < size && (n = read(out, text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	close(out);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int run_self(const char *mode, const char *argument, char *out, size_t size)
{
	int fd;
	pid_t pid = start_self(mode, argument, &fd);

	return end_self(pid, fd, out, size);
}

void produce(const char *kind, char handle[RMMAP_HANDLE_MAX])
{
	CHECK(run_self("produce", kind, handle, RMMAP_HANDLE_MAX) == 0);
	CHECK(strncmp(handle, "rmmap1:", 7) == 0);
}

int produce_mode(const char *kind)
{
	char handle[RMMAP_HANDLE_MAX];
	void *root = structure_build(kind, 1);

	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	printf("%s", handle);
	return 0;
}
