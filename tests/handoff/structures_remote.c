/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two run directories on this machine are two hosts: each structure goes from the one to the
 * other over libfabric's tcp, eagerly and lazily, and its pages come by fi_read.
 */
#include "handoff.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const kinds[] = { "list", "tree", "table", "array" };
static const uint64_t least_pages[] = { 3900, 1560, 1295, 16384 };

static void *attach_as(const char *handle, unsigned flags)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;

	options.flags = flags;
	return rmmap_attach_with(handle, &options);
}

/* "FLAGS KIND HANDLE": prints the sum, fetched pages and fi_read calls. */
static int consume_mode(const char *argument)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	char kind[16], handle[RMMAP_HANDLE_MAX];
	unsigned flags;
	void *root;

	CHECK(sscanf(argument, "%u %15s %511s", &flags, kind, handle) == 3);
	root = attach_as(handle, flags);
	CHECK(root);
	printf("%llu ", (unsigned long long)structure_sum(kind, root));
	CHECK(rmmap_stats(&stats) == 0);
	CHECK(strncmp(stats.provider, "tcp", 3) == 0);
	CHECK(flags != RMMAP_LAZY || stats.faults > 0);
	printf("%llu %llu", (unsigned long long)stats.fetched_pages,
	       (unsigned long long)stats.reads);
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

static void hand_over(int i, unsigned flags, const char *home)
{
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 32], out[128];
	unsigned long long sum, pages, reads;
	void *mine = structure_build(kinds[i], 1);

	produce(kinds[i], handle);
	snprintf(argument, sizeof(argument), "%u %s %s", flags, kinds[i], handle);
	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	CHECK(run_self("consume", argument, out, sizeof(out)) == 0);
	setenv("RMMAP_RUNDIR", home, 1);
	CHECK(sscanf(out, "%llu %llu %llu", &sum, &pages, &reads) == 3);
	CHECK(sum == structure_sum(kinds[i], mine));
	printf("%s, flags %u: %llu pages by %llu reads\n", kinds[i], flags, pages, reads);
	fflush(stdout);
	CHECK(pages >= least_pages[i] && reads > 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

/* fork() completes what is lazy: the child sees data, not zeros. */
static int fork_mode(const char *handle)
{
	void *root = attach_as(handle, RMMAP_LAZY);
	uint64_t sum;
	int status;
	pid_t pid;

	CHECK(root);
	pid = fork();
	CHECK(pid >= 0);
	sum = structure_sum("array", root);
	if (pid == 0)
		_exit(sum == structure_sum("array", structure_build("array", 1)) ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(sum == structure_sum("array", structure_build("array", 1)));
	return 0;
}

/* A system call may be the first to touch a page, and realloc() too. */
static int syscall_mode(const char *handle)
{
	char *root = attach_as(handle, RMMAP_LAZY), *copy, buffer[4096];
	volatile uintptr_t kept = (uintptr_t)root; /* realloc() of attached memory frees nothing */
	uint64_t *want = structure_build("array", 1);
	int ends[2];

	CHECK(root && pipe(ends) == 0);
	CHECK(write(ends[1], root + (5 << 20), 4096) == 4096);
	CHECK(read(ends[0], buffer, 4096) == 4096);
	CHECK(memcmp(buffer, (char *)want + (5 << 20), 4096) == 0);
	copy = realloc(root, 65 << 20);
	CHECK(copy && (uintptr_t)copy != kept && memcmp(copy, want, 64 << 20) == 0);
	CHECK(rmmap_detach((void *)kept) == 0);
	return 0;
}

/* The other host's rmmapd loses its worker: a new one goes on, and nobody sees a wrong byte. */
static int worker_mode(const char *handle)
{
	uint64_t *root = attach_as(handle, RMMAP_LAZY), *want = structure_build("array", 1);
	size_t n = (64 << 20) / sizeof(*root);
	pid_t children[4];

	CHECK(root);
	for (size_t i = 0; i < n; i += 512) {
		if (i == n / 4 && daemon_children(daemon_pid(), children, 4) > 0)
			CHECK(kill(children[0], SIGKILL) == 0);
		CHECK(root[i] == want[i]);
	}
	return 0;
}

/* Keeper and worker killed in mid-walk: SIGBUS ends the reader, or all was there; never zeros. */
static int pager_mode(const char *handle)
{
	uint64_t *root = attach_as(handle, RMMAP_LAZY), *want = structure_build("array", 1);
	size_t n = (64 << 20) / sizeof(*root);
	pid_t pid = daemon_pid(), children[4];
	int count = daemon_children(pid, children, 4);

	CHECK(root && pid > 1 && count > 0 && root[0] == want[0]);
	kill(pid, SIGKILL);
	for (int i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	for (size_t i = 0; i < n; i += 512)
		CHECK(root[i] == want[i]);
	return 0;
}

static int run_there(const char *mode, const char *argument, const char *home)
{
	char out[64];
	int status;

	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	status = run_self(mode, argument, out, sizeof(out));
	setenv("RMMAP_RUNDIR", home, 1);
	return status;
}

/* Exit status 0: pages can be fetched when they are touched; 1: userfaultfd is not allowed. */
static int probe_mode(const char *handle)
{
	struct rmmap_attach_options lazy = { sizeof(lazy), RMMAP_LAZY };

	if (rmmap_attach_with(handle, &lazy))
		return 0;
	CHECK_ERROR(ENOTSUP, "userfaultfd");
	return 1;
}

/* On the publisher's own host there is nothing to fetch: no userfaultfd is needed. */
static void lazy_at_home(const char *handle)
{
	struct rmmap_attach_options lazy = { sizeof(lazy), RMMAP_LAZY };
	void *root = rmmap_attach_with(handle, &lazy);

	CHECK(root && rmmap_detach(root) == 0);
}

static int refused_mode(const char *argument)
{
	int error = atoi(argument);

	CHECK(!rmmap_attach(strchr(argument, ' ') + 1));
	CHECK_ERROR(error, "");
	return 0;
}

/* RMMAP_FABRIC=off, an unknown provider, and a host whose rmmapd is gone. */
static void refusals(const char *handle, const char *home)
{
	char argument[RMMAP_HANDLE_MAX + 16], fabric[64];
	pid_t pid = daemon_pid();

	snprintf(fabric, sizeof(fabric), "%s", getenv("RMMAP_FABRIC"));
	snprintf(argument, sizeof(argument), "%d %s", EHOSTUNREACH, handle);
	setenv("RMMAP_FABRIC", "off", 1);
	CHECK(run_there("refused", argument, home) == 0);
	setenv("RMMAP_FABRIC", fabric, 1);
	CHECK(pid > 1 && stop_daemon(pid));
	CHECK(run_there("refused", argument, home) == 0);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char home[256], handle[RMMAP_HANDLE_MAX];
	bool can_lazy;
	int status;

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	if (mode && strcmp(mode, "consume") == 0)
		return consume_mode(argv[2]);
	if (mode && strcmp(mode, "fork") == 0)
		return fork_mode(argv[2]);
	if (mode && strcmp(mode, "syscall") == 0)
		return syscall_mode(argv[2]);
	if (mode && strcmp(mode, "worker") == 0)
		return worker_mode(argv[2]);
	if (mode && strcmp(mode, "pager") == 0)
		return pager_mode(argv[2]);
	if (mode && strcmp(mode, "probe") == 0)
		return probe_mode(argv[2]);
	if (mode && strcmp(mode, "refused") == 0)
		return refused_mode(argv[2]);
	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	other_rundir();
	produce("array", handle);
	lazy_at_home(handle);
	can_lazy = run_there("probe", handle, home) == 0;
	for (int i = 0; i < 4; i++) {
		hand_over(i, RMMAP_EAGER, home);
		if (can_lazy)
			hand_over(i, RMMAP_LAZY, home);
	}
	if (can_lazy) {
		CHECK(run_there("fork", handle, home) == 0);
		CHECK(run_there("syscall", handle, home) == 0);
		CHECK(run_there("worker", handle, home) == 0);
		status = run_there("pager", handle, home);
		printf("rmmapd killed in mid-walk: %s\n", status == 0 ? "all pages were there" :
		       "the reader was ended");
		CHECK(status == 0 || status == -1);
	} else {
		printf("userfaultfd is not allowed here: only eager attaches were tested\n");
	}
	refusals(handle, home);
	return 0;
}
