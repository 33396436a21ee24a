/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - one lazy attachment: what the files of pager/ share; no other room includes it
 *
 *   pager.c   fault events, completion, the record
 *   fault.c   policy: which pages a fault brings
 *   ahead.c   policy: what is fetched before anybody asks for it, and whether it was used
 *   asked.c   ranges of rmmap_prefetch()
 *   batch.c   has pages fetched, in parts
 *   map.c     resolves pages that are here, gives up those that will not come
 *   block.c   2 MiB that the process can map by one fault
 *   give.c    gives such a block to the process
 *   files.c   whether the process maps the files that it was sent
 *   filled.c  proves that nothing can be read as zeros before a range is unregistered
 *   end.c     completion, loss, and release
 *   ranges.c  which addresses this userfaultfd covers
 *
 * Pages are named in two ways: by a segment and a page in it, or by a number that runs through
 * all segments (lazy.first). Worker thread only. What allocates says so.
 */
#ifndef RM_LAZY_H
#define RM_LAZY_H

#include "../../common/huge.h"
#include "budget.h"
#include "../base/loop.h"
#include "pager.h"
#include "pointers.h"
#include "stream.h"
#include "../remote/fetch_all.h"

enum { LAZY_UFFD, LAZY_LINE_THEIRS, LAZY_LINE_OURS, LAZY_RANGES, LAZY_STDERR, LAZY_FDS };

#define LAZY_PART 64                    /* pages: a batch is fetched in parts of this size */
#define LAZY_NOBODY UINT64_MAX          /* in place of a page number: nobody waits */
#define LAZY_BLOCK (RM_HUGE / RM_PAGE)  /* pages of a block */
#define LAZY_BLOCK_PART 256             /* pages: parts of a block that comes whole */

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
	uint8_t *blocks;                /* state of each block, see block.c; by the number of its
	                                   first page, divided by LAZY_BLOCK */
	unsigned blocks_given;          /* ranges of blocks that were unregistered */
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
/*
 * The block of these pages is the process's own affair from now on. touched: nothing of it was
 * mapped before, and a thread touched it.
 */
void ahead_given(struct lazy *lazy, uint64_t number, bool touched);
void ahead_pump(struct lazy *lazy);     /* fetch from the queues, as far as the budget allows */
void ahead_free(struct lazy *lazy);

#define AHEAD_FLYING_MAX 24             /* batches: leaves the fabric room for faults */

/* ---- asked.c: allocates ---- */
/* Page numbers [at, end) are to be fetched. 0, -EAGAIN or -ENOMEM. */
int asked_add(struct lazy *lazy, uint64_t at, uint64_t end);
/* Fetch the next part of a range of rmmap_prefetch(). False if nothing may be done now. */
bool asked_fetch(struct lazy *lazy);
void asked_free(struct lazy *lazy);

/* ---- block.c: fetching allocates ---- */
/* A block in lazy.blocks: the faults in it so far, up to BLOCK_FAULTS, and */
#define BLOCK_FAULTS 63u
#define BLOCK_FOREIGN 64u               /* not all of it is this userfaultfd's */
#define BLOCK_GIVEN 128u                /* its range was unregistered */
uint8_t *block_state(const struct lazy *lazy, uint32_t segment, uint64_t block);
/* This page is not this userfaultfd's: nor is its block as a whole. For ranges.c. */
void block_foreign(struct lazy *lazy, uint32_t segment, uint64_t page);
/*
 * The first page of the block that has this page. False: there is none that could be given, or it
 * was given already.
 */
bool block_find(const struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t *block);
/* The same by page number: the block has [*low, *high). */
bool block_numbers(const struct lazy *lazy, uint64_t number, uint64_t *low, uint64_t *high);
bool block_untouched(const struct lazy *lazy, uint32_t segment, uint64_t block);  /* none mapped */
uint64_t block_absent(const struct lazy *lazy, uint32_t segment, uint64_t block); /* pages */
/*
 * Is nothing of it to be mapped yet, since all of it will be here soon? While this is so, each
 * page that comes is told to blocks_arrived(). Not if a thread has waited too long in it.
 */
bool block_held(const struct lazy *lazy, uint32_t segment, uint64_t block);
/* When did the first thread begin to wait in it? 0: none does. */
uint64_t block_waited_since(const struct lazy *lazy, uint32_t segment, uint64_t block);
void block_fetch(struct lazy *lazy, uint32_t segment, uint64_t block, enum rm_ahead why);
/*
 * One more fault in this block was a round trip: have all of them taken as long as it takes to
 * fetch what is left of it? Then that is fetched now, and nothing is lost by more than twice.
 */
bool block_is_worth(struct lazy *lazy, uint32_t segment, uint64_t block);

/* ---- give.c ---- */
/*
 * Unregister the block, of which all pages are here: the kernel maps them. False: it is not so,
 * and its pages are to be mapped one by one.
 */
bool block_give(struct lazy *lazy, uint32_t segment, uint64_t block);
/* Pages that were fetched have come, or will not come: map those that are here, or their block. */
void blocks_arrived(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end);

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
/* The same for one block, whose pages all exist in the file, filled or not. */
bool lazy_block_filled(const struct lazy *lazy, uint32_t segment, uint64_t block);
/* The process maps another file than was recorded: from now on all pages are copied. */
void lazy_no_page(struct lazy *lazy);

/* ---- files.c: allocates ---- */
/* Does it map another cache's file where the record says that it maps the present one? */
bool lazy_maps_other(const struct lazy *lazy);

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
/* These pages were resolved otherwise: count them, and forget the faults on them. */
void lazy_resolved(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count);
/* Does a thread wait at this page address? */
bool lazy_waited_for(const struct lazy *lazy, uint64_t addr);
/* Give up the pages of [page, end) that are not here and that a thread waits for. */
void lazy_lost(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end, int error);
/* Give up all pages that are not here. False if one of them could not be marked as lost. */
bool lazy_poison(struct lazy *lazy, int error);

#endif
