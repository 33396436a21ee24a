/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.c - jemalloc, set up; and which arena a thread allocates from
 *
 * Arena 0 exists before anybody can say where its memory is to lie, so nobody allocates
 * from it: each thread, at its first allocation, is bound to one of a pool of arenas that
 * were created on our hooks. Any thread, at the first malloc of a process even before
 * libc is set up; whatever this calls may allocate in turn, and is then served from
 * arena 0, which lies outside the window.
 *
 * Nothing of this is on malloc's fast path. What jemalloc calls when it does not know a
 * thread yet, or knows it as slow, is rm_jemalloc_fetch_slow() here.
 */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/say.h"
#include "freed.h"
#include "jemalloc.h"

#define POOL_MAX 1024
#define FREES_MAX 128           /* of a thread that only frees: then it is set up as others are */
#define OVERSIZE ((size_t)8 << 20)    /* jemalloc's default */

/*
 * What correctness needs, after and above RMMAP_MALLOC_CONF: one automatic arena, none for
 * large allocations, and no way for memory to come from elsewhere than the hooks.
 */
#define PINNED "narenas:1,oversize_threshold:0,dss:disabled,background_thread:false," \
	"percpu_arena:disabled,retain:true,hpa:false,abort_conf:false,zero_realloc:free"

const char *rj_malloc_conf_2_conf_harder = PINNED;

bool heap_mixed;

static unsigned generation = 1;         /* bumped by fork in the child */
static __thread unsigned thread_generation __attribute__((tls_model("initial-exec")));
static __thread bool entering __attribute__((tls_model("initial-exec")));
static __thread bool thread_cache_off __attribute__((tls_model("initial-exec")));   /* by us */
static __thread bool thread_slowed __attribute__((tls_model("initial-exec")));      /* by fork */
static __thread unsigned thread_place __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;        /* before jemalloc's own */
static bool ready;              /* what follows from the environment and the program is set up */
static bool started;            /* jemalloc is set up */
static bool handlers;           /* those of fork() stand */
static struct { unsigned arena, threads; } pool[POOL_MAX];
static unsigned pool_count, pool_max;
static unsigned pool_before_fork;       /* the parent's first arena, or 0 */

/* As many as jemalloc has by default. */
static unsigned pool_limit(void)
{
	cpu_set_t cpus;
	unsigned count = 8;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = (unsigned)CPU_COUNT(&cpus);
	count = count > 1 ? 4 * count : 1;
	return count < POOL_MAX ? count : POOL_MAX;
}

/* Then malloc has to say that there is no memory; a memory file says so by SIGBUS, later. */
static bool strict_overcommit(void)
{
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
	char mode = '0';

	if (fd >= 0 && read(fd, &mode, 1) != 1)
		mode = '0';
	if (fd >= 0)
		close(fd);
	return mode == '2';
}

static void heap_init(void)
{
	const struct rm_options *options = env_options();

	policy_init();
	if (policy_publishes() || options->names)
		own_names();
	backing_init(policy_publishes() && (options->heap == RM_HEAP_SHARED ||
	                           (options->heap == RM_HEAP_AUTO && !policy_pins() &&
	                            !strict_overcommit())), policy_publishes());
	if (options->check)             /* then free() tells what is nobody's */
		heap_mix();
	slot_init();
	if (options->scrub)
		rj_malloc_conf_2_conf_harder = PINNED ",junk:free";
	ready = true;
}

/* jemalloc's own hooks would do as this option says; ours have to. */
static void heap_huge_pages(void)
{
	const char *mode = "";
	size_t size = sizeof(mode);

	if (rj_mallctl("opt.thp", &mode, &size, NULL, 0))
		return;
	if (!strcmp(mode, "always"))
		backing_huge_pages(MADV_HUGEPAGE);
	else if (!strcmp(mode, "never"))
		backing_huge_pages(MADV_NOHUGEPAGE);
}

static void heap_start(void)
{
	const char *version;
	size_t size = sizeof(version);

	if (entering)
		return;
	entering = true;
	other_malloc_refuse();
	own_lock(&lock);
	if (!ready)
		heap_init();
	if (!started) {
		rj_mallctl("version", &version, &size, NULL, 0);
		heap_huge_pages();
		if (env_options()->check)
			freed_watch();
		if (!handlers)
			fork_init();
		handlers = true;
		__atomic_store_n(&started, true, __ATOMIC_RELEASE);
	}
	own_unlock(&lock);
	entering = false;
}

/*
 * The threshold is pinned to none since large allocations would get an arena of their own,
 * not on our hooks; but an arena has one too, from which on it gives free memory back at once.
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

/* The place in the pool with the fewest threads, a new one while all have some; -1: none. */
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
		/* After some 4,000 forks in a row jemalloc has no more: better shared than none. */
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
 * Every allocation of the child comes to heap_enter() until its thread has an arena. Nothing is
 * done to the cache here: a signal handler that forks may have interrupted jemalloc while
 * that was neither before nor after a change.
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

static bool thread_bind(void)
{
	static bool bound;              /* some thread is; racing first ones all empty their caches */
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
	 * The thread's cache may have blocks of arena 0, in the first thread, for which much was set
	 * up on the way here, or of its parent's arenas after fork. A new thread's is empty, and
	 * to empty it again took a fifth of what such a thread costs.
	 */
	if (thread_generation || thread_cache_off || !__atomic_load_n(&bound, __ATOMIC_RELAXED))
		rj_mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	__atomic_store_n(&bound, true, __ATOMIC_RELAXED);
	thread_cache_enable();
	thread_speed_up();
	thread_generation = generation;
	return true;
}

bool arena_at(unsigned i, unsigned *arena)
{
	bool there;

	if (entering)
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

void heap_enter(void)
{
	int saved = errno;

	if (entering || thread_generation == generation)
		return;
	own_enter();            /* none is held, but a handler's fork must leave this alone too */
	entering = true;
	/* A thread without a cache stays slow, so this is tried again at its next allocation. */
	if (!thread_bind())
		thread_cache_disable();
	entering = false;
	own_leave();
	errno = saved;
}

/*
 * jemalloc's, for each of its entries, in a thread that is not known yet or slow; with no
 * lock of its held. minimal: free(). A thread that only frees has no cache with jemalloc 5.3.0,
 * and a lock and the arena's lists for each block; here it has one when that adds up.
 */
void *rm_jemalloc_fetch_slow(void *tsd, bool minimal)
{
	static __thread unsigned frees __attribute__((tls_model("initial-exec")));

	if (minimal && ++frees >= FREES_MAX)
		minimal = false;
	own_enter();
	tsd = je_tsd_fetch_slow(tsd, minimal);
	own_leave();
	if (minimal)
		return tsd;
	if (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		heap_start();
	heap_enter();
	return tsd;
}

void heap_leave(void)
{
	thread_speed_up();
	if (thread_generation != generation)
		return;
	own_lock(&lock);
	pool[thread_place].threads--;
	own_unlock(&lock);
}

/*
 * Before other constructors have threads. jemalloc's own constructor is not there
 * (rename-jemalloc): a program that has a sanitizer's malloc cannot have jemalloc's too.
 */
static void __attribute__((constructor(101))) heap_constructor(void)
{
	if (malloc_is_ours()) {
		heap_start();
		heap_enter();           /* jemalloc knows the thread by now */
		return;
	}
	own_lock(&lock);
	if (!ready)
		heap_init();
	own_unlock(&lock);
}

void heap_attaches(void)
{
	if (__atomic_load_n(&started, __ATOMIC_ACQUIRE) || malloc_uses_heap())
		return;
	own_lock(&lock);
	if (!handlers)
		fork_init();
	handlers = true;
	own_unlock(&lock);
}

bool heap_started(void)
{
	return __atomic_load_n(&started, __ATOMIC_ACQUIRE);
}

/* jemalloc's own part comes next, and would have a thread that it does not know bound. */
void heap_prefork(void)
{
	if (__atomic_load_n(&started, __ATOMIC_ACQUIRE) && !thread_slowed)
		heap_enter();
	entering = true;
	own_lock(&lock);
}

void heap_parent(void)
{
	own_unlock(&lock);
	entering = false;
}

/*
 * What the child allocates must not lie among what its parent goes on to allocate: nothing
 * comes from the old arenas any more, new ones begin in a new slot. The thread's cache is
 * emptied when its next allocation finds it an arena. A child of a program that does not publish stays as it is.
 */
void heap_child(void)
{
	if (policy_publishes()) {
		if (pool_count)
			pool_before_fork = pool[0].arena;
		pool_count = 0;
		generation++;
		heap_mix();
		slot_child();
	}
	hooks_forked(policy_publishes());
	own_unlock(&lock);
	if (policy_publishes() && started)
		thread_slow_down();
	entering = false;
}
