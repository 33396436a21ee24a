/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hooks.c - jemalloc's extent hooks: the heap grows upward through its slot
 *
 * Called by jemalloc on any thread, mostly under its locks, so nothing here may allocate. Address
 * space is taken as the heap grows and never given back: jemalloc keeps and reuses it, as it does
 * by default. Memory is given back by the hooks that decommit and purge.
 *
 * One lock, taken after jemalloc's and before backing_lock().
 */
#include "backing.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "chunks.h"
#include "jemalloc.h"
#include "pages.h"
#include "retained.h"

#define STEP RM_HUGE            /* between possible starts of a heap */
/* A new run begins where attached memory is stepped over, and in each new slot. */
#define RUNS_MAX 4096

/*
 * The runs of own and inherited heaps, in the order in which they were made; see run_holds().
 * Written under the lock. Readers without it load run_count first: runs are only added, and the
 * last one grows.
 */
static uint64_t runs[RUNS_MAX];
static unsigned run_count;
uint64_t heap_run;                      /* equals the last run, or is 0 in a child that moves */
/* Whose memory each run is, see struct rm_segment; 0: not numbered yet. Under the lock. */
static uint32_t run_heaps[RUNS_MAX];
static uint32_t heap;                   /* this process's number; 0: not chosen yet */
static uint64_t top, end;               /* next address, and the end of its slot; 0: no slot yet */
static uint64_t bytes, extents;         /* the heap's size, which never shrinks; hook_alloc calls */

static uint64_t run_base(uint64_t run)
{
	return run >> RUN_PAGES_BITS << RM_PAGE_SHIFT;
}

static uint64_t run_length(uint64_t run)
{
	return (run & (((uint64_t)1 << RUN_PAGES_BITS) - 1)) << RM_PAGE_SHIFT;
}

static uint64_t align_up(uint64_t addr, uint64_t alignment)
{
	return (addr + alignment - 1) & ~(alignment - 1);
}

/*
 * The number that marks memory of this process in a publication. A process that publishes
 * numbers each run when it is mapped, so that a child can tell its parent's memory from its
 * own. Others number all runs when they attach or publish after all, since their malloc must
 * make no system call that jemalloc's does not.
 */
static uint32_t heap_number(void)
{
	if (!heap && getrandom(&heap, sizeof(heap), GRND_NONBLOCK) != sizeof(heap))
		heap = (uint32_t)getpid() * 0x9e3779b1u;
	return heap | !heap;
}

static uint32_t heap_number_to_map(void)
{
	return policy_publishes() ? heap_number() : 0;
}

static void runs_number(void)
{
	for (unsigned i = 0; i < run_count; i++)
		if (!run_heaps[i])
			run_heaps[i] = heap_number();
}

/* [base, base + length) is mapped now: it lengthens the last run, or begins a new one. */
static void run_add(uint64_t base, uint64_t length)
{
	unsigned n = run_count;
	uint64_t run = heap_run;

	if (run && run_base(run) + run_length(run) == base) {
		run += length >> RM_PAGE_SHIFT;
		n--;
	} else {
		own_require(n < RUNS_MAX);
		run = base >> RM_PAGE_SHIFT << RUN_PAGES_BITS | length >> RM_PAGE_SHIFT;
		run_heaps[n] = heap_number_to_map();
	}
	__atomic_store_n(&runs[n], run, __ATOMIC_RELAXED);
	__atomic_store_n(&run_count, n + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&heap_run, run, __ATOMIC_RELAXED);
	bytes += length;
}

/*
 * Claim a slot and begin at a random multiple of STEP in its first half, or lower if LENGTH bytes
 * would not fit otherwise. 0 or -ENOMEM.
 */
static int slot_enter(uint64_t length)
{
	uint64_t limit = RM_SLOT_SIZE / 2;
	unsigned slot;
	int error;

	if (length > RM_SLOT_SIZE)
		return -ENOMEM;
	error = slot_claim(&slot);
	if (error)
		return error;
	if (limit > RM_SLOT_SIZE - length)
		limit = RM_SLOT_SIZE - length;
	top = rm_slot_base(slot) + slot_random() % (limit / STEP + 1) * STEP;
	end = rm_slot_base(slot) + RM_SLOT_SIZE;
	return 0;
}

/* The end of the run that grows. Memory from top up to there is mapped and nobody's yet. */
static uint64_t run_end(void)
{
	return run_base(heap_run) + run_length(heap_run);
}

/*
 * Map what is missing of [top, to), in whole huge pages if the program publishes. 0 or -errno:
 * -EEXIST, something else is mapped there.
 */
static int run_map(uint64_t to)
{
	bool joins = top <= run_end() && run_base(heap_run) <= top;
	uint64_t from = joins ? run_end() : top;
	int error;

	if (joins && to <= from)
		return 0;
	if (!joins && run_count == RUNS_MAX)
		return -ENOMEM;
	if (policy_publishes())
		to = rm_huge_up(to);
	error = backing_map(from, to - from, heap_number_to_map());
	if (error)
		return error;
	if (policy_publishes())
		chunks_add_slot(from);
	run_add(from, to - from);
	return 0;
}

/*
 * Take a new extent from the top; its address, or 0. The gap that an alignment leaves is mapped,
 * too: nobody touches it, and the heap stays one run. Memory that is in the way is stepped over, in
 * steps that double, since it may be attached memory of any length.
 */
static uint64_t run_grow(uint64_t size, uint64_t alignment)
{
	uint64_t step = STEP, addr;
	int error;

	if (size > RM_SLOT_SIZE || alignment > RM_SLOT_SIZE)
		return 0;
	for (;;) {
		addr = align_up(top, alignment);
		if (!top || addr + size > end) {
			if (run_count == RUNS_MAX || slot_enter(size + alignment - RM_PAGE))
				return 0;
			step = STEP;
			continue;
		}
		error = run_map(addr + size);
		if (!error)
			break;
		if (error != -EEXIST)
			return 0;
		top = align_up(top + step, STEP);
		step *= 2;
	}
	top = addr + size;
	return addr;
}

/* Take more memory right behind an extent, which is possible only at the very top. 0: it is not. */
static uint64_t run_extend(uint64_t addr, uint64_t size)
{
	if (addr != top || addr + size > end || run_map(addr + size))
		return 0;
	top = addr + size;
	return addr;
}

/*
 * jemalloc takes these pages into use. As many retained bytes are released, so that the heap never
 * holds more memory than it has had at its peak: see retained.c. Retained pages among them are
 * cleared after the lock is given back; nobody else can reach them by then.
 */
static void extent_use(uint64_t addr, uint64_t length)
{
	struct retained_range taken[RETAINED_MAX];
	uint64_t used = length;
	unsigned n;

	if (!__atomic_load_n(&retained_bytes, __ATOMIC_RELAXED) && !policy_publishes())
		return;
	hooks_lock();
	n = retained_take(addr, length, taken);
	for (unsigned i = 0; i < n; i++)
		used -= taken[i].length;
	retained_release(used);
	retained_expire();
	pages_expire();
	hooks_unlock();
	if (policy_publishes())
		pages_use(addr, length);
	for (unsigned i = 0; i < n; i++)
		retained_clear(&taken[i]);
}

static void *hook_alloc(extent_hooks_t *self, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *committed, unsigned arena)
{
	int saved = errno;
	uint64_t addr;

	(void)self, (void)arena;
	if (alignment < RM_PAGE)
		alignment = RM_PAGE;
	hooks_lock();
	addr = new_addr ? run_extend((uintptr_t)new_addr, size) : run_grow(size, alignment);
	if (addr)
		extents++;
	hooks_unlock();
	if (addr && *committed)
		extent_use(addr, size);
	errno = saved;
	if (!addr)
		return NULL;
	*zero = true;
	return (void *)addr;
}

static bool hook_commit(extent_hooks_t *self, void *addr, size_t size, size_t offset,
                        size_t length, unsigned arena)
{
	int saved = errno;

	(void)self, (void)size, (void)arena;
	extent_use((uintptr_t)addr + offset, length);
	errno = saved;
	return false;
}

/* jemalloc does not use this memory any more. True: refused, and it is still used. */
static bool extent_free(uint64_t addr, uint64_t length)
{
	bool large = length >= RETAINED_MIN, keep = false, refused = false;

	if (!large && !policy_publishes() && !__atomic_load_n(&retained_bytes, __ATOMIC_RELAXED))
		return backing_purge_forced(addr, length);
	hooks_lock();
	retained_expire();
	pages_expire();
	if (large)
		keep = retained_add(addr, length);
	if (!keep && policy_publishes())
		refused = pages_free(addr, length, !large);
	hooks_unlock();
	if (!keep && !policy_publishes())
		refused = backing_purge_forced(addr, length);
	return refused;
}

/* Unless this refuses, the memory reads as zeros when it is committed again. */
static bool hook_decommit(extent_hooks_t *self, void *addr, size_t size, size_t offset,
                          size_t length, unsigned arena)
{
	int saved = errno;
	bool refused = extent_free((uintptr_t)addr + offset, length);

	(void)self, (void)size, (void)arena;
	errno = saved;
	return refused;
}

static bool hook_purge_lazy(extent_hooks_t *self, void *addr, size_t size, size_t offset,
                            size_t length, unsigned arena)
{
	int saved = errno;      /* free() must keep it */
	bool refused = backing_purge_lazy((uintptr_t)addr + offset, length);

	(void)self, (void)size, (void)arena;
	errno = saved;
	return refused;
}

/* A run has no gap, so its extents may be cut and joined anywhere, whatever their pages are. */
static bool hook_split(extent_hooks_t *self, void *addr, size_t size, size_t a, size_t b,
                       bool committed, unsigned arena)
{
	(void)self, (void)addr, (void)size, (void)a, (void)b, (void)committed, (void)arena;
	return false;
}

static bool hook_merge(extent_hooks_t *self, void *a, size_t a_size, void *b, size_t b_size,
                       bool committed, unsigned arena)
{
	(void)self, (void)a, (void)a_size, (void)b, (void)b_size, (void)committed, (void)arena;
	return false;
}

/* Without a dalloc hook jemalloc keeps all address space (opt.retain). */
extent_hooks_t hooks = {
	.alloc = hook_alloc,
	.commit = hook_commit,
	.decommit = hook_decommit,
	.purge_lazy = hook_purge_lazy,
	.split = hook_split,
	.merge = hook_merge,
};

int hooks_freeze(struct array *spans)
{
	int error;

	hooks_lock();
	retained_release(UINT64_MAX);
	hooks_unlock();
	pages_purge(true);
	hooks_lock();
	backing_leave_unused();
	error = backing_freeze(spans);
	chunks_freeze();
	for (size_t i = 0; !policy_publishes() && i < spans->count; i++)
		((struct span *)spans->data + i)->heap = heap_number();
	hooks_unlock();
	return error;
}

void hooks_prefork(void)
{
	hooks_lock();
	backing_prefork();
	chunks_freeze();
}

void hooks_parent(void)
{
	backing_parent();
	hooks_unlock();
}

void hooks_child(void)
{
	backing_child();
	hooks_unlock();
}

/*
 * A child that is not moved allocates where its parent does, so the same addresses hold different
 * memory from now on, and all of it gets new numbers.
 */
void hooks_forked(bool moved)
{
	heap = 0;
	if (moved) {
		__atomic_store_n(&heap_run, 0, __ATOMIC_RELAXED);
		top = end = 0;
		hooks_lock();
		chunks_inherit();
		hooks_unlock();
		return;
	}
	memset(run_heaps, 0, sizeof(run_heaps));
}

void hooks_stats(uint64_t *now, uint64_t *peak, uint64_t *count)
{
	hooks_lock();
	*now = *peak = bytes;   /* equal, since address space is never given back */
	*count = extents;
	hooks_unlock();
}

enum slot_state hooks_state(const void *p)
{
	unsigned n = __atomic_load_n(&run_count, __ATOMIC_ACQUIRE);

	while (n-- > 0)
		if (run_holds(__atomic_load_n(&runs[n], __ATOMIC_RELAXED), p))
			return slot_state(rm_slot_of((uintptr_t)p));
	return SLOT_FREE;
}

int hooks_claim(unsigned slot)
{
	int fd;

	hooks_lock();
	fd = slot_lock_fd(slot);
	hooks_unlock();
	return fd;
}

unsigned hooks_ranges(struct heap_range *ranges, unsigned max)
{
	uint64_t after = 0;
	unsigned count;

	hooks_lock();
	runs_number();
	count = run_count;
	for (unsigned i = 0; i < count && i < max; i++) {
		uint64_t next = UINT64_MAX;

		for (unsigned k = 0; k < count; k++)
			if (runs[k] > after && runs[k] < next) {
				next = runs[k];
				ranges[i].heap = run_heaps[k];
			}
		ranges[i].base = run_base(next);
		ranges[i].top = run_base(next) + run_length(next);
		after = next;
	}
	hooks_unlock();
	return count;
}
