/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.h - pages of another host's publication: waiting for them, and passing them on
 *
 * What peer/ needs of remote/, which stands above it. Worker thread only.
 */
#ifndef RM_PAGES_H
#define RM_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"

struct fabric;
struct remote;                          /* remote/remote.h; opaque here */

/* Somebody who waits for pages [page, page + count) of a layer. Embed it. */
struct page_wait {
	uint32_t layer;
	uint64_t page, count;
	bool low_priority;              /* reads posted later without this flag overtake it */
	bool vital;                     /* a fault waits for them: see base/reserve.h */
	/* All pages are settled: they are here, or (error) one of them will not come. */
	void (*done)(struct page_wait *wait, int error);
	struct page_wait *next;         /* remote's, as error */
	int error;
};

/* Pages that this host has of other hosts' publications, for other readers' hosts. */
struct page_source {
	/* The publication with this id that is read over this fabric, and its secret; or NULL. */
	struct remote *(*find)(void *arg, const struct fabric *fabric,
	                       const uint8_t id[RM_ID_BYTES], const uint8_t **secret);
	/* 0: wait->done() is called, perhaps before this returns; -ENODATA: they will not come. */
	int (*fetch)(struct remote *remote, struct page_wait *wait);
	void (*forget)(struct remote *remote, struct page_wait *wait);
	void *(*data)(struct remote *remote, uint32_t layer, uint64_t page);
	void (*passed)(struct remote *remote, uint64_t bytes);  /* somebody may read them now */
};

#endif
