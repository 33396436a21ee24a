/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beside.c - in place of src/lib/heap/other_malloc.c: ThreadSanitizer has malloc here, and the heap is
 * the library's all the same, under the names of heap.h
 */
#include "../../src/lib/publish/publish.h"

bool malloc_is_ours(void)
{
	return true;
}

bool malloc_uses_heap(void)
{
	return true;
}

const char *other_malloc_name(void)
{
	return NULL;
}

bool other_malloc_permits_maps(void)
{
	return true;            /* configure has looked at the window */
}

void other_malloc_refuse(void)
{
}
