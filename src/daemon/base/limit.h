/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit.h - how much memory rmmapd may hold
 *
 * Two bounds. RMMAP_LIMIT is of publications and caches together. The cgroup's is of what
 * this host's kernel charges to it, whoever took it, so it is asked what it has left, and a
 * margin is kept back, since exceeding it ends processes: the worker, or somebody else's.
 * Publications are not held against it: their memory was charged to their publisher before
 * they came here.
 *
 * A page of a cache is promised first (all of them for an attach that fetches all, so that it
 * is refused before it begins), and made when it is about to be fetched. Worker thread only.
 */
#ifndef RM_LIMIT_H
#define RM_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct context;

/* Who holds memory beside this. A NULL: nobody does yet. */
struct limit_holders {
	void *arg;
	uint64_t (*published)(void *arg);       /* bytes of publications of this host */
	uint64_t (*both)(void *arg);            /* of these, those that are caches as well */
	void (*let_go)(void *arg);              /* give up what is only held for processes */
	uint64_t (*evict)(void *arg);           /* and caches that nobody has attached: bytes */
};

struct limit {                          /* of struct context; all 0 at first */
	struct limit_holders holders;
	uint64_t caches;                /* bytes of caches, made or promised */
	uint64_t promised;              /* of these not made yet */
	uint64_t free_bytes;            /* the cgroup's, at the last look, less what was made since */
	uint64_t look_ns;               /* after this it is looked at again */
	char why[256];                  /* of the last -ENOSPC */
};

/* Publications and caches; memory that is both counts once. */
uint64_t limit_held(struct context *context);
/* What may still be taken by either bound; nothing is given up for it. */
uint64_t limit_room(struct context *context);
/*
 * Would publications of so many bytes more be within RMMAP_LIMIT? What is only held for
 * processes, and caches that nobody has attached, give way.
 */
bool limit_admits(struct context *context, uint64_t bytes);

/*
 * So many bytes of caches may be made: 0, or -ENOSPC with the figures in context->limit.why.
 * What nobody has attached gives way.
 */
int limit_promise(struct context *context, uint64_t bytes);
/* Of what was promised, so much is made now. */
void limit_make(struct context *context, uint64_t bytes);
/* So much is there without having been promised: an earlier worker made it. */
void limit_found(struct context *context, uint64_t bytes);
/* What was made is gone, or what was promised will not be made. */
void limit_return(struct context *context, uint64_t made, uint64_t promised);

#endif
