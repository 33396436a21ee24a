/* SPDX-License-Identifier: BSD-2-Clause */
/* visible.c - see visible.h. Worker thread only; visible_make() allocates. */
#include <stdlib.h>
#include <string.h>

#include "visible.h"

uint64_t **visible_make(const struct rm_table *table)
{
	size_t words = 0;
	uint64_t **visible, *bits;

	for (uint32_t i = 0; i < table->layer_count; i++)
		words += visible_words(table->layers[i].length);
	visible = calloc(1, (table->layer_count + 1) * sizeof(*visible) + words * sizeof(*bits));
	if (!visible)
		return NULL;
	bits = (uint64_t *)(visible + table->layer_count + 1);
	for (uint32_t i = 0; i < table->layer_count; i++) {
		visible[i] = bits;
		bits += visible_words(table->layers[i].length);
	}
	rm_table_visible(table, visible);
	return visible;
}

uint64_t visible_pages(const struct rm_table *table, uint64_t *const *visible)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < table->layer_count; i++)
		pages += rm_bit_count(visible[i], table->layers[i].length / RM_PAGE);
	return pages;
}

bool visible_whole(const struct rm_table *table, uint64_t *const *visible, uint32_t layer)
{
	return !memcmp(visible[layer], rm_table_view_bitmap(table, layer),
	               visible_words(table->layers[layer].length) * sizeof(uint64_t));
}
