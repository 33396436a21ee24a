/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.h - this process's heap: jemalloc on extents in its slot of the address window
 *
 *   malloc -> heap, arenas -> hooks -> slot, backing
 *             heap -> jemalloc
 *
 * Any thread may call, from the first malloc of the process on, which may come before libc is
 * set up. The hooks run under jemalloc's locks. Nothing here allocates from the heap, except
 * where it says so. Only heap_owns() and heap_is_mixed() are on malloc's fast path.
 */
#ifndef RM_LIB_HEAP_H
#define RM_LIB_HEAP_H

#include "../base/base.h"

#pragma GCC visibility push(hidden)

/* ---- other_malloc.c: sanitizers and valgrind, which bring a malloc of their own ---- */
/* malloc.c's malloc, whichever malloc the program has; NULL in tests without malloc.c. */
void *own_malloc(size_t size) __attribute__((weak));
/*
 * Is our malloc the program's, or not linked at all? Compares addresses: also false where a
 * program that is not position-independent has a stub of its own for malloc.
 */
bool malloc_is_ours(void);
/* Does malloc return memory of this process's heap? Finds out by one malloc() and free(). */
bool malloc_uses_heap(void);
/* The tool that brings a malloc, by name; NULL if there is none. */
const char *other_malloc_name(void);
/* May the library map memory in the window? A sanitizer's shadow may leave no room. */
bool other_malloc_permits_maps(void);
/* Exit with a message if ours was preloaded before a sanitizer's malloc. System calls only. */
void other_malloc_refuse(void);

/* ---- slot.c: which 64 GiB of the window this process's heap is in ---- */
enum slot_state {
	SLOT_FREE = 0,                  /* nobody's, as far as this process knows */
	SLOT_OWN = 1,                   /* this process allocates there */
	SLOT_INHERITED = 2,             /* the parent did: to be freed, but not allocated from */
};
/* Written under the hooks' lock, read without it. A slot never becomes free again. */
extern uint8_t slot_states[RM_SLOTS_MAX];
static inline enum slot_state slot_state(unsigned slot)
{
	return (enum slot_state)__atomic_load_n(&slot_states[slot], __ATOMIC_RELAXED);
}
/* Note which slots hold libraries, and seed slot_random(). Once, before there are threads. */
void slot_init(void);
/* A number that spreads heaps; not secret; no system call. Under the hooks' lock. */
uint64_t slot_random(void);
/*
 * Claim one more slot: the first, the next when one is full, a new one after fork. Under the
 * hooks' lock. 0 or -ENOMEM.
 */
int slot_claim(unsigned *slot);
/* In a child of fork: own slots become inherited, and the parent's claims are given up. */
void slot_child(void);
/*
 * The descriptor with the OFD lock on this slot, to be passed to rmmapd; -1 if none is held.
 * It stays open from the first such call on, so that all publications of a slot have one lock.
 */
int slot_lock_fd(unsigned slot);

/* ---- hooks.c: jemalloc's extent hooks over the slot ---- */
struct extent_hooks_s;
extern struct extent_hooks_s hooks;
/*
 * A run: mapped pages of a heap without a gap. Base and length are in one word, so that a
 * reader without a lock never sees the base of one run with the length of another. Attached
 * memory may lie between two runs of one slot: the slot does not tell whose an address is.
 */
#define RUN_PAGES_BITS 28
static inline bool run_holds(uint64_t run, const void *p)
{
	return ((uintptr_t)p >> RM_PAGE_SHIFT) - (run >> RUN_PAGES_BITS) <
	       (run & (((uint64_t)1 << RUN_PAGES_BITS) - 1));
}
extern uint64_t heap_run;               /* the run that grows; 0 before the first */
/* Whose heap p lies in; SLOT_FREE: in none. Takes no lock. */
enum slot_state hooks_state(const void *p);
/* slot_lock_fd() under the hooks' lock, for publish/. */
int hooks_claim(unsigned slot);
/* Give back what is free and let go of frozen memory, then backing_freeze(). 0 or -ENOMEM. */
int hooks_freeze(struct array *spans);
/* Around fork, inside jemalloc's own locks. */
void hooks_prefork(void);
void hooks_parent(void);
void hooks_child(void);
/*
 * In a child of fork. moved: the next extent comes from a fresh slot; otherwise parent and child
 * go on at the same addresses, and their memory gets new numbers.
 */
void hooks_forked(bool moved);
void hooks_stats(uint64_t *bytes, uint64_t *peak, uint64_t *extents);
struct heap_range {                     /* a run, in bytes */
	uint64_t base, top;
	uint32_t heap;                  /* whose memory it is, see struct rm_segment */
};
/*
 * The used ranges of own and inherited heaps, ascending by address. At most max are stored;
 * returns how many there are.
 */
unsigned hooks_ranges(struct heap_range *ranges, unsigned max);

/* ---- heap.c: sets jemalloc up ---- */
/*
 * There is memory that free() must not take for its own: attached memory, or memory inherited
 * by fork. Set before the first such memory is there, never cleared.
 */
extern bool heap_mixed;
static inline bool heap_is_mixed(void)
{
	return __atomic_load_n(&heap_mixed, __ATOMIC_RELAXED);
}
static inline void heap_mix(void)
{
	__atomic_store_n(&heap_mixed, true, __ATOMIC_RELAXED);
}
/* Before the first attach: registers the fork handlers, also if the program has another malloc. */
void heap_attaches(void);
bool heap_started(void);                /* jemalloc is set up */
/* Around fork, before jemalloc's locks are taken and after they are given back. */
void heap_prefork(void);
void heap_parent(void);
void heap_child(void);
/* Does p lie in the run that grows? That is most of a heap. On the fast path of free(). */
static inline bool heap_owns(const void *p)
{
	return run_holds(__atomic_load_n(&heap_run, __ATOMIC_RELAXED), p);
}

/* ---- arenas.c: the pool of arenas that threads are bound to ---- */
/*
 * This thread is setting the heap up, is being bound, or forks. What it allocates meanwhile comes
 * from arena 0, outside the window.
 */
extern __thread bool arenas_entering __attribute__((tls_model("initial-exec")));
/*
 * Bind this thread to an arena of the pool if it is not bound: before its first allocation, and
 * its first after a fork. If there is no memory for an arena, the thread allocates outside the
 * window without a cache, and its next allocation tries again. Keeps errno.
 */
void arenas_enter(void);
void arenas_leave(void);                /* this thread ends */
/* The lock over the pool, which heap.c uses while it sets the heap up. */
void arenas_lock(void);
void arenas_unlock(void);
/* The arena at place i of the pool. False: there is none, or this thread is being bound. */
bool arena_at(unsigned i, unsigned *arena);
/*
 * Before a publish: have jemalloc give back what is free. From the first time on it does so after
 * a millisecond, so that free memory is not taken for new blocks before pages.c has seen it.
 */
void arenas_purge(void);
void arena_move(unsigned i);            /* bind this thread to the arena at place i instead */
/* Around fork, for heap.c. The lock is held from prefork to parent or child. */
void arenas_prefork(bool started);
void arenas_parent(void);
void arenas_forget(void);               /* in a child that moves: drop the parent's arenas */
void arenas_child(bool slow);           /* slow: send this thread through arenas_enter() */

/* ---- other_arenas.c: other threads' arenas, when a thread's own has no memory ---- */
/*
 * A block from free memory of any arena, or NULL. Only where malloc has failed, with no lock of
 * jemalloc's held. Keeps errno.
 */
void *other_arenas_alloc(size_t size, size_t alignment, bool zero);

/* ---- jemalloc.c: what jemalloc asks of the system; its own memory ---- */
/* Does p lie in jemalloc's own memory? Then it is in no heap, but jemalloc's to free. */
bool jemalloc_owns(const void *p);

/* ---- ranges.c ---- */
/*
 * The heap's used ranges, own and inherited, as an array of struct heap_range, ascending.
 * *ranges need not be set up; the caller frees it, on failure too. 0 or -ENOMEM.
 */
int heap_ranges(struct array *ranges);

/* ---- freeze.c ---- */
/*
 * Freeze the heap for a publish. *spans gets its spans, see backing_freeze(). Without any lock of
 * this room. 0 or -ENOMEM.
 */
int heap_freeze(struct array *spans);
/* Set bit i of bitmap for each page i of [addr, addr + length) that jemalloc uses, or may use. */
void heap_used(uint64_t addr, uint64_t length, uint64_t *bitmap);

/* ---- huge.c ---- */
/* Bytes of the heap that are huge pages now, and how often the kernel refused to make one. */
void huge_stats(uint64_t *bytes, uint64_t *refusals);

/* ---- ../fork.c: the only function above this room that it calls ---- */
/* Register the fork handlers. jemalloc's setup needs them before anything else can fork. */
void fork_init(void);

#pragma GCC visibility pop

#endif
