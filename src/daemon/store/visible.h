/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * visible.h - which pages of its layers a publication shows
 *
 * A newer layer of the same publication may override pages of a layer, and other publications
 * may show other pages of it. Only the pages that a publication shows leave this host for it:
 * whoever has its handle has no claim to the rest.
 *
 * Worker thread only. Only visible_make() allocates.
 */
#ifndef RM_VISIBLE_H
#define RM_VISIBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/segment.h"

/*
 * One bitmap for each layer of a checked table: bit N is set if page N of the layer is shown.
 * All lie in one block, which the caller frees with free(). NULL: no memory.
 */
uint64_t **visible_make(const struct rm_table *table);
/* The number of pages that are shown, of all layers. */
uint64_t visible_pages(const struct rm_table *table, uint64_t *const *visible);
/* Does the publication show every page with data of this layer? */
bool visible_whole(const struct rm_table *table, uint64_t *const *visible, uint32_t layer);
/* Words of the bitmap of a layer of this length. */
static inline size_t visible_words(uint64_t length)
{
	return (length / RM_PAGE + 63) / 64;
}

#endif
