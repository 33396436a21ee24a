/* SPDX-License-Identifier: BSD-2-Clause */
/* heap.h - the library's malloc under other names: the usual ones are ThreadSanitizer's */
#ifndef TSAN_HEAP_H
#define TSAN_HEAP_H

#include <stddef.h>

/* jemalloc's own functions, as malloc and calloc are in librmmap.so */
void *rj_malloc(size_t size);
void *rj_calloc(size_t count, size_t size);
/* malloc.c's (local.mk) */
void heap_free(void *p);
void *heap_realloc(void *p, size_t size);
void *heap_aligned_alloc(size_t alignment, size_t size);
size_t heap_malloc_usable_size(void *p);

#endif
