/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kills - rmmapd's processes killed at every message and record, once and twice, and by chance
 *
 * kills                  for RMMAP_KILLS seconds, or 60; from 1800 on no point is left out
 * kills CASE [TIMES]     one case by its name, as a failure prints it
 *
 * RMMAP_KILLS_SEED draws the order and what is by chance (1 unless set), RMMAP_KILLS_LANES says
 * how many cases run at a time, and with RMMAP_KILLS_VERBOSE=1 each is named with its time. No
 * page may be zeros or another's, nobody may wait for ever or be killed in a call, SIGBUS has
 * its line where somebody lives to write it, and rmmapd comes back to what it held. The names
 * of cases are in plan.c.
 */
#include "kills.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/common/channel.h"

#define SECONDS 60
#define ALL_FROM 1800           /* seconds that are enough for every occurrence of a point */
#define LANES_MAX 16
#define FAILURES_MAX 40         /* then it is known well enough */

struct run {                    /* shared by all lanes */
	struct tally tally;
	atomic_size_t next[3];  /* case of once, twice, by chance */
};

struct work {
	struct run *run;
	struct plan once, twice;
	uint64_t seed, start, seconds;
};

/* Set where the run is broken off: lanes finish their case, and leave nothing behind. */
static volatile sig_atomic_t stopping;

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
}

/* Taken out of the environment: rmmapd and librmmap warn of RMMAP_ variables they do not know. */
static uint64_t number_taken(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t number = text && *text ? strtoull(text, NULL, 10) : otherwise;

	unsetenv(name);
	return number;
}

static unsigned failures(const struct tally *tally)
{
	return tally->zeros + tally->wrong + tally->hangs + tally->died + tally->mute +
	       tally->needless + tally->leaks;
}

/* ---- lanes ---- */

/* Has this stage, of three, its share of the time still? */
static bool stage_goes_on(const struct work *work, unsigned stage)
{
	static const unsigned until[] = { 60, 85, 100 };
	uint64_t used = rm_now_ns() - work->start;

	return !stopping && used < work->seconds * SECOND / 100 * until[stage] &&
	       failures(&work->run->tally) < FAILURES_MAX;
}

static void lane_planned(struct lane *lane, const struct work *work, unsigned stage,
                         const struct plan *plan)
{
	size_t i;

	while (stage_goes_on(work, stage)) {
		i = atomic_fetch_add(&work->run->next[stage], 1);
		if (i >= plan->count)
			return;
		case_run(lane, &plan->cases[i]);
	}
}

static void lane_run(const struct work *work, unsigned number)
{
	struct lane lane;
	struct kase kase;

	if (!lane_make(&lane, &work->run->tally, number) || !lane_warm(&lane)) {
		atomic_fetch_add(&work->run->tally.died, 1);
		puts("FAILED: no rmmapd comes up");
		lane_end(&lane);
		return;
	}
	lane_planned(&lane, work, 0, &work->once);
	lane_planned(&lane, work, 1, &work->twice);
	while (stage_goes_on(work, 2)) {
		kase = kase_chance(work->seed * 1000003 + atomic_fetch_add(&work->run->next[2], 1));
		case_run(&lane, &kase);
	}
	lane_end(&lane);
}

/* A lane that does not come to its end has tried nothing from there on: that is a failure. */
static void lane_wait(struct tally *tally, pid_t lane)
{
	int status = -1;

	while (lane > 0 && waitpid(lane, &status, 0) < 0 && errno == EINTR)
		;
	if (status) {
		printf("FAILED: a lane ended with wait status %d\n", status);
		atomic_fetch_add(&tally->died, 1);
	}
}

static void lanes_run(const struct work *work, unsigned lanes)
{
	pid_t pids[LANES_MAX];

	fflush(stdout);
	for (unsigned i = 0; i < lanes; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			signal(SIGINT, on_stop);
			signal(SIGTERM, on_stop);
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			lane_run(work, i + 1);
			fflush(stdout);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < lanes; i++)
		lane_wait(&work->run->tally, pids[i]);
	/* this process is a subreaper as well: what a lane left that was killed */
	children_end(0, 0);
}

/* ---- the plan, from cases in which nobody is killed ---- */

static bool make_plan(struct work *work, bool all)
{
	struct lane lane;
	bool ok = lane_make(&lane, &work->run->tally, 0) && lane_warm(&lane);

	for (unsigned i = 0; ok && plan_kinds[i]; i++) {
		ok = case_dry(&lane, plan_kinds[i]);
		plan_once(&work->once, plan_kinds[i], lane.consumer.control, lane.a.control,
		          lane.b.control, all);
	}
	lane_end(&lane);
	plan_twice(&work->twice, &work->once, all);
	plan_shuffle(&work->once, work->seed);
	plan_shuffle(&work->twice, work->seed + 1);
	return ok && work->once.count && work->twice.count;
}

/* Without userfaultfd nothing is lazy, and a worker's death is nothing much. */
static bool can_lazy(struct run *run)
{
	struct lane lane;
	bool can = true;

	if (lane_make(&lane, &run->tally, 0) && lane_ready(&lane)) {
		child_start(&lane.consumer, &lane.b, "lazy", lane.seed, lane.handle, 0);
		can = !child_wait(&lane.consumer) ||
		      lane.consumer.control->results[0].refused != ENOTSUP;
	}
	lane_end(&lane);
	return can;
}

static size_t done_of(const struct work *work, unsigned stage, size_t count)
{
	size_t next = atomic_load(&work->run->next[stage]);

	return next < count ? next : count;
}

static int report(const struct work *work)
{
	const struct tally *t = &work->run->tally;

	printf("%u cases: once %zu of %zu, twice %zu of %zu, by chance %zu; %u of them passed their "
	       "point by\n", t->cases, done_of(work, 0, work->once.count), work->once.count,
	       done_of(work, 1, work->twice.count), work->twice.count,
	       atomic_load(&work->run->next[2]), t->missed);
	printf("%u kills, %u pages right, %u consumers ended by SIGBUS, %u refused\n", t->kills,
	       t->right, t->sigbus, t->refused);
	printf("%u zeros, %u wrong, %u hangs, %u died in a call, %u SIGBUS without a line, %u lost "
	       "or refused though only workers died, %u leaks\n", t->zeros, t->wrong, t->hangs,
	       t->died, t->mute, t->needless, t->leaks);
	if (failures(t))
		printf("seed %llu; a case once more: ./run tests/kills/kills CASE [TIMES]\n",
		       (unsigned long long)work->seed);
	return failures(t) || !t->kills || !t->right;
}

static int replay(struct work *work, const char *name, unsigned times)
{
	struct kase kase;
	struct lane lane;

	if (!kase_parse(name, &kase)) {
		fprintf(stderr, "kills: %s is not the name of a case\n", name);
		return 2;
	}
	if (lane_make(&lane, &work->run->tally, 0) && lane_warm(&lane))
		for (unsigned i = 0; i < times && failures(&work->run->tally) < FAILURES_MAX; i++)
			case_run(&lane, &kase);
	lane_end(&lane);
	return report(work);
}

/* The shim's file, which libtool puts where nothing is installed from. */
static bool find_programs(void)
{
	const char *build = getenv("abs_top_builddir");
	char path[512];

	if (!build || !getenv("RMMAP_DAEMON"))
		return false;
	snprintf(path, sizeof(path), "%s/tests/kills/.libs/libshim.so", build);
	return access(path, R_OK) == 0 && setenv("KILLS_SHIM", path, 1) == 0;
}

int main(int argc, char **argv)
{
	struct work work = { .seconds = number_taken("RMMAP_KILLS", SECONDS),
	                     .seed = number_taken("RMMAP_KILLS_SEED", 1) };
	unsigned lanes = (unsigned)number_taken("RMMAP_KILLS_LANES", 3);
	bool verbose = number_taken("RMMAP_KILLS_VERBOSE", 0) != 0;

	work.run = mmap(NULL, sizeof(*work.run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                -1, 0);
	if (work.run == MAP_FAILED || !find_programs()) {
		fputs("kills: run it by ./run of the build tree\n", stderr);
		return 99;
	}
	work.run->tally.verbose = verbose;
	setenv("RMMAP_FABRIC", "tcp@127.0.0.1", 0);
	if (!can_lazy(work.run)) {
		puts("kills: skipped: userfaultfd is not allowed here, so that attaches are not lazy");
		return 77;
	}
	if (argc > 1)
		return replay(&work, argv[1], argc > 2 ? (unsigned)atoi(argv[2]) : 1);
	printf("seed %llu, %llu s\n", (unsigned long long)work.seed, (unsigned long long)work.seconds);
	fflush(stdout);
	if (!make_plan(&work, work.seconds >= ALL_FROM)) {
		puts("FAILED: no plan, since a case in which nobody is killed failed, or rmmapd does "
		     "not come up, or not to rest");
		return 1;
	}
	work.start = rm_now_ns();
	lanes_run(&work, lanes < LANES_MAX ? lanes : LANES_MAX);
	return report(&work);
}
