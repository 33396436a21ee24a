/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.c - process attributes that rmmapd resets: see defaults.h
 */
#include "../base/log.h"
#include "defaults.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/say.h"
#include "keep.h"

#define CPUS_BYTES 1024                 /* 8,192 CPUs */
#define STACK_BYTES (UINT64_C(8) << 20)
#define TIMER_SLACK_NS 50000UL          /* the kernel's own default */
#define IOPRIO_WHO_PROCESS 1

/*
 * The limits that are raised. One with a name bounds rmmapd as a whole, so the log has a line if
 * its hard limit is finite. RLIMIT_CORE is not raised, since a core dump contains everybody's data.
 * RLIMIT_STACK is not raised to "unlimited", since threads take that for their stacks' size.
 */
static const struct process_limit {
	int resource;
	const char *name, *option;      /* for the log: its name, the shell's option; or NULL */
	unsigned shift;                 /* its value in the log is in units of 1 << shift */
	const char *unit;
} limits[] = {
	{ RLIMIT_NOFILE, NULL, NULL, 0, NULL },
	{ RLIMIT_MEMLOCK, NULL, NULL, 0, NULL },
	{ RLIMIT_NPROC, NULL, NULL, 0, NULL },
	{ RLIMIT_SIGPENDING, NULL, NULL, 0, NULL },
	{ RLIMIT_RTTIME, NULL, NULL, 0, NULL },
	{ RLIMIT_NICE, NULL, NULL, 0, NULL },
	{ RLIMIT_RSS, NULL, NULL, 0, NULL },
	{ RLIMIT_AS, "RLIMIT_AS", "ulimit -v", 20, " MiB" },
	{ RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d", 20, " MiB" },
	{ RLIMIT_CPU, "RLIMIT_CPU", "ulimit -t", 0, " s" },
	{ RLIMIT_FSIZE, "RLIMIT_FSIZE", "ulimit -f", 20, " MiB" },
};

/* Raise one soft limit to its hard limit, and log the result if it bounds rmmapd as a whole. */
static void limit_raise(const struct process_limit *l)
{
	struct rlimit limit;

	if (getrlimit(l->resource, &limit) < 0)
		return;
	if (limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(l->resource, &limit) < 0 && l->name)
			log_note("%s cannot be raised: %m", l->name);
	}
	if (l->name && limit.rlim_max != RLIM_INFINITY)
		log_note("%s is %llu%s (%s) and was not set for rmmapd: it bounds all programs of "
		         "this run directory", l->name,
		         (unsigned long long)limit.rlim_max >> l->shift, l->unit, l->option);
}

/* Have a stack of 8 MiB, or as much of that as the hard limit allows. */
static void limit_raise_stack(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur >= STACK_BYTES)
		return;
	limit.rlim_cur = limit.rlim_max < STACK_BYTES ? limit.rlim_max : STACK_BYTES;
	setrlimit(RLIMIT_STACK, &limit);
}

static void limits_raise(void)
{
	/* With this signal ignored, a write beyond RLIMIT_FSIZE fails and does not end rmmapd. */
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		limit_raise(&limits[i]);
	limit_raise_stack();
}

/* ---- signals ---- */

/*
 * Libraries that libfabric links in install handlers when they are loaded (libinfinipath: for
 * SIGABRT, SIGSEGV and others a backtrace, then exit(1)). Such a handler waits for a lock of malloc
 * if the fault was inside malloc, and a worker that hangs is never replaced. A sanitizer's handlers
 * stay.
 */
static void handlers_remove(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	struct sigaction action;

	for (int number = 1; number <= SIGRTMAX; number++)
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN)
			signal(number, SIG_DFL);
#endif
}

/* ---- scheduling ---- */

/* Normal scheduling class, nice value 0, no I/O priority. */
static void set_scheduling(void)
{
	const struct sched_param none = { 0 };
	int class = sched_getscheduler(0);

	if (class > SCHED_OTHER && sched_setscheduler(0, SCHED_OTHER, &none) < 0)
		log_note("the scheduling class stays %d, as the program had it that started this "
		         "rmmapd: %m", class);
	/* After the class: processes in SCHED_IDLE and real-time classes have a nice value, too. */
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) != 0 && errno == 0 &&
	    setpriority(PRIO_PROCESS, 0, 0) < 0)
		log_note("the nice value stays %d, as the program had it that started this rmmapd: "
		         "%m (CAP_SYS_NICE or RLIMIT_NICE would allow 0)", getpriority(PRIO_PROCESS, 0));
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) < 0)
		log_note("the I/O priority stays as it was: %m");
}

/* Run on all CPUs (the kernel leaves out those that the cpuset lacks) and on all NUMA nodes. */
static void set_cpus(void)
{
	unsigned char cpus[CPUS_BYTES];

	memset(cpus, 0xff, sizeof(cpus));
	if (syscall(SYS_sched_setaffinity, 0, sizeof(cpus), cpus) < 0)
		log_note("the CPUs stay those of the program that started this rmmapd: %m");
	/* A kernel without NUMA lacks this system call. */
	if (syscall(SYS_set_mempolicy, 0 /* MPOL_DEFAULT */, NULL, 0UL) < 0 && errno != ENOSYS)
		log_note("the memory policy stays as it was: %m");
}

/* ---- the OOM killer ---- */

/*
 * A program may have made itself the OOM killer's first or last choice (oom_score_adj). rmmapd
 * serves other programs too, so it takes the neutral value. Lowering it needs CAP_SYS_RESOURCE.
 */
static void set_oom_score(void)
{
	char now[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, now, sizeof(now) - 1);

	now[n > 0 ? n : 0] = '\0';
	now[strcspn(now, "\n")] = '\0';
	if (n > 0 && strcmp(now, "0") != 0 && pwrite(fd, "0", 1, 0) < 0)
		log_note("oom_score_adj stays %s, as the program had it that started this rmmapd: %m",
		         now);
	if (fd >= 0)
		close(fd);
}

/* ---- public ---- */

void defaults_set(bool whole)
{
	handlers_remove();
	limits_raise();
	if (!whole)
		return;
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	set_scheduling();
	set_cpus();
	set_oom_score();
}

void defaults_memory(char *text, size_t size)
{
	struct rlimit limit;

	text[0] = '\0';
	if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	rm_format(text, size, " (rmmapd has %llu MiB of address space, by RLIMIT_AS of the program "
	          "that started it: end it, rmmap info shows its process, and start it without "
	          "that limit, ulimit -v)", (unsigned long long)limit.rlim_cur >> 20);
}
