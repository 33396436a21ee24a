/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.c - sets jemalloc up
 *
 * Any thread, at the first malloc of a process even before libc is set up. Does not allocate,
 * but jemalloc may while it is set up: such memory comes from arena 0, outside the window. Not
 * on malloc's fast path: jemalloc calls rm_jemalloc_fetch_slow() for a thread that it does not
 * know yet, or that is slow. arenas.c then decides which arena the thread allocates from.
 */
#include "backing.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "freed.h"
#include "jemalloc.h"
#include "pages.h"

/* After so many calls of free() a thread that only frees is set up as others are. */
#define FREES_MAX 128

/*
 * What this library depends on. jemalloc reads it after RMMAP_MALLOC_CONF, so it wins: one
 * automatic arena, none for large allocations, and all memory comes through the hooks.
 */
#define PINNED "narenas:1,oversize_threshold:0,dss:disabled,background_thread:false," \
	"percpu_arena:disabled,retain:true,hpa:false,abort_conf:false,zero_realloc:free"

const char *rj_malloc_conf_2_conf_harder = PINNED;

bool heap_mixed;

/* Written under arenas_lock(). */
static bool ready;              /* heap_init() is done */
static bool started;            /* jemalloc is set up; also read without the lock */
static bool handlers;           /* true once the fork handlers are registered */

/* With strict overcommit malloc must fail up front; a memory file would fail later with SIGBUS. */
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

/* Set up what follows from the environment and the program. Under arenas_lock(). */
static void heap_init(void)
{
	const struct rm_options *options = env_options();

	policy_init();
	if (policy_publishes() || options->names)
		own_names();
	backing_init(policy_publishes() && (options->heap == RM_HEAP_SHARED ||
	                           (options->heap == RM_HEAP_AUTO && !policy_pins() &&
	                            !strict_overcommit())), policy_publishes());
	huge_init();
	if (options->check)             /* so that free() looks at each pointer */
		heap_mix();
	slot_init();
	if (options->scrub)
		rj_malloc_conf_2_conf_harder = PINNED ",junk:free";
	ready = true;
}

/* jemalloc's own hooks would obey this option of jemalloc; ours have to do it themselves. */
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

/* Once. The first call of mallctl has jemalloc set itself up. */
static void heap_start(void)
{
	const char *version;
	size_t size = sizeof(version);

	if (arenas_entering)
		return;
	arenas_entering = true;
	other_malloc_refuse();
	arenas_lock();
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
	arenas_unlock();
	arenas_entering = false;
}

/*
 * jemalloc calls this at each of its entry points, with none of its locks held, on a thread
 * that it does not know yet or that is slow. minimal: the entry point is free(). In jemalloc
 * 5.3.0 a thread that only frees has no cache, and takes a lock and the arena's lists for each
 * block. Here it gets a cache after FREES_MAX blocks.
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
	arenas_enter();
	return tsd;
}

/*
 * Runs before other constructors can start threads. jemalloc's own constructor was removed
 * (scripts/rename-jemalloc): beside a sanitizer's malloc jemalloc cannot be set up.
 */
static void __attribute__((constructor(101))) heap_constructor(void)
{
	if (malloc_is_ours()) {
		heap_start();
		arenas_enter();         /* jemalloc knows this thread by now */
		return;
	}
	arenas_lock();
	if (!ready)
		heap_init();
	arenas_unlock();
}

void heap_attaches(void)
{
	if (__atomic_load_n(&started, __ATOMIC_ACQUIRE) || malloc_uses_heap())
		return;
	arenas_lock();
	if (!handlers)
		fork_init();
	handlers = true;
	arenas_unlock();
}

bool heap_started(void)
{
	return __atomic_load_n(&started, __ATOMIC_ACQUIRE);
}

void heap_prefork(void)
{
	arenas_prefork(heap_started());
}

void heap_parent(void)
{
	arenas_parent();
}

/*
 * In a child of a program that publishes, what it allocates must not lie among what its parent
 * goes on to allocate. So nothing comes from the old arenas any more, and new ones begin in a
 * new slot; a thread's cache is flushed when its next allocation binds it to an arena. A child
 * of a program that does not publish stays as it is.
 */
void heap_child(void)
{
	bool moved = policy_publishes();

	if (moved) {
		arenas_forget();
		heap_mix();
		slot_child();
	}
	hooks_forked(moved);
	arenas_child(moved && started);
}
