/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.h - memory for one request, outside the heap
 *
 * A publish gives the whole heap to whoever gets the handle, and requests contain handles of
 * other publications. So the data of a request is in mappings outside the heap, which no publish
 * copies and which end with the request. One thread at a time uses a pool or a blob; nothing
 * calls malloc.
 */
#ifndef RM_FUNCTION_POOL_H
#define RM_FUNCTION_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool_chunk;

/* All zeros is an empty pool without a limit. */
struct pool {
	struct pool_chunk *chunks;
	size_t held;                    /* bytes mapped: the sizes of all chunks */
	size_t limit;                   /* for held; 0: none */
	bool full;                      /* pool_take() has failed once */
};

/* Take zeroed bytes, aligned to 16; NULL if there is no memory or the limit is reached. */
void *pool_take(struct pool *pool, size_t bytes);
/* Take a copy of some bytes, with a NUL behind it. */
char *pool_copy(struct pool *pool, const void *bytes, size_t length);
/* Unmap all of it. The pool may lie in its own memory if the caller copies it first. */
void pool_free(struct pool *pool);

/* Bytes that arrive in pieces, in one mapping. All zeros is an empty blob. */
struct blob {
	char *bytes;                    /* NULL, or length bytes and a NUL */
	size_t length, room;
};

/* Append bytes. 0, -ENOMEM, or -ENOBUFS if all blobs together would exceed limit. */
int blob_add(struct blob *blob, const void *bytes, size_t length, size_t limit);
void blob_free(struct blob *blob);

#endif
