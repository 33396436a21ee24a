/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch_all.h - fetches all pages of a remote publication that are absent
 *
 * Keeps enough reads queued to keep the fabric busy, and few enough that on a slow network none
 * waits in the queue until its deadline. Worker thread only; does not allocate.
 */
#ifndef RM_FETCH_ALL_H
#define RM_FETCH_ALL_H

#include <stdbool.h>
#include <stdint.h>

#include "remote.h"

#define FETCH_CHUNKS 32                 /* at most this many are queued */
#define FETCH_CHUNK_PAGES 256           /* 1 MiB */

/* A chunk's waiter is with the remote exactly while started_ns is not 0. */
struct fetch_chunk {
	struct page_wait waiter;
	struct fetch_all *all;
	uint64_t started_ns;            /* 0: this chunk is free */
};

/* Embed it. It must stay at its address until done() or fetch_all_cancel(). */
struct fetch_all {
	struct remote *remote;          /* NULL: not under way */
	struct attachment *attachment;  /* for whom the reads count, or NULL */
	void (*done)(struct fetch_all *all, int error);
	uint32_t layer, end;            /* the layer of the next chunk; the layer to stop before */
	uint64_t page;                  /* where the next chunk begins, at the earliest. It only
	                                   grows: pages before it are not asked for again */
	unsigned outstanding;           /* chunks that are not free */
	unsigned window;                /* chunks that may be outstanding: 1 to FETCH_CHUNKS */
	bool pumping;                   /* fetch_all_pump() is on the stack */
	int error;                      /* the first one; no chunk is started after it */
	struct fetch_chunk chunks[FETCH_CHUNKS];
};

/* done() is called once, perhaps before this returns, with 0 or the first error. */
void fetch_all_start(struct fetch_all *all, struct remote *remote, struct attachment *attachment,
                     void (*done)(struct fetch_all *all, int error));
/* The same for one layer, and counted for no attachment. */
void fetch_all_layer(struct fetch_all *all, struct remote *remote, uint32_t layer,
                     void (*done)(struct fetch_all *all, int error));
/* Stop without a call of done(). Does nothing if it is not under way. */
void fetch_all_cancel(struct fetch_all *all);

#endif
