/* SPDX-License-Identifier: BSD-2-Clause */
/* case.c - one case, from arming to verdict, see kills.h */
#include "kills.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/common/channel.h"

#define KILLS_PER_HOST 24       /* then another rmmapd */
#define OTHER_SEED 9            /* of what a case publishes itself */

bool lane_make(struct lane *lane, struct tally *tally, unsigned number)
{
	const char *parent = getenv("TMPDIR");

	memset(lane, 0, sizeof(*lane));
	lane->tally = tally;
	lane->seed = 3;
	/* what cases leave behind is this process's, to be ended by it */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return false;
	snprintf(lane->dir, sizeof(lane->dir), "%.40s/rmmap-kills-%u.XXXXXX",
	         parent && strlen(parent) < 40 ? parent : "/tmp", number);
	return mkdtemp(lane->dir) && !host_make(&lane->a, lane->dir, 'a') &&
	       !host_make(&lane->b, lane->dir, 'b') && !child_make(&lane->consumer, lane->dir, 0) &&
	       !child_make(&lane->other, lane->dir, 1);
}

void lane_end(struct lane *lane)
{
	char command[128];

	children_end(0, 0);
	snprintf(command, sizeof(command), "rm -rf %s", lane->dir);
	if (lane->dir[0] && system(command))
		perror(lane->dir);
}

/* ---- hosts that are as if nothing had happened ---- */

static bool lane_publish(struct lane *lane)
{
	child_start(&lane->other, &lane->a, "leave", lane->seed, NULL, 0);
	if (!child_wait(&lane->other) || lane->other.status)
		return false;
	memcpy(lane->handle, lane->other.control->handle, sizeof(lane->handle));
	return true;
}

/* Another rmmapd where this one has lost workers, or itself. */
static void host_renew(struct host *host)
{
	if (!host_lives(host) || host->kills >= KILLS_PER_HOST)
		host_end(host);
}

bool lane_ready(struct lane *lane)
{
	bool published;

	host_renew(&lane->a);
	host_renew(&lane->b);
	published = lane->a.keeper;
	children_end(lane->a.keeper, lane->b.keeper);
	if (!lane->a.keeper && !host_start(&lane->a))
		return false;
	if (!lane->b.keeper && !host_start(&lane->b))
		return false;
	return published || lane_publish(lane);
}

/* ---- what is done while consumers wait ---- */

static void fetch_all(struct lane *lane, const struct kase *kase, struct child *other)
{
	child_start(other, &lane->b, "eager", lane->seed, lane->handle, 0);
	if (!child_wait(other)) {
		judge_failed(lane, &lane->tally->hangs, "who fetches all in between hangs");
		child_end(other);
		return;
	}
	judge(lane, kase, other, "who fetches all in between");
}

static void kill_worker(struct lane *lane, struct host *host, bool wait)
{
	pid_t worker = host_worker(host);

	if (!worker)
		return;
	atomic_fetch_add(&host->control->keeper_ahead_ns, KILLS_APART_NS);
	kill(worker, SIGKILL);
	host->kills++;
	atomic_fetch_add(&lane->tally->kills, 1);
	while (wait && host_lives(host) && host_worker(host) == worker)
		pause_ns(MS / 5);
	if (wait)
		host_wait(host);
}

static void kill_keeper(struct lane *lane, struct host *host, bool both)
{
	pid_t worker = both ? host_worker(host) : 0;

	if (!host->keeper || !host_lives(host))
		return;
	atomic_store(&host->control->keeper_killed, 1);
	kill(host->keeper, SIGKILL);
	if (worker)
		kill(worker, SIGKILL);
	atomic_fetch_add(&lane->tally->kills, 1 + (worker != 0));
}

static void act(struct lane *lane, const struct kase *kase, char action, bool wait)
{
	switch (action) {
	case 'k': kill_worker(lane, &lane->b, wait); break;
	case 'p': kill_worker(lane, &lane->a, wait); break;
	case 'K': kill_keeper(lane, &lane->b, false); break;
	case 'Q': kill_keeper(lane, &lane->a, false); break;
	case 'B': kill_keeper(lane, &lane->b, true); break;
	case 'A': kill_keeper(lane, &lane->a, true); break;
	case 'f': fetch_all(lane, kase, &lane->other); break;
	}
}

/* ---- those who read what the consumer published ---- */

static void follow(struct lane *lane, const struct kase *kase, const struct host *host,
                   const char *kind, uint64_t seed)
{
	struct child *other = &lane->other;

	child_start(other, host, kind, seed, lane->consumer.control->handle, 0);
	if (!child_wait(other)) {
		judge_failed(lane, &lane->tally->hangs, "a reader of what was handed on hangs");
		child_end(other);
		return;
	}
	judge(lane, kase, other, "a reader of what was handed on");
}

static void follow_all(struct lane *lane, const struct kase *kase)
{
	uint64_t seed = strcmp(kase->kind, "handing") == 0 ? lane->seed : OTHER_SEED;

	follow(lane, kase, &lane->b, "local", seed);
	follow(lane, kase, &lane->a, "lazy", seed);
	atomic_store(&lane->consumer.control->go, 2);
}

/* ---- a case ---- */

static void arm_host(struct host *host, const struct kase *kase, bool counted)
{
	struct control *control = host->control;

	atomic_store(&control->armed, 0);
	atomic_store(&control->count, 0);
	atomic_store(&control->kills, 0);
	atomic_store(&control->gate, 0);
	if (counted)
		atomic_store(&control->traced, 0);
	control->gate_wanted = kase->between;
	control->mask = (uint32_t)kase->mask;
	control->counted = kase->counted;
	control->victim = kase->victim;
	for (unsigned i = 0; i < KILLS_AT; i++)
		control->at[i] = counted ? kase->at[i] : 0;
	atomic_store(&control->armed, counted);
}

static void arm(struct lane *lane, const struct kase *kase)
{
	arm_host(&lane->a, kase, kase->way == BY_POINT && kase->host == 'a');
	arm_host(&lane->b, kase, kase->way == BY_POINT && kase->host == 'b');
}

/* Kills that the shim has done since it was armed. */
static unsigned shim_kills(struct lane *lane)
{
	return atomic_load(&lane->a.control->kills) + atomic_load(&lane->b.control->kills);
}

static void open_gate(struct lane *lane, const struct kase *kase, struct host *host)
{
	if (!atomic_load(&host->control->gate))
		return;
	atomic_store(&lane->consumer.control->gate, 1);
	fetch_all(lane, kase, &lane->other);
	atomic_store(&host->control->gate, 0);
	atomic_store(&lane->consumer.control->gate, 0);
}

static void at_hold(struct lane *lane, const struct kase *kase)
{
	struct control *control = lane->consumer.control;

	if (!atomic_load(&control->held) || atomic_load(&control->go))
		return;
	for (const char *action = kase->actions; *action; action++)
		act(lane, kase, *action, true);
	atomic_store(&control->go, 1);
}

/* Actions at drawn times; those of a whole attach lie within. */
static void by_chance(struct lane *lane, const struct kase *kase, uint64_t *state,
                      const char **action, uint64_t *when)
{
	uint64_t now = rm_now_ns();

	if (kase->way != BY_CHANCE || !**action)
		return;
	if (!*when)
		*when = now + draw(state) % (60 * MS);
	if (now < *when)
		return;
	act(lane, kase, *(*action)++, draw(state) % 2);
	*when = 0;
}

static bool case_watch(struct lane *lane, const struct kase *kase)
{
	uint64_t deadline = rm_now_ns() + 2 * HANG_NS, state = kase->seed, when = 0;
	struct child *consumer = &lane->consumer;
	const char *action = kase->actions;
	bool followed = false;

	while (!child_over(consumer)) {
		if (rm_now_ns() > deadline)
			return false;
		at_hold(lane, kase);
		by_chance(lane, kase, &state, &action, &when);
		open_gate(lane, kase, &lane->a);
		open_gate(lane, kase, &lane->b);
		if (!followed && atomic_load(&consumer->control->results[0].phase) == PUBLISHED) {
			followed = true;
			follow_all(lane, kase);
		}
		pause_ns(MS);
	}
	return true;
}

/* Where it waits, for who reads the report. */
static void hang_report(const struct child *child)
{
	char command[160];

	snprintf(command, sizeof(command), "for t in /proc/%d/task/*; do echo $t; cat $t/wchan; "
	         "echo; cat $t/syscall; cat $t/stack; done 2>/dev/null", (int)child->pid);
	if (system(command))
		puts("nothing is known of it");
}

static void case_settle(struct lane *lane)
{
	char why[900];

	if (!settle_back(&lane->a, why, sizeof(why)))
		judge_failed(lane, &lane->tally->leaks, "%s", why);
	if (!settle_back(&lane->b, why, sizeof(why)))
		judge_failed(lane, &lane->tally->leaks, "%s", why);
}

static void case_report(const struct lane *lane, const struct kase *kase)
{
	char name[128], command[512];

	kase_name(kase, name, sizeof(name));
	printf("FAILED %s: %s\n", name, lane->what);
	fflush(stdout);
	snprintf(command, sizeof(command), "cd %s && tail -n 12 a.log b.log err.*", lane->dir);
	if (system(command))
		puts("nothing was logged");
	fflush(stdout);
}

/* What only one may read is published for this case, and gone after it. */
static bool one_reader(const struct kase *kase)
{
	return strncmp(kase->kind, "only", 4) == 0;
}

static void case_publish(struct lane *lane, const struct kase *kase, char handle[512])
{
	memcpy(handle, lane->handle, sizeof(lane->handle));
	if (!one_reader(kase))
		return;
	child_start(&lane->other, &lane->a, "leaveone", lane->seed, NULL, 0);
	if (!child_wait(&lane->other) || lane->other.status)
		judge_failed(lane, &lane->tally->died, "nothing can be published");
	memcpy(handle, lane->other.control->handle, sizeof(lane->handle));
}

static void case_unpublish(struct lane *lane, const struct kase *kase, const char *handle)
{
	if (!one_reader(kase) || !host_lives(&lane->a))
		return;
	child_start(&lane->other, &lane->a, "drop", lane->seed, handle, 0);
	child_wait(&lane->other);
}

/* The consumer of a case, from its start to its end. */
static void case_consumer(struct lane *lane, const struct kase *kase, const char *handle)
{
	child_start(&lane->consumer, kind_is_local(kase->kind) ? &lane->a : &lane->b, kase->kind,
	            strcmp(kase->kind, "publish") == 0 ? OTHER_SEED : lane->seed, handle,
	            kase->way == BY_HOLD ? kase->hold : 0);
	if (case_watch(lane, kase)) {
		judge(lane, kase, &lane->consumer, "consumer");
	} else {
		hang_report(&lane->consumer);
		judge_failed(lane, &lane->tally->hangs, "consumer hangs");
		child_end(&lane->consumer);
	}
}

static void case_over(const struct lane *lane, const struct kase *kase, uint64_t start)
{
	char name[128];

	if (!lane->tally->verbose)
		return;
	kase_name(kase, name, sizeof(name));
	printf("%s: %llu ms%s\n", name, (unsigned long long)((rm_now_ns() - start) / MS),
	       lane->failed ? ", FAILED" : "");
	fflush(stdout);
}

bool case_run(struct lane *lane, const struct kase *kase)
{
	uint64_t start = rm_now_ns();
	char handle[sizeof(lane->handle)];
	unsigned kills;

	lane->failed = false;
	lane->what[0] = '\0';
	if (!lane_ready(lane)) {
		judge_failed(lane, &lane->tally->died, "no rmmapd comes up, or nothing is published");
		case_report(lane, kase);
		children_end(0, 0);
		lane->a.keeper = lane->b.keeper = 0;
		return false;
	}
	case_publish(lane, kase, handle);
	arm(lane, kase);
	case_consumer(lane, kase, handle);
	lane->a.kills += atomic_load(&lane->a.control->kills);
	lane->b.kills += atomic_load(&lane->b.control->kills);
	kills = shim_kills(lane);
	arm(lane, &(struct kase){ .way = BY_HOLD });
	case_unpublish(lane, kase, handle);
	atomic_fetch_add(&lane->tally->cases, 1);
	atomic_fetch_add(&lane->tally->kills, kills);
	if (kase->way == BY_POINT && !kills)
		atomic_fetch_add(&lane->tally->missed, 1);
	case_settle(lane);
	case_over(lane, kase, start);
	if (lane->failed)
		case_report(lane, kase);
	/* a host on which something was found to be wrong is no start for the next case */
	if (lane->failed)
		lane->a.kills = lane->b.kills = KILLS_PER_HOST;
	return !lane->failed;
}

bool case_dry(struct lane *lane, const char *kind)
{
	struct kase kase = { .way = BY_POINT, .kind = kind, .counted = WORKER, .victim = WORKER };
	char handle[sizeof(lane->handle)];

	if (!lane_ready(lane))
		return false;
	lane->failed = false;
	lane->what[0] = '\0';
	case_publish(lane, &kase, handle);
	kase.mask = POINT_CLIENT | POINT_RECORD | POINT_PAGER | POINT_FABRIC;
	arm_host(&lane->b, &kase, true);
	arm_host(&lane->a, &kase, true);
	case_consumer(lane, &kase, handle);
	arm(lane, &(struct kase){ .way = BY_HOLD });
	case_unpublish(lane, &kase, handle);
	if (lane->failed)
		printf("%s without any kill: %s\n", kind, lane->what);
	return !lane->failed;
}

bool lane_warm(struct lane *lane)
{
	return case_dry(lane, "handing") && case_dry(lane, "lazy") && settle_base(&lane->a) &&
	       settle_base(&lane->b);
}
