/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - the keeper's state, and what its loop (keep.c) asks of keep_worker.c
 *
 * The keeper's one thread. Allocates for records only.
 */
#ifndef RM_KEEPER_INTERNAL_H
#define RM_KEEPER_INTERNAL_H

#include <sys/types.h>

#include "keep.h"

#define RESTARTS_MAX 5                  /* within RESTARTS_NS; after more, rmmapd gives up */

struct keep {
	keep_worker *worker_run;
	struct rmmapd *rmmapd;
	struct records *records;
	int signals;                    /* signalfd */
	int worker_fd;                  /* the keeper's end of the socket pair to the worker */
	pid_t worker;                   /* 0: none */
	unsigned tellers;               /* children that write to consumers' stderr now */
	uint64_t deaths[RESTARTS_MAX];  /* times of the last deaths of workers, a ring: the next
	                                   one goes to restarts % RESTARTS_MAX; 0: none yet */
	bool ready;                     /* a worker has served: the start has succeeded */
	bool displaced;                 /* another rmmapd serves the run directory now */
	uint64_t look_at;               /* when to look whether the socket is there; 0: not set */
	bool look_failed;               /* at the last look the socket was gone and could not be
	                                   bound, and the log has said so */
	bool draining;                  /* SIGTERM came */
	uint64_t stop_deadline;         /* after KEEP_STOP: when to kill the worker; 0: not sent */
	bool over;                      /* keep_run() returns status */
	int status;
};

/* ---- keep_worker.c ---- */

/* Fork a worker. 0 or -errno. */
int worker_fork(struct keep *keep);
/* Read all messages that are there now. */
void worker_read(struct keep *keep);
/* The worker died, with this status of waitpid(): fork the next one, or end. */
void worker_died(struct keep *keep, int wait_status);
/* An error means that the worker is dead: SIGCHLD tells of that. */
void worker_command(struct keep *keep, enum keep_type type, const int *fds, unsigned count);
/* Send KEEP_STOP, and note when to kill it if it stays. */
void worker_stop(struct keep *keep);

#endif
