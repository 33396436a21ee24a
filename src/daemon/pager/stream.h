/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - readahead: faults that go up, down or in equal steps through the pages
 *
 * A page is a number. A fault that belongs to no stream is a lone one. It brings the 16 pages
 * of its aligned block, or 8 or 4 where neighbours are hardly used. One of them, the mark, is
 * left unmapped: a fault on it shows that the neighbours are used.
 *
 * A fault that continues the last batch of a stream, at either end or up to 16 pages beyond,
 * brings twice as many pages as that batch. Three lone faults at equal distances of more than
 * that begin a stream with that step. Each larger batch has a mark in its middle, so that the
 * next batch is on its way before this one is used up, however quickly it arrived.
 *
 * Called by fault.c and ahead.c. Pure: no globals, no allocation.
 */
#ifndef RM_STREAM_H
#define RM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#define STREAM_LONE 16                  /* pages that a lone fault brings; also: this near */
#define STREAM_LONE_MIN 4               /* ... where neighbours are hardly used */
#define STREAM_JUDGED 64                /* after this many lone faults their number is revised */
#define STREAM_PROBED 4                 /* after the first revision, one batch of 4 has a mark */
#define STREAM_WORTH 3                  /* uses in these faults' batches justify neighbours */
#define STREAM_MAX 512                  /* pages in a batch without gaps: 2 MiB */
#define STREAM_BLOCKS_MAX 2048          /* the same where they come in blocks of 2 MiB */
#define STREAM_STEPS_MAX 64             /* pages in a batch with larger steps */
#define STREAM_MARKED 64                /* a batch without gaps has a mark from this size on */
#define STREAMS 8                       /* at a time; the least recently used makes room */
#define STREAM_LONES 8                  /* lone faults that are remembered */
#define STREAM_NONE UINT64_MAX          /* in place of a page number */

/* A stream is its last batch: the pages first, first + step, ..., count of them. */
struct stream {
	uint64_t first, count;
	int64_t step;                   /* 1 or -1: without gaps; 0: this slot has no stream */
	uint64_t size;                  /* of the batch before it was cut at the last page */
	uint64_t unproven;              /* the pages from here to the next fault were used */
	uint64_t used_at;               /* streams.clock at the last batch */
	bool lone;                      /* begun by a lone fault: may continue either way */
};

struct streams {                        /* all 0 at first */
	struct stream all[STREAMS];
	uint64_t lone[STREAM_LONES];    /* ring of the last lone faults, plus 1; 0: none */
	unsigned next_lone;             /* lone faults so far */
	unsigned lone_used;             /* uses since the last revision; a touched mark stands for
	                                   all batches of which one has a mark */
	bool judged;                    /* there was a revision */
	uint64_t lone_pages;            /* that a lone fault brings now; 0: STREAM_LONE */
	uint64_t clock;                 /* batches so far */
	uint64_t most;                  /* pages of the next batch without gaps; the caller may set
	                                   it for one call; 0: STREAM_MAX */
};

struct stream_plan {
	uint64_t first, count;          /* fetch these, in this order: first, first + step, ... */
	int64_t step;                   /* never 0 */
	uint64_t mark;                  /* leave this one unmapped; STREAM_NONE: none */
	bool lone;                      /* the batch of a lone fault */
	struct stream *stream;          /* whose batch it is, until the next call */
	uint64_t proven, proven_count;  /* these pages, in the same steps, were fetched earlier and
	                                   have been used by now */
};

/* A fault on a page, of total pages, that is neither here nor under way: what to fetch. */
void streams_fault(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan);
/* The mark of a lone batch was touched. Returns how many used pages that stands for. */
uint64_t streams_lone_used(struct streams *streams);
/*
 * A thread touched a page that was fetched or is under way: a mark, or a page that it waits for.
 * True if the next batch is to be fetched now.
 */
bool streams_touch(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan);

/*
 * A thread has come to pages [low, high), which came together and were left unmapped for that. As
 * streams_touch(), for whole batches without gaps.
 */
bool streams_reach(struct streams *streams, uint64_t low, uint64_t high, uint64_t total,
                   struct stream_plan *plan);
/* The batch of this plan, without gaps, shall have so many pages instead. */
void stream_resize(struct stream_plan *plan, uint64_t count);

#endif
