/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - the worker and its parts, shared by the files of worker/
 *
 * Worker thread only.
 */
#ifndef RM_WORKER_INTERNAL_H
#define RM_WORKER_INTERNAL_H

#include <stdint.h>

#include "../base/context.h"
#include "../base/loop.h"
#include "../keeper/keep.h"

struct local;
struct nets;
struct remotes;
struct store;

/*
 * The owner of all parts. worker_run() has the only one; its memory is all zero at first. A part
 * is NULL until worker_new_parts() has built it, in this order. Only the nets are freed.
 */
struct worker {
	struct context context;
	struct store *store;            /* publications of this host */
	struct nets *nets;              /* control between hosts */
	struct remotes *remotes;        /* publications of other hosts */
	struct local *local;            /* processes of this host */
	struct source keeper;           /* the socket pair to the keeper */
	struct source signals;          /* SIGTERM and SIGINT */
	struct timer tick;              /* to look whether anything is left to serve; not set if
	                                   the worker never leaves */
	uint64_t grace_end;             /* ns; while draining: when to leave in any case */
	int lock;                       /* of a run directory that was made anew; -1: it was not */
};

/* ---- restore.c ---- */

/*
 * Restore all records, and free the table's memory. A record whose owner is gone is deleted. 0 or
 * -ENOMEM.
 */
int worker_restore(struct worker *worker, struct records *records);

#endif
