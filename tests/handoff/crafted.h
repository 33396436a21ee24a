/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crafted.h - publications with tables made by hand, handed to rmmapd without the library
 *
 * Like a heap that was published many times: base layers of which many single pages lie in
 * increments, long runs among them, holes, and a last part without any base. Every page has a
 * content of its own, so whoever looks can tell.
 */
#ifndef CRAFTED_H
#define CRAFTED_H

#include "handoff.h"

struct crafted {
	uint64_t pages;                 /* of the whole */
	unsigned percent;               /* of them, scattered, in increments */
};

#define CRAFTED_BASE UINT64_C(0x480000000000)
#define NO_PAGE UINT64_MAX

/* Make the layers; once in a process. */
void crafted_make(const struct crafted *crafted);
/*
 * Publish the pages [from, to), in which odd, unless it is NO_PAGE, has other content;
 * the number of segments.
 */
unsigned crafted_publish(uint64_t from, uint64_t to, uint64_t odd, char handle[RMMAP_HANDLE_MAX]);
/* What page is there: is it as it was published (and not odd)? */
bool crafted_right(const struct crafted *crafted, uint64_t page);

#endif
