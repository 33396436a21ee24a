/* SPDX-License-Identifier: BSD-2-Clause */
/* child.c - consumers as processes, see kills.h */
#include "kills.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/common/channel.h"

void pause_ns(uint64_t ns)
{
	struct timespec time = { (time_t)(ns / SECOND), (long)(ns % SECOND) };

	nanosleep(&time, NULL);
}

struct control *control_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct control)) == 0)
		map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

int child_make(struct child *child, const char *parent, unsigned number)
{
	memset(child, 0, sizeof(*child));
	snprintf(child->control_path, sizeof(child->control_path), "%s/control.%u", parent, number);
	snprintf(child->err, sizeof(child->err), "%s/err.%u", parent, number);
	child->control = control_map(child->control_path);
	return child->control ? 0 : -1;
}

static void child_exec(const struct child *child, const struct host *host, const char *kind,
                       uint64_t seed, const char *handle)
{
	char number[24], path[512];
	int fd = open(child->err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
	snprintf(path, sizeof(path), "%s/tests/kills/consumer", getenv("abs_top_builddir"));
	setenv("RMMAP_RUNDIR", host->dir, 1);
	setenv("RMMAP_LOG", host->log, 1);
	setenv("RMMAP_TTL", "1000000", 1);
	setenv("KILLS_CONTROL", child->control_path, 1);
	setenv("KILLS_ROLE", "consumer", 1);
	/* what is absent stays so until it is touched, but where fetching ahead is the point */
	if (strcmp(kind, "prefetch") != 0 && strcmp(kind, "up") != 0)
		setenv("RMMAP_PREFETCH", "off", 1);
	setenv("LD_PRELOAD", getenv("KILLS_SHIM"), 1);
	execl(path, "consumer", kind, number, handle, (char *)NULL);
	_exit(127);
}

void child_start(struct child *child, const struct host *host, const char *kind, uint64_t seed,
                 const char *handle, unsigned hold)
{
	struct control *control = child->control;

	memset(control, 0, sizeof(*control));
	control->hold = hold;
	atomic_store(&control->armed, 1);
	child->status = 0;
	child->host = host;
	child->pid = fork();
	if (child->pid == 0)
		child_exec(child, host, kind, seed, handle);
	if (child->pid < 0)
		child->pid = 0;
}

bool child_over(struct child *child)
{
	if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
		child->pid = 0;
	return !child->pid;
}

void child_end(struct child *child)
{
	if (!child->pid)
		return;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, &child->status, 0);
	child->pid = 0;
}

bool child_wait(struct child *child)
{
	uint64_t deadline = rm_now_ns() + HANG_NS;

	while (!child_over(child)) {
		if (rm_now_ns() > deadline)
			return false;
		pause_ns(MS);
	}
	return true;
}

/* The lane is a subreaper: what its children leave becomes its child, until none is left. */
void children_end(pid_t but, pid_t and_but)
{
	char path[64];
	int pid, found = 1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	for (int round = 0; found && round < 1000; round++) {
		found = 0;
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &pid) == 1) {
			if (pid == but || pid == and_but)
				continue;
			found = 1;
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		if (f)
			fclose(f);
	}
}
