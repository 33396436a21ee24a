/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * array.c - the library's own memory: pages and growable arrays outside the window
 *
 * The library's data must not travel with the heap that it publishes, nor lie at addresses where
 * a publication may have to be mapped. Any thread; an array is protected by its owner. Memory
 * comes from mmap(2) only.
 */
#include "base.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define FIRST_BYTES ((size_t)4096)
#define ABOVE ((uint64_t)4 << 40)       /* room above the window, where programs do not lie */
#define TRIES 1024                      /* places above the window, until one is free */
#define SPARE_MAX 16

/* The build host's headers may be older. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static bool names;              /* mappings get names; set before there are threads */

void own_names(void)
{
	names = true;
}

/* A kernel without names for mappings (before Linux 5.17) is asked only once. */
void own_name(void *pages, size_t bytes, const char *name)
{
	int saved = errno;

	if (!__atomic_load_n(&names, __ATOMIC_RELAXED))
		return;
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, pages, bytes, name) && errno == EINVAL)
		__atomic_store_n(&names, false, __ATOMIC_RELAXED);
	errno = saved;
}

static bool pages_outside(const char *p, size_t bytes)
{
	return (uintptr_t)p + bytes <= RM_WINDOW_BASE || (uintptr_t)p >= RM_WINDOW_END;
}

/* at NULL: where the kernel chooses. NULL if the pages cannot be had, or lie in the window. */
static void *pages_map(void *at, size_t bytes)
{
	void *p = mmap(at, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (pages_outside(p, bytes)) {
		own_name(p, bytes, "rmmap library");
		return p;
	}
	munmap(p, bytes);
	return NULL;
}

/*
 * Single pages that were given back and cleared, for the next caller. A publish of a small heap
 * takes and gives back twenty of them; to map, fault in and unmap each was half of its time. A
 * place is taken and filled by one atomic operation, so no lock is needed. A child of fork() has
 * copies of its own.
 */
static void *spare[SPARE_MAX];

static void *spare_take(void)
{
	void *page = NULL;

	for (int i = 0; !page && i < SPARE_MAX; i++)
		if (__atomic_load_n(&spare[i], __ATOMIC_RELAXED))
			page = __atomic_exchange_n(&spare[i], NULL, __ATOMIC_ACQUIRE);
	return page;
}

/* False: all places are taken, so the caller unmaps the page. */
static bool spare_put(void *page, size_t bytes)
{
	memset(page, 0, bytes);
	for (int i = 0; i < SPARE_MAX; i++) {
		void *none = NULL;

		if (__atomic_compare_exchange_n(&spare[i], &none, page, false, __ATOMIC_RELEASE,
		                                __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/*
 * The kernel's choice lies outside the window, except with an unlimited stack. Then pages are
 * taken above the window, one piece after the other, and from the start again at the end.
 */
void *own_pages(size_t bytes)
{
	static uint64_t next;
	uint64_t step = rm_page_up(bytes);
	void *p = bytes && step == rm_page_up(1) ? spare_take() : NULL;

	if (p)
		return p;
	p = pages_map(NULL, bytes);

	for (int i = 0; !p && i < TRIES && step && step < ABOVE; i++) {
		uint64_t at = __atomic_fetch_add(&next, step, __ATOMIC_RELAXED) % ABOVE;

		p = pages_map((void *)(RM_WINDOW_END + at), bytes);
	}
	return p;
}

void own_pages_free(void *pages, size_t bytes)
{
	if (pages && bytes && rm_page_up(bytes) == rm_page_up(1) && spare_put(pages, bytes))
		return;
	own_pages_unmap(pages, bytes);
}

void own_pages_unmap(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}

/* Double the array, or give it a first page. False: no memory, and the array is as it was. */
static bool array_grow(struct array *array)
{
	size_t bytes = array->capacity * array->item;
	size_t more = bytes ? 2 * bytes : FIRST_BYTES;
	void *data;

	while (more < array->item)
		more *= 2;
	data = own_pages(more);
	if (!data)
		return false;
	if (bytes)
		memcpy(data, array->data, array->count * array->item);
	own_pages_free(array->data, bytes);
	array->data = data;
	array->capacity = more / array->item;
	return true;
}

void *array_add(struct array *array)
{
	void *item;

	if (array->count == array->capacity && !array_grow(array))
		return NULL;
	item = (char *)array->data + array->count++ * array->item;
	memset(item, 0, array->item);
	return item;
}

void array_remove(struct array *array, size_t index)
{
	char *data = array->data;

	if (index != --array->count)
		memcpy(data + index * array->item, data + array->count * array->item, array->item);
}

void array_free(struct array *array)
{
	own_pages_free(array->data, array->capacity * array->item);
	array->data = NULL;
	array->count = array->capacity = 0;
}
