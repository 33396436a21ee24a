/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit.h - how much memory rmmapd may hold
 *
 * There are two bounds. RMMAP_LIMIT applies to publications and caches together. The limit of
 * rmmapd's cgroup applies to all memory that the kernel charges to that cgroup, also that of other
 * processes. So the code asks the cgroup how much it has left, and keeps a margin free, because
 * the OOM killer ends a process when the limit is exceeded: the worker, or another one.
 * Publications do not count against the cgroup: their memory was charged to the publisher before
 * rmmapd got it.
 *
 * The memory of a cache's page is accounted for in two steps. It is promised first. An attach that
 * fetches everything promises all pages, so that it fails before it begins. It is made when the
 * page is about to be fetched. Worker thread only; allocates nothing.
 */
#ifndef RM_LIMIT_H
#define RM_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct context;

/*
 * The rooms above that hold memory, as functions that worker/ sets. A function that is NULL stands
 * for a part that does not exist yet: it holds nothing and can free nothing.
 */
struct limit_holders {
	void *arg;                              /* first argument of each function */
	uint64_t (*published)(void *arg);       /* bytes of this host's publications */
	uint64_t (*both)(void *arg);            /* bytes among these that are a cache's, too */
	void (*release_holdings)(void *arg);    /* free layers that are only held for processes
	                                           that have just published: see store/layers.h */
	uint64_t (*evict)(void *arg);           /* free the complete caches that nobody has
	                                           attached; returns the number of bytes */
};

/* A member of struct context; all zero at first. */
struct limit {
	struct limit_holders holders;
	uint64_t caches;                /* bytes of caches, made and promised */
	uint64_t promised;              /* bytes among these that are not made yet: <= caches */
	uint64_t free_bytes;            /* what the cgroup had left at the last look, less the
	                                   margin and what was made since; RM_CGROUP_NONE: it has
	                                   no limit */
	uint64_t look_ns;               /* free_bytes is out of date after this time */
	char why[256];                  /* text for the last -ENOSPC of limit_promise() */
};

/* Bytes of publications and caches. Memory that is both counts once. */
uint64_t limit_held(struct context *context);
/* Bytes that both bounds still allow. Frees nothing to get there. */
uint64_t limit_room(struct context *context);
/*
 * True if RMMAP_LIMIT allows BYTES more of publications. If it does not at first, holdings and
 * caches that nobody has attached are freed, and it is checked once more.
 */
bool limit_admits(struct context *context, uint64_t bytes);

/*
 * Reserve BYTES for pages of caches: 0, or -ENOSPC with the figures in context->limit.why. Frees
 * holdings and caches that nobody has attached if there is no room else.
 */
int limit_promise(struct context *context, uint64_t bytes);
/* BYTES of the memory that was promised are about to be used. */
void limit_make(struct context *context, uint64_t bytes);
/* BYTES of caches are in use that an earlier worker had made. */
void limit_found(struct context *context, uint64_t bytes);
/* MADE bytes of caches were freed, and PROMISED bytes will not be made. */
void limit_return(struct context *context, uint64_t made, uint64_t promised);

#endif
