/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - a run directory, the rmmapd in it that has the shim, and questions to it */
#include "kills.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/common/channel.h"
#include "../../src/common/rundir.h"

#define ANSWER_NS (10 * SECOND)

int host_make(struct host *host, const char *parent, char name)
{
	memset(host, 0, sizeof(*host));
	host->name = name;
	snprintf(host->dir, sizeof(host->dir), "%.70s/%c", parent, name);
	snprintf(host->control_path, sizeof(host->control_path), "%s.control", host->dir);
	snprintf(host->log, sizeof(host->log), "%s.log", host->dir);
	if (mkdir(host->dir, 0700))
		return -1;
	host->control = control_map(host->control_path);
	return host->control ? 0 : -1;
}

static void daemon_exec(const struct host *host)
{
	setenv("RMMAP_RUNDIR", host->dir, 1);
	setenv("KILLS_CONTROL", host->control_path, 1);
	setenv("KILLS_ROLE", "daemon", 1);
	setenv("LD_PRELOAD", getenv("KILLS_SHIM"), 1);
	execl(getenv("RMMAP_DAEMON"), "rmmapd", "--foreground", "--log", host->log, (char *)NULL);
	_exit(127);
}

bool host_start(struct host *host)
{
	memset(host->control, 0, sizeof(*host->control));
	host->kills = 0;
	if (truncate(host->log, 0) < 0 && errno != ENOENT)
		return false;
	host->keeper = fork();
	if (host->keeper == 0)
		daemon_exec(host);
	if (host->keeper < 0)
		host->keeper = 0;
	if (host->keeper)
		host_wait(host);
	return host_lives(host);
}

/* The keeper first, so that it starts no other worker. */
void host_end(struct host *host)
{
	pid_t worker = host_worker(host);

	if (!host->keeper)
		return;
	kill(host->keeper, SIGKILL);
	waitpid(host->keeper, NULL, 0);
	host->keeper = 0;
	if (worker) {
		kill(worker, SIGKILL);
		waitpid(worker, NULL, 0);
	}
}

/* Children that write to a consumer's stderr come later and go soon: the first is the worker. */
pid_t host_worker(const struct host *host)
{
	char path[64];
	int pid = 0;
	FILE *f;

	if (!host->keeper)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", host->keeper, host->keeper);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

bool host_lives(const struct host *host)
{
	siginfo_t info = { .si_pid = 0 };

	if (!host->keeper || atomic_load(&host->control->keeper_killed))
		return false;
	if (waitid(P_PID, (id_t)host->keeper, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return false;
	return info.si_pid == 0;
}

void host_wait(const struct host *host)
{
	uint64_t deadline = rm_now_ns() + 20 * SECOND;
	struct rm_daemon_info info;

	while (host_lives(host) && !host_ask(host, &info, NULL, NULL, NULL) &&
	       rm_now_ns() < deadline)
		pause_ns(4 * MS);
}

/* ---- the socket ---- */

/* Of this connection's one request; a worker that died in between is asked again by the caller. */
static bool exchange(int socket, struct rm_wire *request, size_t size, void *reply, int *fd)
{
	const struct rm_wire *head = reply;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count = 0;
	ssize_t n = 0;

	request->magic = RM_WIRE_MAGIC;
	request->version = RM_WIRE_VERSION;
	if (rm_channel_send(socket, request, size, NULL, 0, rm_now_ns() + ANSWER_NS))
		return false;
	do {
		n = rm_channel_recv(socket, reply, RM_WIRE_MAX, fds, &count, rm_now_ns() + ANSWER_NS);
		for (unsigned i = 1; i < count; i++)
			close(fds[i]);
	} while (n >= (ssize_t)sizeof(*head) && head->type == RM_PROGRESS);
	*fd = count ? fds[0] : -1;
	return n >= (ssize_t)sizeof(*head) && head->type != RM_RESTARTED;
}

/* Records of RM_INFO or RM_LIST, mapped. NULL: none, or no answer. */
static void *records(int socket, uint16_t type, uint64_t seq, unsigned *count, size_t *size)
{
	_Alignas(8) char reply[RM_WIRE_MAX];
	const struct rm_wire_info_reply *answer = (const void *)reply;
	struct rm_wire request = { .type = type, .seq = seq };
	void *map = MAP_FAILED;
	int fd;

	if (!exchange(socket, &request, sizeof(request), reply, &fd))
		return NULL;
	*count = answer->head.type == RM_INFO_REPLY ? answer->count : 0;
	*size = (size_t)*count * answer->record_size;
	if (*size && fd >= 0)
		map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static unsigned readers_of(int socket)
{
	unsigned count = 0, sum = 0;
	struct rm_pub_info *list;
	size_t size;

	list = records(socket, RM_LIST, 3, &count, &size);
	for (unsigned i = 0; list && i < count; i++)
		sum += list[i].remote_attached;
	if (list)
		munmap(list, size);
	return sum;
}

bool host_ask(const struct host *host, struct rm_daemon_info *info, unsigned *readers,
              void (*meanwhile)(void *arg), void *arg)
{
	struct rm_wire_hello hello = { .head = { .type = RM_HELLO, .seq = 1 },
	                               .pid = (uint32_t)getpid(),
	                               .layout = rm_layout_here() };
	_Alignas(8) char reply[RM_WIRE_MAX];
	int unwanted = -1, socket = rm_rundir_connect(host->dir);
	struct rm_daemon_info *found = NULL;
	unsigned count;
	size_t size;

	if (socket < 0)
		return false;
	if (exchange(socket, &hello.head, sizeof(hello), reply, &unwanted))
		found = records(socket, RM_INFO, 2, &count, &size);
	if (unwanted >= 0)
		close(unwanted);
	if (found) {
		*info = *found;
		munmap(found, size);
		if (readers)
			*readers = readers_of(socket);
		if (meanwhile)
			meanwhile(arg);
	}
	close(socket);
	return found != NULL;
}
