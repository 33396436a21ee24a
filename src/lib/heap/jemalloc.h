/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc.h - what this library uses of jemalloc 5.3, under the names that
 * scripts/rename-jemalloc gives it
 *
 * Declared here, since an archive given to --with-jemalloc comes without a header. Hidden, so that
 * calls do not go through the PLT. rj_ functions allocate from the heap like malloc and may be
 * called on any thread, but not from a hook.
 */
#ifndef RM_LIB_JEMALLOC_H
#define RM_LIB_JEMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RJ __attribute__((visibility("hidden")))

/* Functions that return bool return true when they refuse. */
typedef struct extent_hooks_s extent_hooks_t;
struct extent_hooks_s {
	void *(*alloc)(extent_hooks_t *, void *new_addr, size_t size, size_t alignment, bool *zero,
	               bool *commit, unsigned arena);
	bool (*dalloc)(extent_hooks_t *, void *, size_t, bool committed, unsigned arena);
	void (*destroy)(extent_hooks_t *, void *, size_t, bool committed, unsigned arena);
	bool (*commit)(extent_hooks_t *, void *, size_t, size_t offset, size_t length,
	               unsigned arena);
	bool (*decommit)(extent_hooks_t *, void *, size_t, size_t offset, size_t length,
	                 unsigned arena);
	bool (*purge_lazy)(extent_hooks_t *, void *, size_t, size_t offset, size_t length,
	                   unsigned arena);
	bool (*purge_forced)(extent_hooks_t *, void *, size_t, size_t offset, size_t length,
	                     unsigned arena);
	bool (*split)(extent_hooks_t *, void *, size_t, size_t a, size_t b, bool committed,
	              unsigned arena);
	bool (*merge)(extent_hooks_t *, void *a, size_t, void *b, size_t, bool committed,
	              unsigned arena);
};

/* The argument of experimental.arenas_create_ext. */
struct arena_config {
	extent_hooks_t *hooks;
	bool metadata_use_hooks;
};

/* The argument of experimental.hooks.install: called for each block, on jemalloc's slow path. */
struct jemalloc_watch {
	void (*alloc)(void *extra, int kind, void *result, uintptr_t raw, uintptr_t arguments[3]);
	void (*dalloc)(void *extra, int kind, void *p, uintptr_t arguments[4]);
	void (*expand)(void *extra, int kind, void *p, size_t old_size, size_t new_size,
	               uintptr_t raw, uintptr_t arguments[4]);
	void *extra;
};

#define RJ_ALL_ARENAS "4096"            /* MALLCTL_ARENAS_ALL */
#define RJ_TCACHE_NONE 0x100            /* MALLOCX_TCACHE_NONE */
#define RJ_ZERO 0x40                    /* MALLOCX_ZERO */
#define RJ_ARENA(n) ((int)((n) + 1) << 20)      /* MALLOCX_ARENA */

RJ void *rj_malloc(size_t size);
RJ void *rj_calloc(size_t count, size_t size);
RJ void *rj_realloc(void *p, size_t size);
RJ void rj_free(void *p);
RJ void *rj_mallocx(size_t size, int flags);
RJ void rj_dallocx(void *p, int flags);
RJ void *rj_memalign(size_t alignment, size_t size);
RJ size_t rj_malloc_usable_size(const void *p);
RJ int rj_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
RJ void je_jemalloc_prefork(void);      /* jemalloc's handlers of fork() */
RJ void je_jemalloc_postfork_parent(void);
RJ void je_jemalloc_postfork_child(void);
RJ void *je_tsd_fetch_slow(void *tsd, bool minimal);
RJ void je_tsd_global_slow_inc(void *tsdn);     /* slows all threads, until as many dec */
RJ void je_tsd_global_slow_dec(void *tsdn);
RJ void *rm_jemalloc_fetch_slow(void *tsd, bool minimal);       /* heap.c: called instead */
RJ void *je_large_malloc(void *tsdn, void *arena, size_t size, bool zero);
RJ void *je_arena_malloc_hard(void *tsdn, void *arena, size_t size, unsigned class, bool zero);
RJ void *je_tcache_alloc_small_hard(void *tsdn, void *arena, void *tcache, void *bin,
                                    unsigned class, bool *done);
RJ extern size_t je_sz_index2size_tab[];
/* other_arenas.c: called instead of the three above */
RJ void *rm_jemalloc_large(void *tsdn, void *arena, size_t size, bool zero);
RJ void *rm_jemalloc_hard(void *tsdn, void *arena, size_t size, unsigned class, bool zero);
RJ void *rm_jemalloc_small(void *tsdn, void *arena, void *tcache, void *bin, unsigned class,
                           bool *done);
RJ extern const char *rj_malloc_conf_2_conf_harder;

#endif
