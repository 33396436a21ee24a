/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sweep.h - fetch all pages of a remote publication that are absent
 *
 * Keeps enough reads queued to keep the fabric busy, and few enough that on a slow
 * network none waits in the queue until its deadline. Worker thread only.
 */
#ifndef RM_SWEEP_H
#define RM_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "remote.h"

#define SWEEP_CHUNKS 32                 /* of 1 MiB: at most so many are queued */
#define SWEEP_CHUNK_PAGES 256

struct sweep_chunk {
	struct page_wait waiter;
	struct sweep *sweep;
	uint64_t started_ns;            /* 0: free */
};

struct sweep {                  /* embed it; it must stay where it is until done() */
	struct remote *remote;          /* NULL: not under way */
	struct attachment *attachment;
	void (*done)(struct sweep *sweep, int error);
	uint32_t layer, end;            /* this layer, and those before that one */
	uint64_t page;
	unsigned outstanding, window;
	bool pumping;
	int error;
	struct sweep_chunk chunks[SWEEP_CHUNKS];
};

/* done() is called once, perhaps before this returns: 0 or the first error. */
void sweep_start(struct sweep *sweep, struct remote *remote, struct attachment *attachment,
                 void (*done)(struct sweep *sweep, int error));
/* The same of one layer, for no attachment. */
void sweep_layer(struct sweep *sweep, struct remote *remote, uint32_t layer,
                 void (*done)(struct sweep *sweep, int error));
void sweep_cancel(struct sweep *sweep); /* no done() any more; nothing if not under way */

#endif
