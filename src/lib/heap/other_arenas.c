/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * other_arenas.c - a block from another thread's arena, when this one's has no memory left
 *
 * Each arena keeps the memory that it has freed. Under a limit of address space one thread could
 * have no memory while memory that another one has freed lies idle. Called on any thread where
 * malloc would return NULL, with no lock of jemalloc's held: so the hooks cannot do this.
 */
#include "heap.h"

#include <errno.h>

#include "jemalloc.h"

/* Allocations that fail during the search must not start another one. */
static __thread bool searching __attribute__((tls_model("initial-exec")));

static void *other_arenas_try(size_t size, int flags)
{
	unsigned arena;

	for (unsigned i = 0; arena_at(i, &arena); i++) {
		void *p = rj_mallocx(size, flags | RJ_TCACHE_NONE | RJ_ARENA(arena));

		if (p) {
			arena_move(i);  /* the next allocation will need that arena, too */
			return p;
		}
	}
	return NULL;
}

void *other_arenas_alloc(size_t size, size_t alignment, bool zero)
{
	int flags = (alignment > 1 ? __builtin_ctzll(alignment) : 0) | (zero ? RJ_ZERO : 0);
	uint64_t bytes, peak, extents;
	int saved = errno;
	void *p;

	hooks_stats(&bytes, &peak, &extents);
	if (searching || !size || size > bytes)
		return NULL;
	searching = true;
	p = other_arenas_try(size, flags);
	if (!p) {
		/* Blocks in caches are not free yet: give them back, so that free memory joins. */
		rj_mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
		rj_mallctl("arena." RJ_ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
		p = other_arenas_try(size, flags);
	}
	searching = false;
	errno = saved;
	return p;
}

/*
 * jemalloc's entry points call these when a thread's cache is empty (scripts/rename-jemalloc). If
 * tsdn is NULL, jemalloc allocates for itself and not for the program.
 */
void *rm_jemalloc_large(void *tsdn, void *arena, size_t size, bool zero)
{
	void *p = je_large_malloc(tsdn, arena, size, zero);

	return likely(p) || !tsdn ? p : other_arenas_alloc(size, 0, zero);
}

void *rm_jemalloc_hard(void *tsdn, void *arena, size_t size, unsigned class, bool zero)
{
	void *p = je_arena_malloc_hard(tsdn, arena, size, class, zero);

	return likely(p) || !tsdn ? p : other_arenas_alloc(size, 0, zero);
}

void *rm_jemalloc_small(void *tsdn, void *arena, void *tcache, void *bin, unsigned class,
                        bool *done)
{
	void *p = je_tcache_alloc_small_hard(tsdn, arena, tcache, bin, class, done);

	if (likely(*done))
		return p;
	p = other_arenas_alloc(je_sz_index2size_tab[class], 0, false);
	*done = p;
	return p;
}
