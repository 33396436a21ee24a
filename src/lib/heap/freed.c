/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * freed.c - RMMAP_CHECK: was this block freed?
 *
 * Once hooks are installed, jemalloc calls them for each block that it hands out or takes back.
 * Every allocation takes jemalloc's slow path from then on, so this is for RMMAP_CHECK=1 only.
 *
 * A table of a fixed size holds the addresses of the blocks freed last. Two addresses that fall
 * into one place displace each other, so a freed block may be forgotten. But every address in
 * the table is free: it is noted before jemalloc takes the block back, and removed before
 * anybody gets the block again.
 *
 * Any thread, without a lock. The table is in own pages.
 */
#include "freed.h"

#include "heap.h"
#include "jemalloc.h"

#define BITS 16
#define TABLE_BYTES (sizeof(uintptr_t) << BITS)

static uintptr_t *table;                /* NULL: RMMAP_CHECK is not set */

static uintptr_t *freed_place(const void *p)
{
	return &table[((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BITS)];
}

static void on_alloc(void *extra, int kind, void *result, uintptr_t raw, uintptr_t arguments[3])
{
	uintptr_t address = (uintptr_t)result;

	(void)extra, (void)kind, (void)raw, (void)arguments;
	if (result)
		__atomic_compare_exchange_n(freed_place(result), &address, 0, false,
		                            __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void on_free(void *extra, int kind, void *p, uintptr_t arguments[4])
{
	(void)extra, (void)kind, (void)arguments;
	if (p)
		__atomic_store_n(freed_place(p), (uintptr_t)p, __ATOMIC_RELAXED);
}

/* A block that is resized in place is neither freed nor handed out. */
static void on_expand(void *extra, int kind, void *p, size_t old_size, size_t new_size,
                      uintptr_t raw, uintptr_t arguments[4])
{
	(void)extra, (void)kind, (void)p, (void)old_size, (void)new_size, (void)raw,
	        (void)arguments;
}

void freed_watch(void)
{
	struct jemalloc_watch watch = { on_alloc, on_free, on_expand, NULL };
	size_t size = sizeof(void *);
	void *installed = NULL;

	table = own_pages(TABLE_BYTES);
	if (!table || !rj_mallctl("experimental.hooks.install", &installed, &size, &watch,
	                          sizeof(watch)))
		return;
	own_pages_free(table, TABLE_BYTES);
	table = NULL;
}

bool freed_holds(const void *p)
{
	return table && p && __atomic_load_n(freed_place(p), __ATOMIC_RELAXED) == (uintptr_t)p;
}
