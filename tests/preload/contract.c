/* SPDX-License-Identifier: BSD-2-Clause */
/* contract - what each entry point of the malloc family promises, errors included */
#include "preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Walloc-size-larger-than="
#pragma GCC diagnostic ignored "-Wuse-after-free"

extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t alignment, size_t size) __attribute__((weak));

static volatile size_t huge = SIZE_MAX, too_much = SIZE_MAX / 2;
static volatile size_t zero;

static void fill(void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)p)[i] = (unsigned char)(i * 7 + 1);
}

static void verify(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		CHECK(((const unsigned char *)p)[i] == (unsigned char)(i * 7 + 1));
}

/* Good memory of size bytes at this alignment, in the window. */
static void good(void *p, size_t size, size_t alignment)
{
	CHECK(p);
	CHECK(in_window(p));
	CHECK((uintptr_t)p % alignment == 0);
	CHECK(malloc_usable_size(p) >= size);
	fill(p, malloc_usable_size(p) < 65536 ? malloc_usable_size(p) : size < 65536 ? size : 65536);
}

#define FAILS(call, error) do { \
	errno = 0; \
	CHECK((call) == NULL); \
	CHECK(errno == (error)); \
} while (0)

static void sizes(void)
{
	static const size_t list[] = { 0, 1, 7, 8, 16, 17, 100, 1000, 4096, 5000, 14336, 16384, 32768,
		65537, 1 << 20, (4 << 20) + 1, 8 << 20, 100 << 20, (size_t)3 << 30 };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		void *p = malloc(list[i]), *q = calloc(list[i], 1);

		good(p, list[i], list[i] < 16 ? 8 : 16);
		CHECK(q && in_window(q) && p != q);
		for (size_t k = 0; k < list[i] && k < 1 << 20; k++)
			CHECK(((char *)q)[k] == 0);
		free(p);
		free(q);
	}
	/* used memory, of all kinds, comes back zeroed from calloc */
	for (size_t size = 8; size <= (size_t)64 << 20; size *= 2) {
		unsigned char *p = malloc(size);

		CHECK(p);
		OPAQUE(p);
		memset(p, 0xa5, size);
		OPAQUE(p);
		free(p);
		p = calloc(1, size);
		CHECK(p);
		for (size_t k = 0; k < size; k++)
			CHECK(p[k] == 0);
		free(p);
	}
}

/* The size classes as jemalloc names them: each one's smallest and largest block. */
static void classes(void)
{
	size_t last = 0, n = 0;

	for (size_t size = 1; size <= (size_t)64 << 20; size = last + 1, n++) {
		char *p = malloc(size), *q = malloc(last = malloc_usable_size(p));

		CHECK(last >= size);
		good(p, size, size < 16 ? 8 : 16);
		good(q, last, last < 16 ? 8 : 16);
		CHECK(malloc_usable_size(q) == last);
		p[last - 1] = q[last - 1] = 1;
		errno = 77;
		free(p);
		free(q);
		CHECK(errno == 77);
	}
	CHECK(n > 60);
}

static void alignments(void)
{
	for (size_t alignment = sizeof(void *); alignment <= (size_t)1 << 30; alignment *= 2) {
		void *p = NULL, *q = aligned_alloc(alignment, 100), *r = memalign(alignment, 3000000);

		errno = 77;
		CHECK(posix_memalign(&p, alignment, 5000) == 0);
		CHECK(errno == 77);
		good(p, 5000, alignment);
		good(q, 100, alignment);
		good(r, 3000000, alignment);
		free(p);
		free(q);
		free(r);
	}
	good(memalign(48, 100), 100, 64);
	good(memalign(zero, 100), 100, 16);
	good(valloc(100), 100, (size_t)getpagesize());
	good(valloc(zero), 0, (size_t)getpagesize());
	good(pvalloc(100), (size_t)getpagesize(), (size_t)getpagesize());
	good(pvalloc(zero), (size_t)getpagesize(), (size_t)getpagesize());
	good(pvalloc((size_t)getpagesize() + 1), 2 * (size_t)getpagesize(), (size_t)getpagesize());
}

static void errors(void)
{
	void *p = &p, *kept = malloc(10);
	void *before = p;

	FAILS(malloc(huge), ENOMEM);
	FAILS(malloc(too_much), ENOMEM);
	FAILS(malloc((size_t)1 << 40), ENOMEM);
	FAILS(calloc(huge, 1), ENOMEM);
	FAILS(calloc(too_much, 3), ENOMEM);
	FAILS(calloc((size_t)1 << 33, (size_t)1 << 33), ENOMEM);
	FAILS(realloc(NULL, huge), ENOMEM);
	FAILS(reallocarray(NULL, too_much, 3), ENOMEM);
	FAILS(aligned_alloc(64, huge), ENOMEM);
	FAILS(aligned_alloc(zero, 64), EINVAL);
	FAILS(aligned_alloc(48, 64), EINVAL);
	FAILS(memalign(64, huge), ENOMEM);
	FAILS(memalign(huge, 64), EINVAL);
	FAILS(valloc(huge), ENOMEM);
	FAILS(pvalloc(huge), ENOMEM);
	FAILS(pvalloc(huge - 5000), ENOMEM);
	fill(kept, 10);
	FAILS(realloc(kept, huge), ENOMEM);
	FAILS(reallocarray(kept, too_much, 3), ENOMEM);
	verify(kept, 10);
	free(kept);
	errno = 77;
	CHECK(posix_memalign(&p, 64, huge) == ENOMEM);
	CHECK(posix_memalign(&p, 3, 8) == EINVAL);
	CHECK(posix_memalign(&p, zero, 8) == EINVAL);
	CHECK(posix_memalign(&p, 4, 8) == EINVAL);
	CHECK(errno == 77 && p == before);
}

static void reallocs(void)
{
	size_t old = 1;
	char *p = realloc(NULL, 1);

	fill(p, 1);
	for (size_t size = 2; size <= (size_t)256 << 20; size = size * 3 + 1) {
		p = realloc(p, size);
		good(p, 0, 8);
		fill(p, old < 65536 ? old : 65536);
		verify(p, old < 65536 ? old : 65536);
		p[size - 1] = 1;
		old = size;
	}
	/* smaller, in steps of all kinds; what may be written moves along */
	fill(p, old);
	for (size_t size = old; size > 8; size = size / 7 * 5) {
		p = realloc(p, size);
		verify(p, size < 65536 ? size : 65536);
		CHECK(p[size - 1] == (char)(unsigned char)((size - 1) * 7 + 1));
	}
	p = realloc(p, 5000);
	old = malloc_usable_size(p);
	fill(p, old);
	p = realloc(p, 50000);
	verify(p, old);
	p = reallocarray(p, 100, 3);
	verify(p, 300);
	CHECK(reallocarray(NULL, 0, 5) && reallocarray(NULL, 5, 0));
	CHECK(realloc(p, zero) == NULL);
}

/* Again and again: new, zeroed and moved, never what was there before. */
static void very_large(void)
{
	size_t page = (size_t)getpagesize();

	for (int i = 0; i < 60; i++) {
		size_t size = ((size_t)9 << 20) + (size_t)(i % 7) * 777777;
		char *p = malloc(size), *q = calloc(1, size);

		CHECK(p && q);
		OPAQUE(p);
		memset(p, 0xa5, size);
		for (size_t k = 0; k < size; k += k % page == 1 ? page - 1 : 1)
			CHECK(q[k] == 0);
		memset(q, 0x5a, size);
		q = realloc(q, 2 * size);
		CHECK(q && q[0] == 0x5a && q[size - 1] == 0x5a);
		q[2 * size - 1] = 1;
		OPAQUE(p);
		free(p);
		OPAQUE(q);
		free(q);
		p = malloc((size_t)4 << 30);
		CHECK(p);
		p[0] = p[((size_t)4 << 30) - 1] = 1;
		OPAQUE(p);
		free(p);
	}
}

static void the_rest(void)
{
	char *p = malloc(100);
	void *shared;

	errno = 77;
	free(NULL);
	free(p);
	p = malloc((size_t)64 << 20);
	OPAQUE(p);
	memset(p, 1, (size_t)64 << 20);
	free(p);
	free(memalign(4096, 3 << 20));
	CHECK(errno == 77);
	CHECK(malloc_usable_size(NULL) == 0);
	CHECK(free_sized && free_aligned_sized);
	free_sized(malloc(100), 100);
	free_sized(NULL, 0);
	free_aligned_sized(aligned_alloc(64, 640), 64, 640);
	CHECK(errno == 77);

	/*
	 * An address of the window where no heap is: as of another process's, once attached.
	 * Whoever has attached nothing has free() look at that only if told to check.
	 */
	if (!getenv("RMMAP_CHECK"))
		return;
	shared = mmap((void *)rm_slot_base(slot_of(malloc(1)) ^ 1), 4096, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(shared != MAP_FAILED);
	shared = (char *)shared + 64;
	OPAQUE(shared);
	CHECK(malloc_usable_size(shared) == 0);
	free(shared);
	CHECK(errno == 77);
}

/* What programs call beside the family: nothing of it upsets anything. */
static void tuning(void)
{
	int (*mallctl)(const char *, void *, size_t *, void *, size_t) =
		(int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT,
		                                                              "rmmap_mallctl");
	size_t before = mallinfo2().uordblks, size = 10 << 20, page = 0, page_size = sizeof(page);
	char *text = NULL, *p = malloc(size);
	FILE *out = open_memstream(&text, &size);

	good(p, 10 << 20, 16);
	CHECK(mallinfo2().uordblks >= before + (10 << 20) && mallinfo2().arena >= 10 << 20);
	CHECK(mallinfo2().uordblks < before + (100 << 20));
	CHECK(out && malloc_info(0, out) == 0 && fclose(out) == 0 && strstr(text, "<malloc"));
	free(text);
	CHECK(mallopt(M_MMAP_THRESHOLD, 4096) == 1);
	CHECK(malloc_trim(0) == 1);
	fill(p, 65536);
	CHECK(malloc_trim(1000000) == 1);
	verify(p, 65536);
	free(p);
	CHECK(mallinfo2().uordblks < before + (10 << 20));

	CHECK(mallctl);
	CHECK(mallctl("arenas.page", &page, &page_size, NULL, 0) == 0 && page >= 4096);
	CHECK(mallctl("no.such.name", NULL, NULL, NULL, 0) == ENOENT);
	CHECK(mallctl("arenas.page", NULL, NULL, &page, sizeof(page)) == EPERM);
}

int main(void)
{
	tuning();
	sizes();
	classes();
	alignments();
	errors();
	reallocs();
	very_large();
	the_rest();
	puts("ok");
	return 0;
}
