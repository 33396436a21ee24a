/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - readahead: faults that go up, down or in equal steps through the pages
 *
 * Pages are numbers. A lone fault brings the 16 pages that it lies among, and one of those is
 * left for a fault (the mark), to see whether neighbours are used; where they hardly are, 8
 * or 4 come. A fault that goes on
 * where the last batch ended, at either end, or up to 16 pages on, brings twice as many; three
 * lone ones at equal distances, beyond that, bring pages at that distance. In the middle of each larger batch a page is to be
 * left for a fault, too, so that the next batch is on its way before this one is used
 * up, however quickly it arrived. Pure: no allocation, no globals.
 */
#ifndef RM_STREAM_H
#define RM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#define STREAM_LONE 16                  /* pages that a lone fault brings; also: near */
#define STREAM_LONE_MIN 4
#define STREAM_JUDGED 64                /* after so many lone faults that is looked at again */
#define STREAM_PROBED 4                 /* and from then on only every so many have a mark */
#define STREAM_WORTH 3                  /* so many uses in them are worth their way */
#define STREAM_MAX 512                  /* 2 MiB */
#define STREAM_STEPS_MAX 64             /* pages at a distance in one batch */
#define STREAM_MARKED 64                /* batches of at least so many have a mark */
#define STREAMS 8
#define STREAM_LONES 8
#define STREAM_NONE UINT64_MAX

struct stream {                 /* its last batch: count pages, the first first, each step on */
	uint64_t first, count;
	int64_t step;                   /* 1 or -1: without gaps; 0: no stream */
	uint64_t size;                  /* of that batch, before it was cut */
	uint64_t unproven;              /* who comes by has used all from here on */
	uint64_t used_at;
	bool lone;                      /* may go on either way */
};

struct streams {                        /* all 0 at first */
	struct stream all[STREAMS];
	uint64_t lone[STREAM_LONES];    /* the last lone faults, plus 1; 0: none */
	unsigned next_lone, lone_used;
	bool judged;                    /* once, at least */
	uint64_t lone_pages;            /* how many come; 0: STREAM_LONE */
	uint64_t clock;
};

struct stream_plan {
	uint64_t first, count;          /* to be fetched, in this order: first, first + step, ... */
	int64_t step;
	uint64_t mark;                  /* to be left for a fault, or STREAM_NONE */
	bool lone;
	uint64_t proven, proven_count;  /* by that step too: fetched earlier and used by now */
};

/* A fault on a page (of total) that nobody has asked for. */
void streams_fault(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan);
/* The mark of a lone batch was touched: for how many pages that stands. */
uint64_t streams_lone_used(struct streams *streams);
/*
 * Somebody touched a page that was asked for: a mark, or one that is on its way. True if the
 * next batch is to be fetched now.
 */
bool streams_touch(struct streams *streams, uint64_t page, uint64_t total,
                   struct stream_plan *plan);

#endif
