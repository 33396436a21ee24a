/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc.c - the malloc family: entry points only
 *
 * Any thread, from before the first constructor on. malloc and calloc are jemalloc's own functions
 * (local.mk); heap/heap.c sets jemalloc up at their first use. These names have no symbol version,
 * since a malloc with a version of ours would not interpose malloc@GLIBC_2.2.5.
 *
 * free() and realloc() look at a pointer only once there is memory of another origin than this
 * heap: see heap_is_mixed().
 */
#include "lib.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/say.h"
#include "heap/jemalloc.h"

static void *block_or_enomem(void *p)
{
	if (unlikely(!p))
		errno = ENOMEM;
	return p;
}

static bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

/* Where a block comes from that does not lie in the run in which the heap grows. */
enum origin {
	OWN,            /* jemalloc has allocated it in this process */
	INHERITED,      /* allocated by the parent: may be freed, but not allocated again */
	ATTACHED,       /* attached now, or once: another process's, never freed here */
};

/*
 * Aborts if p is in none of them: to go on would corrupt a heap. The window is asked last. It has
 * the heaps too, so only what is in none of them is attached.
 */
static enum origin block_origin(const char *function, const void *p)
{
	switch (hooks_state(p)) {
	case SLOT_OWN:
		return OWN;
	case SLOT_INHERITED:
		return INHERITED;
	case SLOT_FREE:
		break;
	}
	if (jemalloc_owns(p))
		return OWN;
	if (rm_in_window((uintptr_t)p))
		return ATTACHED;
	rm_say_fd(2, "librmmap: %s(%p): not from malloc; a bug in the program, or memory of "
	          "another allocator", function, p);
	abort();
}

/* free() must not change errno, whatever the calls below do. */
static __attribute__((noinline)) void free_foreign(void *p)
{
	int saved = errno;

	if (!p)
		return;
	switch (block_origin("free", p)) {
	case OWN:
		rj_free(p);
		break;
	case INHERITED:
		/*
		 * Past the thread's cache, which would hand it out again at the parent's
		 * addresses.
		 */
		rj_dallocx(p, RJ_TCACHE_NONE);
		break;
	case ATTACHED:
		break;
	}
	errno = saved;
}

/* A copy of a block in this process's heap; NULL and ENOMEM if there is no memory. */
static void *block_copy(void *p, size_t old_size, size_t size)
{
	void *copy = block_or_enomem(rj_malloc(size));

	if (copy)
		memcpy(copy, p, old_size < size ? old_size : size);
	return copy;
}

/*
 * How many bytes may be read at p. Only the publisher's jemalloc knows the size of an attached
 * block, so it ends where its mapping ends.
 */
static size_t block_readable(enum origin from, void *p)
{
	uint64_t end;

	if (from == INHERITED)
		return rj_malloc_usable_size(p);
	end = attach_end((uintptr_t)p);
	return end ? end - (uintptr_t)p : 0;
}

/* realloc() of our block, for which jemalloc had no memory: try other threads' arenas. */
static __attribute__((noinline)) void *realloc_other_arena(void *p, size_t size)
{
	size_t old_size = p ? rj_malloc_usable_size(p) : 0;
	void *copy = block_or_enomem(p ? other_arenas_alloc(size, 0, false) : NULL);

	if (copy) {
		memcpy(copy, p, old_size < size ? old_size : size);
		rj_free(p);
	}
	return copy;
}

static __attribute__((noinline)) void *realloc_foreign(void *p, size_t size)
{
	enum origin from = block_origin("realloc", p);
	void *copy = NULL;

	if (from == OWN) {
		copy = rj_realloc(p, size);
		return copy || !size ? copy : realloc_other_arena(p, size);
	}
	/* Size 0 is a free, as in glibc. Without memory for a copy the block stays as it is. */
	if (size) {
		copy = block_copy(p, block_readable(from, p), size);
		if (!copy)
			return NULL;
	}
	if (from == INHERITED)
		rj_dallocx(p, RJ_TCACHE_NONE);
	return copy;
}

__attribute__((visibility("hidden"))) void free_mixed(void *p);

/* free() while there is memory of another origin. */
__attribute__((used)) void free_mixed(void *p)
{
	if (likely(heap_owns(p)))
		rj_free(p);
	else
		free_foreign(p);
}

#ifdef __x86_64__
/* Two instructions before jemalloc's: compilers make no conditional jump of a call. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl free\n"
        ".type free, @function\n"
        "free:\n"
        ".cfi_startproc\n"
        "cmpb $0, heap_mixed(%rip)\n"
        "je rj_free\n"
        "jmp free_mixed\n"
        ".cfi_endproc\n"
        ".size free, . - free\n");
#else
RM_EXPORT void free(void *p)
{
	if (likely(!heap_is_mixed()))
		rj_free(p);
	else
		free_mixed(p);
}
#endif

/* From C23. If these were left to libc, it would take our memory for its own. */
RM_EXPORT void free_sized(void *p, size_t size);
RM_EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size);

RM_EXPORT void free_sized(void *p, size_t size)
{
	(void)size;
	free(p);
}

RM_EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
	(void)alignment, (void)size;
	free(p);
}

RM_EXPORT void *realloc(void *p, size_t size)
{
	void *moved;

	if (unlikely(heap_is_mixed()) && p && !heap_owns(p))
		return realloc_foreign(p, size);
	moved = rj_realloc(p, size);
	return likely(moved) || !size ? moved : realloc_other_arena(p, size);
}

RM_EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return block_or_enomem(NULL);
	return realloc(p, bytes);
}

/* alignment is a power of two. */
static void *block_aligned(size_t alignment, size_t size)
{
	void *p = rj_memalign(alignment, size);

	return likely(p) ? p : block_or_enomem(other_arenas_alloc(size, alignment, false));
}

RM_EXPORT int posix_memalign(void **p, size_t alignment, size_t size)
{
	/* POSIX: the error is the result, and errno is left alone. */
	int saved = errno;
	void *block;

	if (!is_power_of_two(alignment) || alignment % sizeof(void *))
		return EINVAL;
	block = block_aligned(alignment, size);
	errno = saved;
	if (!block)
		return ENOMEM;
	*p = block;
	return 0;
}

RM_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	if (!is_power_of_two(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return block_aligned(alignment, size);
}

/* As in glibc, an alignment that is no power of two is rounded up to one. */
RM_EXPORT void *memalign(size_t alignment, size_t size)
{
	size_t power = 1;

	while (power < alignment && power << 1)
		power <<= 1;
	if (power < alignment) {
		errno = EINVAL;
		return NULL;
	}
	return block_aligned(power, size);
}

RM_EXPORT void *valloc(size_t size)
{
	return block_aligned((size_t)sysconf(_SC_PAGESIZE), size);
}

RM_EXPORT void *pvalloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded;

	if (__builtin_add_overflow(size, page - 1, &rounded))
		return block_or_enomem(NULL);
	rounded &= ~(page - 1);
	return block_aligned(page, rounded ? rounded : page);
}

/* 0 for an attached block: only the publisher knows its size, so no byte may be added to it. */
RM_EXPORT size_t malloc_usable_size(void *p)
{
	if (!p || (!heap_owns(p) && hooks_state(p) == SLOT_FREE && !jemalloc_owns(p)))
		return 0;
	return rj_malloc_usable_size(p);
}
