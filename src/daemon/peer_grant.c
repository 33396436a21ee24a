/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_grant.c - what another host may read here: layers, and the table if it is long
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "peer_internal.h"

/* The layer in memory, mapped once for all readers. */
static int layer_map(struct layer *layer)
{
	void *map;

	if (layer->map)
		return 0;
	map = mmap(NULL, layer->length, PROT_READ, MAP_SHARED, layer->fd, 0);
	if (map == MAP_FAILED)  /* older kernels refuse shared maps of what is sealed */
		map = mmap(NULL, layer->length, PROT_READ, MAP_PRIVATE, layer->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	layer->map = map;
	return 0;
}

/*
 * Each run of pages with data, cut where it is long: a hole is never registered, since a
 * device would make it pages. How many there are; written to regions if that is not NULL.
 */
static uint64_t cut(const struct publication *publication, struct served_region *regions)
{
	const uint64_t most = FABRIC_REGION_MAX / RM_PAGE;
	const struct rm_table *table = &publication->table;
	uint64_t at, start, count, total = 0;
	uint32_t i;

	for (i = 0; i < publication->layer_count; i++) {
		at = 0;
		while (rm_bit_run(rm_table_view_bitmap(table, i), at,
		                  table->layers[i].length / RM_PAGE, true, &start, &count)) {
			count = count < most ? count : most;
			if (regions)
				regions[total].wire = (struct peer_region){
					.layer = i,
					.offset = start * RM_PAGE,
					.length = count * RM_PAGE,
				};
			total++;
			at = start + count;
		}
	}
	return total;
}

/*
 * Kernels before 6.2 pin only what could be written, by a private copy: not a shared mapping of
 * a descriptor that is read-only. In its place, at the same addresses, since others may have
 * registered it with a fabric that pins nothing.
 */
static int layer_map_private(struct layer *layer)
{
	void *map = mmap(layer->map, layer->length, PROT_READ, MAP_PRIVATE | MAP_FIXED, layer->fd,
	                 0);

	return map == MAP_FAILED ? -errno : 0;
}

static int register_region(struct peer_served *served, struct served_region *region)
{
	struct fabric *fabric = served->peers->fabric;
	struct layer *layer = served->publication->layers[region->wire.layer];
	int error = layer_map(layer);
	uint8_t *at = layer->map;

	if (error)
		return error;
	at += region->wire.offset;
	error = fabric_register(fabric, at, region->wire.length, &region->region);
	if (error == -EFAULT) {
		error = layer_map_private(layer);
		if (!error)
			error = fabric_register(fabric, at, region->wire.length, &region->region);
	}
	if (error)
		return error;
	region->wire.base = region->region.base;
	region->wire.key = region->region.key;
	served->bytes += region->wire.length;
	return 0;
}

int grant_open(struct peer_served *served)
{
	uint64_t total = cut(served->publication, NULL), i;
	int error = 0;

	if (total > PEER_REGIONS_MAX)
		return -EFBIG;
	served->regions = calloc(total + 1, sizeof(*served->regions));
	if (!served->regions)
		return -ENOMEM;
	served->region_count = (uint32_t)cut(served->publication, served->regions);
	served->bytes = 0;
	for (i = 0; i < total && !error; i++)
		error = register_region(served, &served->regions[i]);
	return error;
}

void grant_fill(const struct peer_served *served, uint8_t *memory, size_t size)
{
	const struct rm_table *table = &served->publication->table;
	size_t tail = served->region_count * (size_t)PEER_REGION_BYTES;
	uint32_t i;

	memset(memory, 0, size - tail);
	memcpy(memory, table->header, table->size);
	for (i = 0; i < served->region_count; i++)
		peer_put_region(&served->regions[i].wire,
		                memory + size - tail + i * (size_t)PEER_REGION_BYTES);
}

int grant_blob(struct peer_served *served, size_t size)
{
	struct peers *peers = served->peers;
	uint8_t *memory;
	int error;

	if (served->blob)
		return 0;
	if (!size || size > PEER_BLOBS_MAX - peers->blob_bytes)
		return -ENOMEM;
	memory = mmap(NULL, size + PEER_TAG_BYTES, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	grant_fill(served, memory, size);
	randombytes_buf(served->blob_nonce, PEER_NONCE_BYTES);
	peer_blob_seal(memory, size, served->session, served->keys.reply, served->blob_nonce);
	error = fabric_register(peers->fabric, memory, size + PEER_TAG_BYTES,
	                        &served->blob_region);
	if (error) {
		munmap(memory, size + PEER_TAG_BYTES);
		return error;
	}
	served->blob = memory;
	served->blob_size = size;
	peers->blob_bytes += size;
	return 0;
}

void grant_blob_close(struct peer_served *served)
{
	if (!served->blob)
		return;
	fabric_unregister(served->peers->fabric, &served->blob_region);
	munmap(served->blob, served->blob_size + PEER_TAG_BYTES);
	served->peers->blob_bytes -= served->blob_size;
	served->blob = NULL;
}

void grant_close(struct peer_served *served)
{
	uint32_t i;

	grant_blob_close(served);
	for (i = 0; i < served->region_count; i++)
		fabric_unregister(served->peers->fabric, &served->regions[i].region);
	free(served->regions);
	served->regions = NULL;
	served->region_count = 0;
}
