/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arenas.c - the pool of arenas, and which arena a thread allocates from
 *
 * jemalloc's arena 0 exists before anybody can say where its memory is to lie, so no thread
 * allocates from it. Each thread is bound, at its first allocation, to one of a pool of arenas
 * that were created with our extent hooks.
 *
 * Any thread. jemalloc may allocate in the calls made here; while arenas_entering is set such an
 * allocation is not bound, and comes from arena 0, which lies outside the window. Nothing here
 * is on malloc's fast path.
 */
#include "heap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "../../common/say.h"
#include "jemalloc.h"

#define POOL_MAX 1024
#define OVERSIZE ((size_t)8 << 20)      /* jemalloc's default */

__thread bool arenas_entering __attribute__((tls_model("initial-exec")));

/* Bumped in each child that is moved. A thread whose number differs is not bound. */
static unsigned generation = 1;
static __thread unsigned thread_generation __attribute__((tls_model("initial-exec")));
/* This thread's index in the pool; valid if its generation is the current one. */
static __thread unsigned thread_place __attribute__((tls_model("initial-exec")));
/* We have turned this thread's cache off, since there was no memory for an arena. */
static __thread bool thread_cache_off __attribute__((tls_model("initial-exec")));
/* This thread has raised jemalloc's global slow count, after a fork. */
static __thread bool thread_slowed __attribute__((tls_model("initial-exec")));

/* Taken before jemalloc's own locks. Protects the pool, and what heap.c sets up. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	unsigned arena;                 /* jemalloc's number */
	unsigned threads;               /* bound to it */
} pool[POOL_MAX];
static unsigned pool_count;
static unsigned pool_max;               /* see pool_limit(); 0: not asked yet */
static unsigned pool_before_fork;       /* the parent's first arena, or 0 */

void arenas_lock(void)
{
	own_lock(&lock);
}

void arenas_unlock(void)
{
	own_unlock(&lock);
}

/* As many arenas as jemalloc has by default. */
static unsigned pool_limit(void)
{
	cpu_set_t cpus;
	unsigned count = 8;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = (unsigned)CPU_COUNT(&cpus);
	count = count > 1 ? 4 * count : 1;
	return count < POOL_MAX ? count : POOL_MAX;
}

/*
 * jemalloc's threshold for large allocations is pinned to none (heap.c), since they would get
 * an arena of their own, not on our hooks. But each arena has a threshold, too, above which it
 * gives free memory back at once: that one is set to jemalloc's default.
 */
static bool arena_create(unsigned *arena)
{
	struct arena_config config = { .hooks = &hooks, .metadata_use_hooks = false };
	size_t size = sizeof(*arena), oversize = OVERSIZE;
	char name[48];

	if (rj_mallctl("experimental.arenas_create_ext", arena, &size, &config, sizeof(config)))
		return false;
	rm_format(name, sizeof(name), "arena.%u.oversize_threshold", *arena);
	rj_mallctl(name, NULL, NULL, &oversize, sizeof(oversize));
	return true;
}

/*
 * The place in the pool with the fewest threads. While every arena has threads and the pool is
 * below its limit, a new arena. -1: there is no arena and none can be had. Under the lock.
 */
static int pool_choose(void)
{
	unsigned best = 0, arena;

	for (unsigned i = 0; i < pool_count; i++) {
		if (!pool[i].threads)
			return (int)i;
		if (pool[i].threads < pool[best].threads)
			best = i;
	}
	if (!pool_max)
		pool_max = pool_limit();
	if (pool_count && pool_count >= pool_max)
		return (int)best;
	if (!arena_create(&arena)) {
		if (pool_count)
			return (int)best;
		/*
		 * After some 4,000 forks in a row jemalloc has no more arenas. To share the
		 * parent's is better than to have none.
		 */
		if (!pool_before_fork)
			return -1;
		arena = pool_before_fork;
	}
	pool[pool_count].arena = arena;
	pool[pool_count].threads = 0;
	return (int)pool_count++;
}

static void thread_cache_disable(void)
{
	bool off = false, was = false;
	size_t size = sizeof(was);

	rj_mallctl("thread.tcache.enabled", &was, &size, &off, sizeof(off));
	thread_cache_off |= was;
}

static void thread_cache_enable(void)
{
	if (thread_cache_off)
		rj_mallctl("thread.tcache.enabled", NULL, NULL, &thread_cache_off,
		           sizeof(thread_cache_off));
	thread_cache_off = false;
}

/*
 * Send every allocation of the child through rm_jemalloc_fetch_slow(), and so to arenas_enter(),
 * until its thread has an arena. The thread's cache is not touched here: a signal handler that
 * forked may have interrupted jemalloc half-way through a change to that cache.
 */
static void thread_slow_down(void)
{
	if (!thread_slowed)
		je_tsd_global_slow_inc(NULL);
	thread_slowed = true;
}

static void thread_speed_up(void)
{
	if (thread_slowed)
		je_tsd_global_slow_dec(NULL);
	thread_slowed = false;
}

/* False: no arena can be had. */
static bool thread_bind(void)
{
	/* Some thread is bound. The first threads may race, and then all flush their caches. */
	static bool bound;
	unsigned arena;
	int place;

	own_lock(&lock);
	place = pool_choose();
	if (place >= 0) {
		pool[place].threads++;
		arena = pool[place].arena;
	}
	own_unlock(&lock);
	if (place < 0)
		return false;
	thread_place = (unsigned)place;
	rj_mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
	/*
	 * The cache of the first thread may hold blocks of arena 0, since much was set up on the
	 * way here; after a fork it holds blocks of the parent's arenas. A new thread's cache is
	 * empty: to flush it would take a fifth of what starting such a thread costs.
	 */
	if (thread_generation || thread_cache_off || !__atomic_load_n(&bound, __ATOMIC_RELAXED))
		rj_mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	__atomic_store_n(&bound, true, __ATOMIC_RELAXED);
	thread_cache_enable();
	thread_speed_up();
	thread_generation = generation;
	return true;
}

void arenas_enter(void)
{
	int saved = errno;

	if (arenas_entering || thread_generation == generation)
		return;
	/* No lock is held here, but a signal handler's fork must not interrupt the binding. */
	own_enter();
	arenas_entering = true;
	/* A thread without a cache stays slow, so its next allocation tries again. */
	if (!thread_bind())
		thread_cache_disable();
	arenas_entering = false;
	own_leave();
	errno = saved;
}

void arenas_leave(void)
{
	thread_speed_up();
	if (thread_generation != generation)
		return;
	own_lock(&lock);
	pool[thread_place].threads--;
	own_unlock(&lock);
}

bool arena_at(unsigned i, unsigned *arena)
{
	bool there;

	if (arenas_entering)
		return false;
	own_lock(&lock);
	there = i < pool_count;
	if (there)
		*arena = pool[i].arena;
	own_unlock(&lock);
	return there;
}

void arena_move(unsigned i)
{
	unsigned arena;

	if (i == thread_place || thread_generation != generation || !arena_at(i, &arena))
		return;
	own_lock(&lock);
	pool[thread_place].threads--;
	pool[i].threads++;
	own_unlock(&lock);
	thread_place = i;
	rj_mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
}

/* ---- around a publish ---- */

/* How long jemalloc keeps free memory dirty once something was published. */
#define PUBLISHED_DECAY_MS 0

static void arena_hurry(unsigned arena)
{
	ssize_t decay = PUBLISHED_DECAY_MS;
	char name[48];

	rm_format(name, sizeof(name), "arena.%u.dirty_decay_ms", arena);
	rj_mallctl(name, NULL, NULL, &decay, sizeof(decay));
}

void arenas_purge(void)
{
	static unsigned hurried;        /* the generation whose arenas hurry */
	ssize_t decay = PUBLISHED_DECAY_MS;
	unsigned arena;

	if (__atomic_exchange_n(&hurried, generation, __ATOMIC_RELAXED) != generation) {
		rj_mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay, sizeof(decay));
		for (unsigned i = 0; arena_at(i, &arena); i++)
			arena_hurry(arena);
	}
	rj_mallctl("arena." RJ_ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
}

/* ---- around fork ---- */

/* jemalloc's own handler comes next. It would have a thread bound that jemalloc does not know. */
void arenas_prefork(bool started)
{
	if (started && !thread_slowed)
		arenas_enter();
	arenas_entering = true;
	own_lock(&lock);
}

void arenas_parent(void)
{
	own_unlock(&lock);
	arenas_entering = false;
}

void arenas_forget(void)
{
	if (pool_count)
		pool_before_fork = pool[0].arena;
	pool_count = 0;
	generation++;
}

void arenas_child(bool slow)
{
	own_unlock(&lock);
	if (slow)
		thread_slow_down();
	arenas_entering = false;
}
