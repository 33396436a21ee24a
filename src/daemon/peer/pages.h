/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.h - pages of another host's publication: waiting for them, and passing them on
 *
 * What peer/ needs of remote/, which stands above it: worker/ hands remote's page source to the
 * nets. Types only. Worker thread only; nothing is allocated here.
 */
#ifndef RM_PAGES_H
#define RM_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"

struct fabric;
struct remote;                          /* remote/remote.h; opaque here */

/* A wait for pages [page, page + count) of a layer. Embed it; it stays until done() or forget(). */
struct page_wait {
	uint32_t layer;
	uint64_t page, count;
	bool low_priority;              /* reads posted later without this flag overtake it */
	bool whole;                     /* all pages of the layer are being fetched, in order */
	bool vital;                     /* a fault waits for them: see base/reserve.h */
	/* error 0: all pages are here; else one of them will not come. Called once. */
	void (*done)(struct page_wait *wait, int error);
	/* These two are remote's own. */
	struct page_wait *next;
	int error;
};

/*
 * The pages that this host has of other hosts' publications; all readers' hosts may ask for them.
 */
struct page_source {
	/* The publication with this id that is read over this fabric, and its secret; or NULL. */
	struct remote *(*find)(void *arg, const struct fabric *fabric,
	                       const uint8_t id[RM_ID_BYTES], const uint8_t **secret);
	/* 0: wait->done() is called, perhaps before this returns; -ENODATA: they will not come. */
	int (*fetch)(struct remote *remote, struct page_wait *wait);
	/* The wait has not ended: done() is not called any more. */
	void (*forget)(struct remote *remote, struct page_wait *wait);
	/* Where a page is that has come. */
	void *(*data)(struct remote *remote, uint32_t layer, uint64_t page);
	/* Count bytes that another host may read from now on. */
	void (*passed)(struct remote *remote, uint64_t bytes);
};

#endif
