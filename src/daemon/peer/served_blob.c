/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served_blob.c - table and regions of a publication that do not fit a message
 *
 * The block is sealed as a whole, and readable under a key of its own until the reader says that it
 * has it.
 *
 * Worker thread only. Each block is a mapping of its own.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

#include "served.h"

/* Is there room for one more block of this size? Counts those that wait to be read. */
static bool blob_admitted(const struct peer_served *served, size_t size)
{
	uint64_t all = size, publication = size, address = size;
	const struct peer_served *other;

	for (other = served->peers->served; other; other = other->next) {
		all += other->blob ? other->blob_size : 0;
		if (other->publication == served->publication)
			publication += other->blob ? other->blob_size : 0;
		if (!memcmp(other->network, served->network, sizeof(served->network)))
			address += other->blob ? other->blob_size : 0;
	}
	/* The first block of an address or a publication may be larger than its share. */
	return all <= PEER_BLOBS_MAX &&
	       (publication <= PEER_BLOBS_MAX / 2 || publication == size) &&
	       (address <= PEER_BLOBS_MAX / 4 || address == size);
}

void grant_fill(const struct peer_served *served, uint8_t *memory, size_t size)
{
	const struct rm_table *table = &served->publication->table;
	size_t tail = served->region_count * (size_t)PEER_REGION_BYTES;
	uint32_t i;

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
	if (!size || !blob_admitted(served, size))
		return -ENOMEM;
	memory = mmap(NULL, size + PEER_TAG_BYTES, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	/*
	 * Its pages must exist when they are pinned. Registering may close keys of regions, so the
	 * regions are encoded only after that.
	 */
	memset(memory, 0, size + PEER_TAG_BYTES);
	do {
		error = fabric_register(peers->fabric, memory, size + PEER_TAG_BYTES,
		                        &served->blob_region);
	} while (error == -ENOMEM && peers_make_room(peers));
	if (error) {
		munmap(memory, size + PEER_TAG_BYTES);
		return error;
	}
	grant_fill(served, memory, size);
	randombytes_buf(served->blob_nonce, PEER_NONCE_BYTES);
	peer_blob_seal(memory, size, served->session, served->keys.reply, served->blob_nonce);
	served->blob = memory;
	served->blob_size = size;
	return 0;
}

void grant_blob_close(struct peer_served *served)
{
	if (!served->blob)
		return;
	fabric_unregister(served->peers->fabric, &served->blob_region);
	munmap(served->blob, served->blob_size + PEER_TAG_BYTES);
	served->blob = NULL;
}
