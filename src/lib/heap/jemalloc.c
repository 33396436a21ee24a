/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc.c - what jemalloc asks of the system, answered by us
 *
 * scripts/rename-jemalloc redirects jemalloc's references to libc to these functions. jemalloc
 * calls them on any thread, under its locks, and sometimes before libc is ready: so they make
 * system calls only, and never allocate.
 */
#include "heap.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED __libc_single_threaded
#endif

#include "../../common/say.h"

/*
 * For tests/tsan: ThreadSanitizer's shadow lies below the window. It finishes a thread in the last
 * round of destructors, before ours would run.
 */
#ifdef __SANITIZE_THREAD__
#define BELOW_WINDOW false
#define ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#define BELOW_WINDOW true
#define ROUNDS PTHREAD_DESTRUCTOR_ITERATIONS
#endif

char *rm_jemalloc_getenv(const char *name);
ssize_t rm_jemalloc_readlink(const char *path, char *buffer, size_t size);
void *rm_jemalloc_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int rm_jemalloc_key_create(pthread_key_t *key, void (*destructor)(void *));
int rm_jemalloc_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int rm_jemalloc_trylock(pthread_mutex_t *mutex);
int rm_jemalloc_lock(pthread_mutex_t *mutex);
int rm_jemalloc_unlock(pthread_mutex_t *mutex);

/* MALLOC_CONF is for the allocator that a program was built with; ours has its own name. */
char *rm_jemalloc_getenv(const char *name)
{
	const char *conf = env_options()->malloc_conf;

	if (strcmp(name, "MALLOC_CONF"))
		return NULL;
	if (conf && strstr(conf, "prof:true")) {
		rm_say_fd(2, "librmmap: RMMAP_MALLOC_CONF=%s is ignored: heap profiling is not "
		          "built in", conf);
		return NULL;
	}
	return (char *)(uintptr_t)conf;
}

/*
 * Stubs for what only heap profiling calls, which is not built in. Without them every program that
 * preloads this library would load libm and libgcc_s.
 */
double rm_jemalloc_log(double x);
double rm_jemalloc_exp(double x);
double rm_jemalloc_round(double x);
int rm_jemalloc_backtrace(void *function, void *arg);
uintptr_t rm_jemalloc_backtrace_ip(void *context);

double rm_jemalloc_log(double x)
{
	return x;
}

double rm_jemalloc_exp(double x)
{
	return x;
}

double rm_jemalloc_round(double x)
{
	return x;
}

int rm_jemalloc_backtrace(void *function, void *arg)
{
	(void)function, (void)arg;
	return 0;
}

uintptr_t rm_jemalloc_backtrace_ip(void *context)
{
	(void)context;
	return 0;
}

/* /etc/malloc.conf is not for this allocator either. */
ssize_t rm_jemalloc_readlink(const char *path, char *buffer, size_t size)
{
	(void)path, (void)buffer, (void)size;
	errno = ENOENT;
	return -1;
}

/*
 * jemalloc's own memory: its metadata, and arena 0, which holds jemalloc's internals and what a
 * thread allocates after its last destructor ran. It lies outside the window; an address that
 * the kernel chooses may lie in it (with an unlimited stack). It is one range, so that free() can
 * tell jemalloc's memory from foreign memory.
 */
#define PRIVATE_SIZE RM_SLOT_SIZE
#define PRIVATE_LOW ((uint64_t)1 << 40)
#define PRIVATE_STEP ((uint64_t)2 << 20)
#define PRIVATE_TRIES 64

static uint64_t private_base;           /* 0 until the first mapping */
static uint64_t private_used;           /* from the base on; only grows */

bool jemalloc_owns(const void *p)
{
	uint64_t base = __atomic_load_n(&private_base, __ATOMIC_RELAXED);

	return base && (uintptr_t)p - base < PRIVATE_SIZE;
}

/*
 * Choose a random place below the window, or above it if there is no room below. Threads may race:
 * the first one wins, and all return its choice.
 */
static uint64_t private_place(void)
{
	uint64_t low = PRIVATE_LOW, high = RM_WINDOW_BASE, random = 0;
	uint64_t none = 0;

	if (!BELOW_WINDOW || high < low + 2 * PRIVATE_SIZE) {
		low = RM_WINDOW_END;
		high = low + 16 * PRIVATE_SIZE;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uintptr_t)&random * 0x9e3779b97f4a7c15u;
	random %= (high - low - PRIVATE_SIZE) / PRIVATE_STEP;
	low += random * PRIVATE_STEP;
	if (!__atomic_compare_exchange_n(&private_base, &none, low, false, __ATOMIC_RELAXED,
	                                 __ATOMIC_RELAXED))
		return none;
	return low;
}

void *rm_jemalloc_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	uint64_t base = __atomic_load_n(&private_base, __ATOMIC_RELAXED);
	uint64_t step = (length + PRIVATE_STEP - 1) & ~(PRIVATE_STEP - 1);

	if (addr)               /* jemalloc extends a mapping, or checks itself what it got */
		return mmap(addr, length, prot, flags, fd, offset);
	if (!base)
		base = private_place();
	for (int i = 0; i < PRIVATE_TRIES; i++) {
		uint64_t at = __atomic_fetch_add(&private_used, step, __ATOMIC_RELAXED);
		void *p;

		if (at + step > PRIVATE_SIZE)
			break;
		p = mmap((void *)(base + at), length, prot, flags | MAP_FIXED_NOREPLACE, fd,
		         offset);
		if (p == (void *)(base + at)) {
			own_name(p, length, "rmmap allocator");
			return p;
		}
		if (p != MAP_FAILED)            /* Linux before 4.17 takes the address as a hint */
			munmap(p, length);
		else if (errno != EEXIST)
			return MAP_FAILED;
	}
	errno = ENOMEM;
	return MAP_FAILED;
}

/*
 * jemalloc gives a thread up in the destructor of its key, and serves it from arena 0 afterwards.
 * Destructors of other keys may run later and allocate. So jemalloc's destructor is put off to
 * the last of the rounds in which destructors are called.
 */
static pthread_key_t cleanup_key;
static void (*cleanup)(void *);
static __thread int cleanup_rounds __attribute__((tls_model("initial-exec")));

static void cleanup_put_off(void *tsd)
{
	if (++cleanup_rounds < ROUNDS &&
	    pthread_setspecific(cleanup_key, tsd) == 0)
		return;
	if (cleanup_rounds > ROUNDS)    /* done already: jemalloc has set its key again */
		return;
	arenas_leave();
	own_enter();
	cleanup(tsd);
	own_leave();
}

int rm_jemalloc_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	int error = pthread_key_create(key, cleanup_put_off);

	cleanup = destructor;
	cleanup_key = *key;
	return error;
}

/*
 * fork.c calls jemalloc's handlers among ours, since a fork within a fork must leave all of them
 * out. So jemalloc registers none.
 */
int rm_jemalloc_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	(void)prepare, (void)parent, (void)child;
	return 0;
}

/*
 * jemalloc's locks. jemalloc takes two or three for each slab, and glibc's functions take three
 * times as many instructions. The first word of a mutex means the same as in glibc (0: free,
 * 1: taken, 2: taken, and somebody waits), since glibc may use such a mutex with a condition.
 * Each lock is counted in own_locks for fork.c: a signal handler that forks may have interrupted
 * any of this.
 */
static unsigned *mutex_word(pthread_mutex_t *mutex)
{
	return (unsigned *)mutex;
}

/* While there is one thread, no atomic operation is needed; libc says so. */
static bool word_take(unsigned *word)
{
	unsigned none = 0;

#ifdef SINGLE_THREADED
	if (SINGLE_THREADED) {
		if (*word)
			return false;
		*(volatile unsigned *)word = 1;
		return true;
	}
#endif
	return __atomic_compare_exchange_n(word, &none, 1, false, __ATOMIC_ACQUIRE,
	                                   __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void word_wait(unsigned *word)
{
	int saved = errno;

	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	errno = saved;
}

static __attribute__((noinline)) void word_wake(unsigned *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}

int rm_jemalloc_trylock(pthread_mutex_t *mutex)
{
	own_enter();
	if (likely(word_take(mutex_word(mutex))))
		return 0;
	own_locks--;
	return EBUSY;
}

int rm_jemalloc_lock(pthread_mutex_t *mutex)
{
	own_enter();
	if (!word_take(mutex_word(mutex)))
		word_wait(mutex_word(mutex));
	return 0;
}

int rm_jemalloc_unlock(pthread_mutex_t *mutex)
{
	unsigned *word = mutex_word(mutex);

#ifdef SINGLE_THREADED
	if (SINGLE_THREADED)
		*(volatile unsigned *)word = 0;
	else
#endif
	if (unlikely(__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2))
		word_wake(word);
	own_leave();
	return 0;
}
