/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_internal.h - between worker.c and worker_fabric.c: the worker's own state
 */
#ifndef RM_WORKER_INTERNAL_H
#define RM_WORKER_INTERNAL_H

#include "../../common/wire.h"
#include "../fabric/fabric.h"
#include "../keeper/keep.h"
#include "../base/loop.h"
#include "../base/container.h"
#include "../base/context.h"

#define NETS_MAX 4

struct net {                            /* a fabric that is open, and the control on it */
	struct running *running;
	struct fabric *fabric;
	struct peers *peers;
	struct fabric_events events;
	struct rdma_watch *watch;       /* of its device; NULL: it has none */
	uint64_t record;                /* keeper's number */
	char spec[RM_SPEC_MAX];         /* RMMAP_FABRIC as it was when it was opened */
	bool chosen;                    /* for publications; else only to attach with */
	bool down;                      /* no port of its device is active */
};

struct running {                        /* a worker, and what no other part looks at */
	struct context context;
	struct source keeper, signals;
	struct timer tick;              /* is there anything left to do? */
	int lock;                       /* of a run directory that was made anew; -1: not */
	uint64_t grace_end;             /* draining: until then */
	struct net nets[NETS_MAX];
	unsigned net_count;
	uint64_t failed_ns;             /* when the fabric could not be opened last; 0: never */
	int failed_error;
	char failed_spec[RM_SPEC_MAX];
	char failed_why[256];
};

/* ---- worker_fabric.c ---- */
void worker_fabric_restore(struct running *running, const struct record *record);
void worker_fabric_close(struct running *running);
/* Its device has an active port again, or none any more: which fabric do publications name? */
void worker_fabric_changed(struct net *net, bool active);

#endif
