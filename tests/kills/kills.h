/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kills.h - the kill harness
 *
 * kills.c  command line, lanes, totals        plan.c   which cases there are, and their names
 * case.c   one case, from arming to verdict   judge.c  what a consumer came to
 * host.c   a run directory and its rmmapd     settle.c what rmmapd holds when all is over
 * child.c  consumers as processes             shim.c, consumer.c: programs of their own
 *
 * A lane is a process with two run directories, "hosts" a and b. What is published on a is
 * read on b while processes of either are killed. The lane is a child subreaper, so whatever
 * its cases leave behind is its child, and is ended by its process id.
 */
#ifndef KILLS_H
#define KILLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../src/common/wire.h"
#include "control.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define HANG_NS (100 * SECOND)          /* what waits longer waits for ever */

/* ---- host.c ---- */
struct footprint {              /* of keeper and worker together, one client asking */
	unsigned attachments, publications, clients, readers;   /* readers: other hosts' */
	unsigned descriptors[2], sockets[2];
	uint64_t memory;        /* bytes in memory files */
	uint64_t held;
};

struct host {
	char name, dir[80];
	char control_path[96], log[96];
	struct control *control;
	pid_t keeper;           /* the one that has the shim; 0: none */
	unsigned kills;         /* of its workers, since it was started */
	struct footprint base;  /* with nobody attached */
	bool based;
};

int host_make(struct host *host, const char *parent, char name);
bool host_start(struct host *host);             /* false: it does not come up */
void host_end(struct host *host);
pid_t host_worker(const struct host *host);     /* of that keeper; 0: none */
bool host_lives(const struct host *host);       /* the keeper does, and was not killed */
void host_wait(const struct host *host);        /* until it answers, for 20 s at most */
bool host_ask(const struct host *host, struct rm_daemon_info *info, unsigned *readers,
              void (*meanwhile)(void *arg), void *arg);
struct control *control_map(const char *path);

/* ---- settle.c ---- */
bool settle_base(struct host *host);    /* take what it holds now as its base line */
/* It comes back to its base line; else what does not, in words. */
bool settle_back(struct host *host, char *why, size_t size);

/* ---- child.c ---- */
struct child {
	pid_t pid;              /* 0: has ended */
	int status;
	const struct host *host;        /* where it runs */
	struct control *control;
	char control_path[96], err[96];
};
int child_make(struct child *child, const char *parent, unsigned number);
void child_start(struct child *child, const struct host *host, const char *kind, uint64_t seed,
                 const char *handle, unsigned hold);
bool child_over(struct child *child);           /* has it ended? */
bool child_wait(struct child *child);           /* false: it hangs, and was ended */
void child_end(struct child *child);
void children_end(pid_t but, pid_t and_but);    /* all others that are left to this process */
void pause_ns(uint64_t ns);

/* ---- plan.c ---- */
enum way { BY_HOLD, BY_POINT, BY_CHANCE };
struct kase {
	enum way way;
	const char *kind;
	unsigned hold;          /* BY_HOLD: the consumer's point, and what is done there: */
	char actions[8];        /* k p: worker of b, a; K Q: keeper; B A: both; f: fetch all on b */
	char host, mask;        /* BY_POINT: whose points, enum process counted and victim */
	uint8_t counted, victim;
	unsigned at[KILLS_AT];
	bool between;           /* fetch all on b after the first death, consumers waiting */
	uint64_t seed;          /* BY_CHANCE */
};
struct plan {
	struct kase *cases;
	size_t count, room;
};
extern const char *const plan_kinds[];          /* NULL ends them */
void plan_once(struct plan *plan, const char *kind, const struct control *consumer,
               const struct control *a, const struct control *b, bool all);
void plan_twice(struct plan *twice, const struct plan *once, bool all);
void plan_shuffle(struct plan *plan, uint64_t seed);
void kase_name(const struct kase *kase, char *text, size_t size);
bool kase_parse(const char *text, struct kase *kase);
struct kase kase_chance(uint64_t seed);
bool kind_is_local(const char *kind);   /* it reads on a what is published there */
uint64_t draw(uint64_t *state);

/* ---- judge.c ---- */
struct tally {                  /* of all lanes */
	atomic_uint cases, kills, missed, right, sigbus, refused;
	atomic_uint zeros, wrong, hangs, died, mute, needless, leaks;
	bool verbose;           /* name each case and its time */
};
struct lane {
	struct tally *tally;
	struct host a, b;
	struct child consumer, other;
	char handle[512];       /* of what is published on a */
	uint64_t seed;          /* of that field */
	char dir[80];
	bool failed;            /* this case */
	char what[1024];        /* how */
};
void judge(struct lane *lane, const struct kase *kase, struct child *child, const char *who);
void judge_failed(struct lane *lane, atomic_uint *counter, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- case.c ---- */
bool lane_make(struct lane *lane, struct tally *tally, unsigned number);
void lane_end(struct lane *lane);
bool lane_ready(struct lane *lane);     /* both hosts up, a field published on a */
/* What may be opened once and stays is open on both, and what they hold is their base line. */
bool lane_warm(struct lane *lane);
/* Run it and say what failed; false if something did. */
bool case_run(struct lane *lane, const struct kase *kase);
/* Nobody is killed: fills the traces of consumer, a and b. */
bool case_dry(struct lane *lane, const char *kind);

#endif
