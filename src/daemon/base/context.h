/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the one context of rmmapd's worker, handed to every part of it
 */
#ifndef RM_WORKER_H
#define RM_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"
#include "../../common/options.h"
#include "limit.h"

struct loop;
struct keeper;
struct store;
struct local;
struct fabric;
struct peers;
struct remotes;

struct context {
	struct loop *loop;
	struct keeper *keeper;
	struct store *store;            /* publications of this host */
	struct local *local;            /* the socket: processes of this host */
	struct fabric *fabric;          /* what new publications are read over; NULL: none is open */
	struct peers *peers;            /* control between hosts on that; NULL as fabric */
	struct peers *nets;             /* and on all that are open */
	struct remotes *remotes;        /* publications of other hosts */
	const struct peer_source *source;       /* and what is passed on of them */
	struct rm_options options;
	struct limit limit;             /* with options.limit: the memory that it may hold */
	uint8_t host[RM_ID_BYTES];
	uint64_t idle_ns, grace_ns;     /* --idle, --grace */
	uint64_t started_ns;
	uint64_t active_ns;             /* last request, or end of something held: idle since then */
	uint32_t keeper_pid, restarts;
	int death;                      /* signal that ended the worker before this one, or 0 */
	struct attempt *attempts;       /* attempts.h */
	bool draining;                  /* SIGTERM: no new publications */
	bool private;                   /* of one process, and ends with it */
	char fabric_why[256];           /* why worker_fabric() failed last */
};

/*
 * For a publication: the fabric with the control between hosts on it, opened if it is not
 * yet. spec is a client's RMMAP_FABRIC ("" : rmmapd's own, else chosen). 0; -EINVAL (unknown
 * provider, or one other than this rmmapd already uses); -EHOSTUNREACH (off, or
 * it cannot be opened): the reason is in worker->fabric_why.
 */
int worker_fabric(struct context *context, const char *spec, struct peers **peers);
/*
 * For an attach: the one with the provider that a handle names. Where nobody has said which
 * fabric to use it is opened beside what is open; else it is what RMMAP_FABRIC names, and the
 * attach is refused with both names. Errors as above.
 */
struct rm_fabric_addr;
int worker_reach(struct context *context, const char *spec, const struct rm_fabric_addr *addr,
                 struct peers **peers);

/* A process is gone: is there anything left to do? Looked at soon, not from here. */
void worker_look(struct context *context);

#endif
