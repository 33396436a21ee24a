/* SPDX-License-Identifier: BSD-2-Clause */
/* shown.c - see shown.h */
#include <stdlib.h>
#include <string.h>

#include "visible.h"

uint64_t **shown_make(const struct rm_table *table)
{
	size_t words = 0;
	uint64_t **shown, *bits;

	for (uint32_t i = 0; i < table->layer_count; i++)
		words += shown_words(table->layers[i].length);
	shown = calloc(1, (table->layer_count + 1) * sizeof(*shown) + words * sizeof(*bits));
	if (!shown)
		return NULL;
	bits = (uint64_t *)(shown + table->layer_count + 1);
	for (uint32_t i = 0; i < table->layer_count; i++) {
		shown[i] = bits;
		bits += shown_words(table->layers[i].length);
	}
	rm_table_visible(table, shown);
	return shown;
}

uint64_t shown_pages(const struct rm_table *table, uint64_t *const *shown)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < table->layer_count; i++)
		pages += rm_bit_count(shown[i], table->layers[i].length / RM_PAGE);
	return pages;
}

bool shown_whole(const struct rm_table *table, uint64_t *const *shown, uint32_t layer)
{
	return !memcmp(shown[layer], rm_table_view_bitmap(table, layer),
	               shown_words(table->layers[layer].length) * sizeof(uint64_t));
}
