/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.h - memory for one request, apart from the heap
 *
 * Each publish shows the whole heap to who gets the handle. Requests carry other
 * publications' handles, so what a request brings is kept in mappings of its own, which no
 * publish copies, and which are gone with the request. One thread at a time.
 */
#ifndef RM_FUNCTION_POOL_H
#define RM_FUNCTION_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool_chunk;

/* Zeros are an empty pool without a limit. */
struct pool {
	struct pool_chunk *chunks;
	size_t held;                    /* bytes mapped */
	size_t limit;                   /* how many may be; 0: any number */
	bool full;                      /* pool_take() has failed */
};

/* Bytes for anything, zeroed; NULL if there is no memory or the limit forbids it. */
void *pool_take(struct pool *pool, size_t bytes);
/* A copy with a NUL after it. */
char *pool_copy(struct pool *pool, const void *bytes, size_t length);
void pool_free(struct pool *pool);

/* Bytes that arrive in pieces; zeros are an empty one. */
struct blob {
	char *bytes;                    /* NULL or with room for a NUL after length */
	size_t length, room;
};

/* 0, -ENOMEM, or -ENOBUFS where all blobs together would be above limit. */
int blob_add(struct blob *blob, const void *bytes, size_t length, size_t limit);
void blob_free(struct blob *blob);

#endif
