/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served_data.c - the pages of a small publication, sent before the answer to PEER_ATTACH
 *
 * A reader that attaches for the first time gets all pages and no keys, if the pages fit a few
 * messages. Nobody waits for these messages, and none is sent again. A page that is lost, or comes
 * after the answer, is read like any other page, with a key that is asked for.
 *
 * Worker thread only. Allocates the pages and messages with malloc, and frees them.
 */
#include <stdlib.h>
#include <string.h>

#include "served.h"

/* Encode data into parts. Returns their number; 0: there would be more than PEER_PARTS_MAX. */
static unsigned parts_pack(struct peer_part *parts, const uint8_t *data, uint32_t total)
{
	unsigned count = 0, i;
	uint32_t at = 0;

	for (; at < total; count++) {
		if (count == PEER_PARTS_MAX)
			return 0;
		parts[count].size = peer_put_data(data, total, &at, parts[count].body);
	}
	for (i = 0; i < count; i++)
		peer_number_data(parts[i].body, (uint16_t)i, (uint16_t)count);
	return count;
}

/* All pages with data, in the order of the regions. NULL: too many, no memory, or no mapping. */
static uint8_t *data_collect(const struct peer_served *served, uint32_t *total)
{
	uint64_t sum = 0, at = 0;
	uint8_t *data;
	uint32_t i;

	for (i = 0; i < served->region_count && sum <= PEER_DATA_MAX; i++)
		sum += served->regions[i].wire.length;
	if (!sum || sum > PEER_DATA_MAX)
		return NULL;
	data = malloc(sum);
	for (i = 0; data && i < served->region_count; i++) {
		const struct peer_region *wire = &served->regions[i].wire;
		struct stored_layer *layer = served->publication->layers[wire->layer];

		if (grant_map(layer)) {
			free(data);
			return NULL;
		}
		memcpy(data + at, (const uint8_t *)layer->map + wire->offset, wire->length);
		at += wire->length;
	}
	*total = (uint32_t)sum;
	return data;
}

bool data_send(struct peer_served *served, const struct peer_envelope *to)
{
	struct peer_part *parts;
	uint32_t total;
	uint8_t *data = data_collect(served, &total);
	unsigned count;
	bool sent;

	if (!data)
		return false;
	parts = calloc(PEER_PARTS_MAX, sizeof(*parts));
	count = parts ? parts_pack(parts, data, total) : 0;
	sent = count && served_gift(served->peers, to, PEER_DATA, &served->keys, parts, count);
	free(parts);
	free(data);
	return sent;
}
