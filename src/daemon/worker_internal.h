/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_internal.h - between worker.c and worker_fabric.c: the worker's own state
 */
#ifndef RM_WORKER_INTERNAL_H
#define RM_WORKER_INTERNAL_H

#include "../common/wire.h"
#include "fabric.h"
#include "keep.h"
#include "loop.h"
#include "util.h"
#include "worker.h"

struct running {                        /* a worker, and what no other part looks at */
	struct worker worker;
	struct source keeper, signals;
	struct timer tick;              /* is there anything left to do? */
	uint64_t grace_end;             /* draining: until then */
	struct fabric_events fabric_events;
	uint64_t fabric_record;         /* keeper's number; 0: none */
	uint64_t failed_ns;             /* when the fabric could not be opened last; 0: never */
	int failed_error;
	char failed_spec[RM_SPEC_MAX];
	char failed_why[256];
};

/* ---- worker_fabric.c ---- */
void worker_fabric_restore(struct running *running, const struct record *record);

#endif
