/* SPDX-License-Identifier: BSD-2-Clause */
/* pool.c - memory for one request, outside the heap; see pool.h */
#include "pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK ((size_t)64 << 10)
#define ALIGN 16u

struct pool_chunk {
	struct pool_chunk *next;
	size_t size, used;              /* bytes, this head included; used <= size */
};

static atomic_size_t blobs;             /* bytes in all blobs, not of their mappings: pages that
                                           were not written take no memory */

static void *pages_map(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                    -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Map a chunk with room for so many bytes. NULL if there is no memory or the limit is reached. */
static struct pool_chunk *add_chunk(struct pool *pool, size_t bytes)
{
	size_t size = sizeof(struct pool_chunk) + ALIGN + bytes;
	struct pool_chunk *chunk;

	size = size < CHUNK ? CHUNK : (size + 4095) & ~(size_t)4095;
	if (pool->limit && (size > pool->limit || pool->held > pool->limit - size))
		return NULL;
	chunk = pages_map(size);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->used = (sizeof(*chunk) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->held += size;
	return chunk;
}

void *pool_take(struct pool *pool, size_t bytes)
{
	struct pool_chunk *chunk = pool->chunks;
	void *memory;

	/* So that the sums below cannot overflow. */
	if (bytes > (size_t)-1 / 4) {
		pool->full = true;
		return NULL;
	}
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!chunk || chunk->size - chunk->used < bytes)
		chunk = add_chunk(pool, bytes);
	if (!chunk) {
		pool->full = true;
		return NULL;
	}
	memory = (char *)chunk + chunk->used;
	chunk->used += bytes;
	return memory;
}

char *pool_copy(struct pool *pool, const void *bytes, size_t length)
{
	char *copy = pool_take(pool, length + 1);

	if (!copy)
		return NULL;
	if (length)
		memcpy(copy, bytes, length);
	copy[length] = 0;
	return copy;
}

void pool_free(struct pool *pool)
{
	struct pool_chunk *next;

	for (struct pool_chunk *chunk = pool->chunks; chunk; chunk = next) {
		next = chunk->next;
		munmap(chunk, chunk->size);
	}
	pool->chunks = NULL;
	pool->held = 0;
}

/* Double the mapping until it has room for need bytes; untouched pages cost nothing. */
static int blob_grow(struct blob *blob, size_t need)
{
	size_t room = blob->room ? blob->room : CHUNK;
	void *memory;

	while (room < need)
		room *= 2;
	memory = blob->bytes ? mremap(blob->bytes, blob->room, room, MREMAP_MAYMOVE) :
	                       pages_map(room);
	if (!memory || memory == MAP_FAILED)
		return -ENOMEM;
	blob->bytes = memory;
	blob->room = room;
	return 0;
}

int blob_add(struct blob *blob, const void *bytes, size_t length, size_t limit)
{
	/*
	 * One byte more for the NUL, which is there already: mappings are zeros at first, and
	 * nothing shrinks.
	 */
	if (blob->length + length + 1 > blob->room && blob_grow(blob, blob->length + length + 1))
		return -ENOMEM;
	if (atomic_fetch_add(&blobs, length) + length > limit) {
		atomic_fetch_sub(&blobs, length);
		return -ENOBUFS;
	}
	memcpy(blob->bytes + blob->length, bytes, length);
	blob->length += length;
	return 0;
}

void blob_free(struct blob *blob)
{
	if (blob->bytes)
		munmap(blob->bytes, blob->room);
	atomic_fetch_sub(&blobs, blob->length);
	*blob = (struct blob){ 0 };
}
