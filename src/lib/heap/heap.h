/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.h - this process's heap: jemalloc on extents in the window
 *
 *   malloc -> heap -> hooks -> slot
 *             heap -> jemalloc
 *
 * Nothing here is on the fast path of malloc but heap_owns() and heap_is_mixed().
 */
#ifndef RM_LIB_HEAP_H
#define RM_LIB_HEAP_H

#include "../base/base.h"

#pragma GCC visibility push(hidden)

/* ---- other_malloc.c: sanitizers and valgrind, which have a malloc of their own ---- */
/* malloc.c's malloc, whatever malloc the program has; NULL in tests without malloc.c. */
void *own_malloc(size_t size) __attribute__((weak));
/* Is it the program's, or not there at all? False also where a program at a fixed place has an address for it. */
bool malloc_is_ours(void);
bool malloc_uses_heap(void);      /* does what it returns lie in this process's heap? */
const char *other_malloc_name(void);  /* who has a malloc of its own here, by name; NULL: nobody */
bool other_malloc_permits_maps(void);         /* may anything be mapped in the window? */
void other_malloc_refuse(void);       /* a sanitizer's malloc stands behind ours: say so and exit */

/* ---- slot.c: which 64 GiB this process's heap is in ---- */
enum slot_state { SLOT_FREE = 0, SLOT_OWN = 1, SLOT_INHERITED = 2 };
extern uint8_t slot_states[RM_SLOTS_MAX];       /* written under the hooks' lock, read without */
static inline enum slot_state slot_state(unsigned slot)
{
	return (enum slot_state)__atomic_load_n(&slot_states[slot], __ATOMIC_RELAXED);
}
/* Which slots hold libraries already, and the seed of slot_random(); before threads. */
void slot_init(void);
uint64_t slot_random(void);     /* not secret; no system call */
/* Claim one more slot (the first, the next when full, a new one after fork). 0 or -errno. */
int slot_claim(unsigned *slot);
/* After fork, in the child: what was own is inherited; descriptors of the claim are dropped. */
void slot_child(void);
/*
 * Descriptor with the OFD lock on this slot, to be passed to rmmapd; -1 if none is held. It
 * stays open from the first such call on: the next publication's is the same lock.
 */
int slot_lock_fd(unsigned slot);

/* ---- hooks.c: jemalloc's extent hooks over the slot ---- */
struct extent_hooks_s;
extern struct extent_hooks_s hooks;
/*
 * A run: mapped pages of a heap without a gap, as one word, so that a reader without a lock
 * never sees the base of one with the length of another. Attached memory may lie between
 * two runs of one slot: the slot does not tell whose an address is.
 */
#define RUN_PAGES_BITS 28
static inline bool run_holds(uint64_t run, const void *p)
{
	return ((uintptr_t)p >> RM_PAGE_SHIFT) - (run >> RUN_PAGES_BITS) <
	       (run & (((uint64_t)1 << RUN_PAGES_BITS) - 1));
}
extern uint64_t heap_run;                       /* the run that grows; 0 before the first */
enum slot_state hooks_state(const void *p);     /* whose heap: SLOT_FREE is nobody's; no lock */
int hooks_claim(unsigned slot);                 /* slot_lock_fd(), for who has no lock */
int hooks_freeze(struct array *spans);          /* backing_freeze(), and backing_leave_unused() before */
void hooks_prefork(void);                       /* around fork, inside jemalloc's own locks */
void hooks_parent(void);
void hooks_child(void);
/* In the child. moved: a fresh slot at the next extent; else parent and child go on in one. */
void hooks_forked(bool moved);
void hooks_stats(uint64_t *bytes, uint64_t *peak, uint64_t *extents);
/* Used ranges of own and inherited heaps, ascending by address; how many there are. */
struct heap_range { uint64_t base, top; uint32_t heap; };       /* see struct rm_segment */
unsigned hooks_ranges(struct heap_range *ranges, unsigned max);

/* ---- heap.c: jemalloc, set up; which arena a thread allocates from ---- */
/*
 * There is memory that malloc's fast path must not take for its own: attached, or inherited by
 * fork. Set before the first of it is there, never cleared.
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
/*
 * Before the first allocation of a thread, and its first after fork: give the thread its
 * arena. Where there is no memory for one it allocates outside of the window, and the next
 * allocation tries again.
 */
void heap_enter(void);
void heap_leave(void);          /* the thread ends */
void heap_attaches(void);       /* before the first attach: fork handlers stand from now on */
bool heap_started(void);        /* jemalloc is set up */
void heap_prefork(void);
void heap_parent(void);
void heap_child(void);
static inline bool heap_owns(const void *p)     /* in the run that grows: the fast path */
{
	return run_holds(__atomic_load_n(&heap_run, __ATOMIC_RELAXED), p);
}


/* ---- other_arenas.c: other threads' arenas, when there is no memory ---- */
/* A block of any arena's free memory, or NULL; errno stays. Where malloc has failed only. */
void *other_arenas_alloc(size_t size, size_t alignment, bool zero);

/* ---- jemalloc.c: what jemalloc asks of the system; its own memory ---- */
bool jemalloc_owns(const void *p);      /* not in a heap, but jemalloc's to free */

/* ---- arenas.c: the pool that threads are bound to ---- */
bool arena_at(unsigned i, unsigned *arena);   /* the pool's i-th arena; false: no more */
void arena_move(unsigned i);     /* this thread allocates from that one from now on */

/* ---- ranges.c ---- */
/* The heap's used ranges, own and inherited, as an array of struct heap_range. */
int heap_ranges(struct array *ranges);

/* ---- ../fork.c: the one call of this room to what stands above it ---- */
void fork_init(void);

#pragma GCC visibility pop

#endif
