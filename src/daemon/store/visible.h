/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shown.h - which pages of its layers a publication shows
 *
 * Nothing else of a layer leaves this host: what newer layers override, or what only other
 * publications show, is no business of who has this one's handle. Allocates.
 */
#ifndef RM_SHOWN_H
#define RM_SHOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/segment.h"

/* A bitmap for each layer, in one block of malloc's; NULL: no memory. */
uint64_t **shown_make(const struct rm_table *table);
uint64_t shown_pages(const struct rm_table *table, uint64_t *const *shown);
/* It shows all pages with data of this layer. */
bool shown_whole(const struct rm_table *table, uint64_t *const *shown, uint32_t layer);
static inline size_t shown_words(uint64_t length)
{
	return (length / RM_PAGE + 63) / 64;
}

#endif
