/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - one lazy attachment: what the files of pager/ share; no other room includes it
 *
 *   pager.c   fault events, completion, the record
 *   fault.c   policy: which pages a fault brings
 *   ahead.c   policy: what is fetched before anybody asks for it, and whether it was used
 *   batch.c   has pages fetched, in parts
 *   map.c     resolves pages that are here, gives up those that will not come
 *   filled.c  proves that nothing can be read as zeros before the ranges are unregistered
 *   end.c     completion, loss, and release
 *   ranges.c  which addresses this userfaultfd covers
 *
 * Pages are named in two ways: by a segment and a page in it, or by a number that runs through
 * all segments (lazy.first). Worker thread only. What allocates says so.
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

#define LAZY_PART 64                    /* pages: a batch is fetched in parts of this size */
#define LAZY_NOBODY UINT64_MAX          /* in place of a page number: nobody waits */

struct lazy_fault {             /* a thread waits at this address */
	uint64_t addr, at_ns;           /* page address; when the event was read */
	struct lazy_fault *next;
};

struct lazy_batch {             /* one part: pages that are being fetched together */
	struct page_wait waiter;
	struct lazy *lazy;
	uint32_t segment;
	uint64_t page, count;           /* in the segment */
	uint64_t ahead;                 /* how many of them nobody had asked for */
	enum rm_ahead why;              /* who brought those */
	bool waited;                    /* a thread waited for one of them from the start */
	bool trip;                      /* and that page was absent: took_ns is a round trip */
	uint64_t at_ns, took_ns;        /* when it was asked for; how long it took */
	struct lazy_batch *next;
};

struct lazy_asked {             /* a range of rmmap_prefetch() */
	uint64_t at, end;               /* page numbers that are still to be fetched; at < end */
	struct lazy_asked *next;
};

#define LAZY_QUEUE 16384                /* pages that pointers led to, waiting to be fetched */

struct lazy_ahead {             /* what is fetched before anybody asks for it */
	uint8_t *state;                 /* of each page, by number: bits of ahead.c */
	uint64_t *queue;                /* ring of page numbers; NULL until the first one */
	unsigned head, queued;          /* the oldest; how many, at most LAZY_QUEUE */
	struct budget budget;
	struct streams streams;
	struct lazy_asked *asked;       /* oldest first */
	unsigned asked_count;           /* ranges in that list */
	unsigned flying;                /* batches under way that no thread waited for */
	uint64_t flying_pages;          /* of these */
	bool pumping;                   /* ahead_pump() is on the stack */
};

struct lazy_completion {        /* a call of lazy_complete() that is not answered yet */
	void (*done)(void *arg, int error);
	void *arg;
	struct lazy_completion *next;
};

/* Decisions about batches, by fault.c. */
struct lazy_events {
	/* These pages are about to be fetched. Returns how many of them nobody waits for. */
	uint64_t (*note)(struct lazy *lazy, const struct lazy_batch *batch, uint64_t waited);
	/*
	 * The pages are here, or (error) some of them will not come. Called once for each note. The
	 * batch is not in lazy.batches any more; the caller frees it.
	 */
	void (*arrived)(struct lazy *lazy, const struct lazy_batch *batch, int error);
};
extern const struct lazy_events fault_events;

struct lazy {
	const struct lazy_events *events;
	struct context *context;
	struct attachment *attachment;
	struct remote *remote;
	struct source source;           /* the userfaultfd, while it is served */
	int fds[LAZY_FDS];              /* -1: there is none, or it is closed */
	uint32_t features;              /* RM_UFFD_ bits */
	uint64_t record;                /* the keeper's number */
	bool dead;                      /* the process's address space is gone */
	bool finished;                  /* nothing is left to serve; timer frees it */
	bool told;                      /* a loss was reported on the process's stderr */
	bool broken;                    /* lazy_filled() found a fault: it is never unregistered */
	uint64_t *first;                /* of each segment, the number of its first page */
	/*
	 * Bitmap by page number: the page was resolved once, or marked as lost, or is not this
	 * userfaultfd's. The kernel may drop the mapping of a page that the file has (it faults
	 * again), but not a copy: see lazy_shares().
	 */
	uint64_t *mapped;
	struct rm_wire_range *ranges;   /* what the userfaultfd is registered for; ascending */
	size_t range_count;
	uint64_t pages;                 /* of all segments */
	uint64_t left;                  /* pages of data that are not in mapped */
	uint64_t left_copies;           /* those of left in layers that are not shared */
	struct lazy_fault *faults;      /* threads that wait, as far as is known */
	struct lazy_batch *batches;     /* under way */
	struct lazy_ahead ahead;
	struct fetch_all fetch_all;     /* under way for the completions */
	struct lazy_completion *completions;
	int completed;                  /* the error that they are told */
	struct timer timer;             /* answers the completions; frees a finished lazy */
	struct timer starved;           /* see lazy_starved() */
};

/* ---- fault.c: allocates ---- */
/* Serve a fault on this page of a segment, with as many pages around it as seem useful. */
void lazy_fault(struct lazy *lazy, uint32_t segment, uint64_t page);

/* ---- batch.c: allocates ---- */
uint32_t lazy_segment(const struct lazy *lazy, uint64_t number);        /* of a page number */
/*
 * Have pages of one segment fetched. lazy_events.arrived is called for them, perhaps before
 * this returns. waited is the number of the page that a thread waits for, or LAZY_NOBODY.
 */
void lazy_fetch(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count,
                enum rm_ahead why, uint64_t waited);
/* Is the page in a batch that is under way? */
bool lazy_on_its_way(const struct lazy *lazy, uint32_t segment, uint64_t page);
static inline const struct rm_segment *lazy_segment_at(const struct lazy *lazy, uint32_t segment)
{
	return &remote_table(lazy->remote)->segments[segment];
}
/* There is no memory for a fault, not even the reserve's: soon all threads that wait are woken. */
void lazy_starved(struct lazy *lazy);

/* ---- ahead.c: allocates ---- */
/* lazy_events.note: note the pages that nobody waits for. Returns how many these are. */
uint64_t ahead_note(struct lazy *lazy, const struct lazy_batch *batch, uint64_t waited);
/* Leave this page unmapped: its fault tells how far a stream, or (lone) a lone batch, is used. */
void ahead_mark(struct lazy *lazy, uint64_t number, bool lone);
/* A thread touched the page. True if it was left unmapped for that. */
bool ahead_touched(struct lazy *lazy, uint64_t number);
/* The plan's proven pages, which readahead brought, were used. */
void ahead_proven(struct lazy *lazy, const struct stream_plan *plan);
/* A fault on a page that is neither here nor under way. */
void ahead_missed(struct lazy *lazy, uint64_t number);
/* lazy_events.arrived: count what the batch brought, and follow the pointers in it. */
void ahead_arrived(struct lazy *lazy, const struct lazy_batch *batch, int error);
/* As lazy_map(), without the pages that are left unmapped. */
void ahead_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);
/* Queue the pages to which this one points, if pointers are followed. */
void ahead_scan(struct lazy *lazy, uint32_t segment, uint64_t page);
void ahead_pump(struct lazy *lazy);     /* fetch from the queues, as far as the budget allows */
void ahead_free(struct lazy *lazy);

/* ---- ranges.c: allocates ---- */
/*
 * Number the pages of all segments, and mark those as mapped that are not this userfaultfd's:
 * another attachment has them, or the process keeps content of its own there. 0, -ENOMEM or
 * -EINVAL.
 */
int lazy_number(struct lazy *lazy);
void lazy_unregister(const struct lazy *lazy);

/* ---- filled.c ---- */
/* Does the process map the present file of this layer? If not, its pages come as copies. */
bool lazy_shares(const struct lazy *lazy, uint32_t layer);
/*
 * Before everything is unregistered: prove that each page of data was resolved, or is in the
 * very file that the process maps. This looks at each page, and asks the kernel for one page of
 * each segment. False: do not unregister.
 *
 * If pages are missing although the counters say that none are, this worker ends. The next one
 * is told to trust no file, and gives the process all pages as copies. If that was so already,
 * or nobody would start another worker, the process gets SIGBUS and stays registered.
 */
bool lazy_filled(struct lazy *lazy);
/* uffd_resolve() returned UFFD_NO_PAGE: from now on all pages are copied. */
void lazy_no_page(struct lazy *lazy);

/* ---- end.c ---- */
void lazy_close_fds(int *fds);
void lazy_free(struct lazy *lazy);      /* its descriptors are closed, or not its own */
/* Every page was given or marked as lost: stop serving. The timer frees it later. */
void lazy_finish(struct lazy *lazy, int error);
void lazy_timer_fired(struct timer *timer);
void lazy_faults_free(struct lazy *lazy);       /* forget the threads that wait */
/* Is every page of data resolved, or in the file that the process maps? */
bool lazy_is_filled(const struct lazy *lazy);
void lazy_progress(struct lazy *lazy);  /* pages were mapped: finish if these were the last */

/* ---- map.c ---- */
/* Is the page of this segment here, or a hole? */
bool lazy_available(const struct lazy *lazy, uint32_t segment, uint64_t page);
/*
 * Resolve the pages of [page, end) that are here: those that were not resolved before, and those
 * that a thread waits for. Forgets the faults that are served by this.
 */
void lazy_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);
/* Does a thread wait at this page address? */
bool lazy_waited_for(const struct lazy *lazy, uint64_t addr);
/* Give up the pages of [page, end) that are not here and that a thread waits for. */
void lazy_lost(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end, int error);
/* Give up all pages that are not here. False if one of them could not be marked as lost. */
bool lazy_poison(struct lazy *lazy, int error);

#endif
