/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy.h - one lazy attachment: what pager.c and lazy_map.c share
 *
 *   pager.c      events, completion, the record
 *   lazy_fetch.c which pages a fault brings, and having them fetched
 *   lazy_ahead.c what was fetched before anybody asked: pointers followed, use found out
 *   lazy_map.c   resolving pages that are here, giving up those that will not come
 *   lazy_ranges.c which addresses are this uffd's at all
 *   lazy_filled.c nothing is unregistered that could be read as zeros
 *
 * Nobody else includes this. Worker thread only.
 */
#ifndef RM_LAZY_H
#define RM_LAZY_H

#include "budget.h"
#include "../base/loop.h"
#include "pager.h"
#include "pointers.h"
#include "stream.h"
#include "../remote/fetch_all.h"

enum { LAZY_UFFD, LAZY_LINE_THEIRS, LAZY_LINE_OURS, LAZY_RANGES, LAZY_STDERR, LAZY_FDS };

#define LAZY_PART 64                    /* a batch comes in such parts, each of use at once */
#define LAZY_NOBODY UINT64_MAX          /* no page is waited for */

struct lazy_fault {             /* somebody waits at this address */
	uint64_t addr, at_ns;
	struct lazy_fault *next;
};

struct lazy_batch {             /* part of a batch: pages being fetched because of a fault */
	struct page_wait waiter;
	struct lazy *lazy;
	uint32_t segment;
	uint64_t page, count;           /* in the segment */
	uint64_t ahead;                 /* of those, fetched before anybody asked for them */
	enum rm_ahead why;              /* if any are */
	bool waited;                    /* somebody waited for one of them from the start */
	bool trip;                      /* and that one was absent */
	uint64_t at_ns, took_ns;        /* asked for then; here after so long */
	struct lazy_batch *next;
};

struct lazy_asked {             /* rmmap_prefetch() under way */
	uint64_t at, end;               /* page numbers still to be asked for */
	struct lazy_asked *next;
};

#define LAZY_QUEUE 16384                /* pages to be fetched on a pointer's word */

struct lazy_ahead {                     /* what is fetched before anybody asks for it */
	uint8_t *state;                 /* of each page: see lazy_ahead.c */
	uint64_t *queue;                /* page numbers: first come, first served; NULL: not yet */
	unsigned head, queued;
	struct budget budget;
	struct streams streams;
	struct lazy_asked *asked;       /* the first to come goes first */
	unsigned asked_count;
	unsigned flying;                /* batches under way that nobody waited for */
	uint64_t flying_pages;
	bool pumping;
};

struct lazy_completion {
	void (*done)(void *arg, int error);
	void *arg;
	struct lazy_completion *next;
};

/* What is decided about batches by fault.c. */
struct lazy_events {
	/* These are about to be fetched. How many of them nobody waits for. */
	uint64_t (*note)(struct lazy *lazy, const struct lazy_batch *batch, uint64_t waited);
	/* These came, or (error) some of them will not. The caller frees the batch. */
	void (*arrived)(struct lazy *lazy, const struct lazy_batch *batch, int error);
};
extern const struct lazy_events fault_events;

struct lazy {
	const struct lazy_events *events;
	struct context *context;
	struct attachment *attachment;
	struct remote *remote;
	struct source source;           /* the uffd, while it is served */
	int fds[LAZY_FDS];              /* -1: none, or closed */
	uint32_t features;
	uint64_t record;
	bool dead;                      /* its address space is gone */
	bool finished;                  /* nothing is left to serve */
	bool told;                      /* its stderr has been told */
	bool broken;                    /* see lazy_filled(): never unregistered */
	/* Pages are numbered through all segments; a segment's first is at first[segment]. */
	uint64_t *first;
	/*
	 * Resolved once, or marked as lost. The kernel may drop a page that it can take from the
	 * file again; of a layer that is not shared (lazy_shares()) a page stays.
	 */
	uint64_t *mapped;
	struct rm_wire_range *ranges;   /* what the uffd is registered for */
	size_t range_count;
	uint64_t pages;                 /* of all segments */
	uint64_t left;                  /* pages of data that are not mapped */
	uint64_t left_copies;           /* of these, in layers that are not shared */
	struct lazy_fault *faults;
	struct lazy_batch *batches;
	struct lazy_ahead ahead;
	struct fetch_all sweep;             /* lazy_complete() under way */
	struct lazy_completion *completions;
	int completed;                  /* their error */
	struct timer timer;             /* tells them; frees a finished lazy */
	struct timer starved;           /* see lazy_starved() */
};

/* ---- lazy_fetch.c ---- */
/* Serve a fault on this page of a segment, with as many around it as seems wise. */
void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page);
uint32_t lazy_segment(const struct lazy *lazy, uint64_t number);        /* of a page number */
/*
 * Have pages of one segment fetched, and mapped when they are here; waited is the number of
 * the page that somebody waits for, or LAZY_NOBODY. Those that are here are mapped at once.
 */
void lazy_fetch(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count,
                enum rm_ahead why, uint64_t waited);
/* Is somebody having this page fetched? */
bool lazy_on_its_way(const struct lazy *lazy, uint32_t segment, uint64_t page);
static inline const struct rm_segment *lazy_segment_at(const struct lazy *lazy, uint32_t segment)
{
	return &remote_table(lazy->remote)->segments[segment];
}
/* There is no memory for a fault, not even the reserve's: who waits faults anew in a while. */
void lazy_starved(struct lazy *lazy);
/* ---- ahead.c ---- */
/* These are about to be fetched: note those that nobody waits for. How many that are. */
uint64_t ahead_note(struct lazy *lazy, const struct lazy_batch *batch, uint64_t waited);
/* Leave this page for a fault, which tells that a stream, or a lone one, has come so far. */
void ahead_mark(struct lazy *lazy, uint64_t number, bool lone);
/* Somebody touched it. True if it was left for that. */
bool ahead_touched(struct lazy *lazy, uint64_t number);
/* Pages that readahead brought were used: number, number + step, ... */
void ahead_proven(struct lazy *lazy, const struct stream_plan *plan);
/* A fault on a page that is neither here nor under way. */
void ahead_missed(struct lazy *lazy, uint64_t number);
/* A batch is over: count what it brought, see where its pages point to. */
void ahead_arrived(struct lazy *lazy, const struct lazy_batch *batch, int error);
/* As lazy_map(), but for pages that are left to find out whether they are used. */
void ahead_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);
void ahead_scan(struct lazy *lazy, uint32_t segment, uint64_t page);
void ahead_pump(struct lazy *lazy);     /* fetch on, as far as trust goes */
void ahead_free(struct lazy *lazy);
/* ---- lazy_ranges.c ---- */
/*
 * Number the pages of all segments. Those that are not this uffd's count as mapped: they are
 * others', or the consumer's own content. 0, -ENOMEM or -EINVAL.
 */
int lazy_number(struct lazy *lazy);
void lazy_unregister(const struct lazy *lazy);
/* ---- lazy_filled.c ---- */
/* Does the process map the present file of this layer? Else its pages come by copies. */
bool lazy_shares(const struct lazy *lazy, uint32_t layer);
/*
 * An assertion, for who is about to unregister all: every page of data was resolved, or is in
 * the very file that the process maps. It looks at each page, and asks the kernel for one of
 * each segment. If pages are missing by what was noted, this worker ends, and the next one,
 * which is told to trust no file, gives the process all pages by copies; where that was so
 * already, or nobody would start another worker, the process gets SIGBUS and stays
 * registered. False: there is more to do, or it is broken.
 */
bool lazy_filled(struct lazy *lazy);
/* UFFD_NO_PAGE: go on by copies. */
void lazy_no_page(struct lazy *lazy);
/* ---- end.c ---- */
void lazy_close_fds(int *fds);
void lazy_free(struct lazy *lazy);      /* its descriptors are closed already */
/* Nothing is absent, or all that is was marked as lost. It is freed later, by its timer. */
void lazy_finish(struct lazy *lazy, int error);
void lazy_timer_fired(struct timer *timer);
void lazy_faults_free(struct lazy *lazy);       /* nobody is known to wait any more */
/* Is all data in the file that the process maps, or resolved? */
bool lazy_is_filled(const struct lazy *lazy);
void lazy_progress(struct lazy *lazy);  /* something was mapped: is that all? */
/* ---- lazy_map.c ---- */
/* Is the page of this segment here, or a hole? */
bool lazy_available(const struct lazy *lazy, uint32_t segment, uint64_t page);
/*
 * Resolve pages [page, end) of a segment as far as they are here, those that were resolved
 * before only if somebody waits for them; whose faults they were is told.
 */
void lazy_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);
/* Has a fault at this page not been resolved yet? */
bool lazy_waited_for(const struct lazy *lazy, uint64_t addr);
/* Give up the pages of [page, end) that somebody waits for and that are not here. */
void lazy_lost(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end, int error);
/* Give up all that is not here; false if some page could not be marked as lost. */
bool lazy_poison(struct lazy *lazy, int error);

#endif
