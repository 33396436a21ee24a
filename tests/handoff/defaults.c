/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program that starts rmmapd was given is not what rmmapd runs with: its priority, its
 * CPUs, its scheduling class, its place before the OOM killer, its umask, its soft limits. What
 * could not be set is in the log; and an error that comes of RLIMIT_AS names it.
 */
#include "handoff.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *log_file(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/log", getenv("RMMAP_RUNDIR"));
	return path;
}

static bool logged(const char *words)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(log_file(), "re");

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, words) != NULL;
	if (f)
		fclose(f);
	return found;
}

static int read_number(const char *path)
{
	int number = -9999;
	FILE *f = fopen(path, "re");

	CHECK(f);
	CHECK(fscanf(f, "%d", &number) == 1);
	fclose(f);
	return number;
}

static int oom_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	return read_number(path);
}

/* None, whatever handlers libraries of rmmapd have installed: see handlers_remove(). */
static bool signals_caught(pid_t pid)
{
	unsigned long long mask = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "SigCgt: %llx", &mask) != 1)
		;
	fclose(f);
	return mask != 0;
}

static const int soft[] = { RLIMIT_AS, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_NOFILE };

/* A program that was given little. Its own exec is before that, so that nothing inherits it. */
static void burden(void)
{
	const struct sched_param none = { 0 };
	cpu_set_t one;
	int cpu = 0;
	FILE *f;

	CHECK(sched_getaffinity(0, sizeof(one), &one) == 0);
	while (!CPU_ISSET(cpu, &one))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0);
	CHECK(sched_setscheduler(0, SCHED_BATCH, &none) == 0);
	f = fopen("/proc/self/oom_score_adj", "we");
	CHECK(f && fputs("500", f) >= 0);
	CHECK(fclose(f) == 0);
	umask(0777);
	for (unsigned i = 0; i < sizeof(soft) / sizeof(soft[0]); i++) {
		struct rlimit limit;

		CHECK(getrlimit(soft[i], &limit) == 0);
		limit.rlim_cur = soft[i] == RLIMIT_NOFILE ? 256 : soft[i] == RLIMIT_CPU ? 1000 :
		                 (rlim_t)1 << 34;
		if (limit.rlim_cur < limit.rlim_max)
			CHECK(setrlimit(soft[i], &limit) == 0);
	}
}

static void unburdened(pid_t pid, const cpu_set_t *all, int oom)
{
	cpu_set_t cpus;

	CHECK(sched_getaffinity(pid, sizeof(cpus), &cpus) == 0 && CPU_EQUAL(&cpus, all));
	CHECK(sched_getscheduler(pid) == SCHED_OTHER);
	CHECK(getpriority(PRIO_PROCESS, (id_t)pid) == 0 || logged("nice value stays 7"));
	CHECK(oom_of(pid) == oom || oom_of(pid) == 0 || logged("oom_score_adj stays 500"));
	for (unsigned i = 0; i < sizeof(soft) / sizeof(soft[0]); i++) {
		struct rlimit limit;

		CHECK(prlimit(pid, soft[i], NULL, &limit) == 0);
		CHECK(limit.rlim_cur == limit.rlim_max);
	}
}

/* In a run directory that is made here, under that umask. */
static int start_mode(const char *dir)
{
	char handle[RMMAP_HANDLE_MAX];
	int oom = read_number("/proc/self/oom_score_adj");
	pid_t keeper, worker;
	cpu_set_t all;

	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	burden();
	CHECK(rmmap_publish(strdup(dir), handle, sizeof(handle)) == 0);
	keeper = daemon_pid();
	CHECK(keeper > 1 && daemon_children(keeper, &worker, 1) == 1);
	unburdened(keeper, &all, oom);
	unburdened(worker, &all, oom);
	CHECK(!signals_caught(keeper) && !signals_caught(worker));
	CHECK(stop_daemon(keeper));
	return 0;
}

/* ---- RLIMIT_AS ---- */

static int publish_mode(void)
{
	size_t size = (size_t)96 << 20;
	char handle[RMMAP_HANDLE_MAX], *large = malloc(size);

	CHECK(large);
	memset(large, 1, size);
	CHECK(rmmap_publish(large, handle, sizeof(handle)) == 0);
	printf("%s", handle);
	return 0;
}

/* The hard limit is one that rmmapd cannot raise, and only what comes later is too large. */
static int limited_mode(void)
{
	struct rlimit limit;
	char handle[RMMAP_HANDLE_MAX];
	struct rlimit small = { (rlim_t)64 << 20, (rlim_t)64 << 20 };
	pid_t keeper, worker;

	CHECK(rmmap_publish(strdup("first"), handle, sizeof(handle)) == 0);
	keeper = daemon_pid();
	CHECK(keeper > 1 && daemon_children(keeper, &worker, 1) == 1);
	CHECK(prlimit(worker, RLIMIT_AS, NULL, &limit) == 0);
	CHECK(prlimit(worker, RLIMIT_AS, &small, NULL) == 0);
	return 0;
}

static int attach_mode(const char *handle)
{
	struct rmmap_attach_options eager = RMMAP_ATTACH_OPTIONS_INIT;

	eager.flags = RMMAP_EAGER;
	CHECK(rmmap_attach_with(handle, &eager) == NULL);
	CHECK_ERROR(ENOMEM, "RLIMIT_AS");
	return 0;
}

static void address_space(void)
{
	char handle[RMMAP_HANDLE_MAX], out[16], *home = strdup(getenv("RMMAP_RUNDIR"));

	CHECK(run_self("publish", "", handle, sizeof(handle)) == 0);
	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	CHECK(run_self("limited", "", out, sizeof(out)) == 0);
	CHECK(run_self("attach", handle, out, sizeof(out)) == 0);
	setenv("RMMAP_RUNDIR", home, 1);
	free(home);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[16];

	if (mode && strcmp(mode, "start") == 0)
		return start_mode(argv[2]);
	if (mode && strcmp(mode, "publish") == 0)
		return publish_mode();
	if (mode && strcmp(mode, "limited") == 0)
		return limited_mode();
	if (mode && strcmp(mode, "attach") == 0)
		return attach_mode(argv[2]);
	setenv("RMMAP_LOG", log_file(), 1);
	CHECK(run_self("start", "", out, sizeof(out)) == 0);
	unsetenv("RMMAP_LOG");
	address_space();
	return 0;
}
