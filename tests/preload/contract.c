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
	fill(p, 65536);
	p = realloc(p, 65536);
	verify(p, 65536);
	p = reallocarray(p, 100, 3);
	verify(p, 300);
	CHECK(realloc(p, zero) == NULL);
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
	CHECK(errno == 77);
	CHECK(malloc_usable_size(NULL) == 0);

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
	alignments();
	errors();
	reallocs();
	the_rest();
	puts("ok");
	return 0;
}
