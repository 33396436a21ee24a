/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy.h - one lazy attachment: what pager.c and lazy_map.c share
 *
 *   pager.c      events, completion, the record
 *   lazy_fetch.c which pages a fault brings, and having them fetched
 *   lazy_map.c   resolving pages that are here, giving up those that will not come
 *   lazy_ranges.c which addresses are this uffd's at all
 *
 * Nobody else includes this. Worker thread only.
 */
#ifndef RM_LAZY_H
#define RM_LAZY_H

#include "loop.h"
#include "pager.h"
#include "sweep.h"

enum { LAZY_UFFD, LAZY_LINE_THEIRS, LAZY_LINE_OURS, LAZY_RANGES, LAZY_STDERR, LAZY_FDS };

#define LAZY_BATCH_MIN 16
#define LAZY_BATCH_MAX 512
#define LAZY_PART 64                    /* a batch comes in such parts, each of use at once */
#define LAZY_STREAMS 4

struct lazy_fault {             /* somebody waits at this address */
	uint64_t addr, at_ns;
	struct lazy_fault *next;
};

struct lazy_batch {             /* part of a batch: pages being fetched because of a fault */
	struct remote_waiter waiter;
	struct lazy *lazy;
	uint32_t segment;
	uint64_t page, count;           /* in the segment */
	struct lazy_batch *next;
};

struct lazy_stream {            /* faults that go up or down through the addresses */
	uint64_t low, high;             /* the pages of its last batch */
	uint64_t size;                  /* of that batch, before it was cut; 0: no stream */
	bool down;
};

struct lazy_completion {
	void (*done)(void *arg, int error);
	void *arg;
	struct lazy_completion *next;
};

struct lazy {
	struct worker *worker;
	struct attachment *attachment;
	struct remote *remote;
	struct source source;           /* the uffd, while it is served */
	int fds[LAZY_FDS];              /* -1: none, or closed */
	uint32_t features;
	uint64_t record;
	bool copies;                    /* maps earlier caches than remote's: see cache.h */
	bool dead;                      /* its address space is gone */
	bool finished;                  /* nothing is left to serve */
	bool told;                      /* its stderr has been told */
	/* Pages are numbered through all segments; a segment's first is at first[segment]. */
	uint64_t *first;
	uint64_t *mapped;               /* resolved once; a hint, the kernel may drop pages */
	struct rm_wire_range *ranges;   /* what the uffd is registered for */
	size_t range_count;
	uint64_t left;                  /* pages of data that are not mapped */
	struct lazy_fault *faults;
	struct lazy_batch *batches;
	struct lazy_stream streams[LAZY_STREAMS];
	unsigned next_stream;
	struct sweep sweep;             /* lazy_complete() under way */
	struct lazy_completion *completions;
	int completed;                  /* their error */
	struct timer timer;             /* tells them; frees a finished lazy */
};

/* ---- lazy_fetch.c ---- */
/* Serve a fault on this page of a segment, with as many around it as seems wise. */
void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page);
/* ---- lazy_ranges.c ---- */
/*
 * Number the pages of all segments. Those that are not this uffd's count as mapped: they are
 * others', or the consumer's own content. 0, -ENOMEM or -EINVAL.
 */
int lazy_number(struct lazy *lazy);
void lazy_unregister(const struct lazy *lazy);
/* ---- pager.c ---- */
void lazy_progress(struct lazy *lazy);  /* something was mapped: is that all? */
/* ---- lazy_map.c ---- */
/* Is the page of this segment here, or a hole? */
bool lazy_available(const struct lazy *lazy, uint32_t segment, uint64_t page);
/*
 * Resolve pages [page, end) of a segment as far as they are here, those that were resolved
 * before only if somebody waits for them; whose faults they were is told.
 */
void lazy_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);
/* Give up the pages of [page, end) that somebody waits for and that are not here. */
void lazy_lost(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end, int error);
/* Give up all that is not here; false if the kernel cannot mark pages as lost. */
bool lazy_poison(struct lazy *lazy, int error);

#endif
