/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.c - see defaults.h
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
 * What bounds rmmapd as a whole, if the hard limit is finite: it is said then. RLIMIT_CORE is
 * left alone, since a core dump has everybody's data in it, and RLIMIT_STACK is not raised to
 * "unlimited", since threads take it for their size.
 */
static const struct limit {
	int resource;
	const char *name, *option;
	unsigned shift;                 /* the unit it is said in, 1 << shift bytes */
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

static void raise_limit(const struct limit *l)
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

static void raise_stack(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur >= STACK_BYTES)
		return;
	limit.rlim_cur = limit.rlim_max < STACK_BYTES ? limit.rlim_max : STACK_BYTES;
	setrlimit(RLIMIT_STACK, &limit);
}

static void raise_limits(void)
{
	/* a write beyond RLIMIT_FSIZE is an error then, and not this process's end */
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		raise_limit(&limits[i]);
	raise_stack();
}

/* ---- scheduling ---- */

static void set_class(void)
{
	const struct sched_param none = { 0 };
	int class = sched_getscheduler(0);

	if (class > SCHED_OTHER && sched_setscheduler(0, SCHED_OTHER, &none) < 0)
		log_note("the scheduling class stays %d, as the program had it that started this "
		           "rmmapd: %m", class);
	/* after the class: SCHED_IDLE and real-time ones have a nice value, too */
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) != 0 && errno == 0 &&
	    setpriority(PRIO_PROCESS, 0, 0) < 0)
		log_note("the nice value stays %d, as the program had it that started this rmmapd: "
		           "%m (CAP_SYS_NICE or RLIMIT_NICE would allow 0)", getpriority(PRIO_PROCESS, 0));
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) < 0)
		log_note("the I/O priority stays as it was: %m");
}

/* All CPUs: the kernel leaves out those that the cpuset does not have. */
static void set_place(void)
{
	unsigned char cpus[CPUS_BYTES];

	memset(cpus, 0xff, sizeof(cpus));
	if (syscall(SYS_sched_setaffinity, 0, sizeof(cpus), cpus) < 0)
		log_note("the CPUs stay those of the program that started this rmmapd: %m");
	/* where the kernel has no NUMA there is no such call */
	if (syscall(SYS_set_mempolicy, 0 /* MPOL_DEFAULT */, NULL, 0UL) < 0 && errno != ENOSYS)
		log_note("the memory policy stays as it was: %m");
}

/* ---- the OOM killer ---- */

static void set_oom(void)
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
	raise_limits();
	if (!whole)
		return;
	umask(077);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	set_class();
	set_place();
	set_oom();
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
