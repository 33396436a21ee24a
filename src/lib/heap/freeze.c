/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * freeze.c - freezing the heap for a publish
 *
 * What is free is given back first: it is not published, and nobody writes to it where the kernel
 * would have to copy it. Any thread, without any lock of this room. Allocates in struct array.
 */
#include "heap.h"

#include "chunks.h"

int heap_freeze(struct array *spans)
{
	if (heap_started() && policy_publishes())
		arenas_purge();
	return hooks_freeze(spans);
}

void heap_used(uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	hooks_lock();
	chunks_used(addr, length, bitmap);
	hooks_unlock();
}
