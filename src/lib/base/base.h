/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - what all of librmmap uses
 *
 * Nothing in this library allocates from the published heap, prints through stdio, starts a
 * thread or installs a signal handler. Functions inside return 0 or -errno, which public
 * functions convert once, by fail().
 *
 * Any thread may call, unless a comment says otherwise. Memory comes from own_pages() only.
 */
#ifndef RM_LIB_BASE_H
#define RM_LIB_BASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../common/layout.h"
#include "../../common/options.h"
#include "../../common/segment.h"
#include "../../common/wire.h"

/* Nothing here is exported, so calls and accesses do not go through the PLT and the GOT. */
#pragma GCC visibility push(hidden)

#define RM_EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- env.c: the environment, read once, before libc may be ready ---- */
const struct rm_options *env_options(void);
/* Write to RMMAP_LOG, once, which variables look like rmmap's but mean nothing. */
void env_log(void);
/* Does the program or one of its libraries import this symbol? Takes ld.so's lock. */
bool env_imports(const char *symbol);

/* ---- errors.c: this thread's last failure ---- */
/* Set errno and this thread's text, "FUNCTION: ...", and return -1. error is a positive errno. */
int fail(const char *function, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * For what must hold, where going on would corrupt the program's memory: say it on stderr and
 * abort. Never on malloc's fast path.
 */
#define own_require(condition) \
	do { \
		if (unlikely(!(condition))) \
			own_abort(#condition); \
	} while (0)
void own_abort(const char *condition) __attribute__((noreturn, cold));

/* ---- array.c: own pages, and growable arrays in them ---- */
/* Set up by its item size alone; all else is zero. The owner protects it against other threads. */
struct array {
	void *data;                     /* own pages; moves when the array grows */
	size_t count, capacity;         /* in items; count <= capacity */
	size_t item;                    /* bytes of one item, never 0 */
};
void *array_add(struct array *array);           /* a zeroed item at the end, or NULL: no memory */
void array_remove(struct array *array, size_t index);   /* the last item takes its place */
void array_free(struct array *array);           /* empty again, and may be used again */
void *own_pages(size_t bytes);                  /* zeros outside the window, or NULL */
void own_pages_free(void *pages, size_t bytes); /* NULL is allowed; a single page is kept */
/* The same for pages that a file was mapped over, which must not be kept. */
void own_pages_unmap(void *pages, size_t bytes);
/*
 * Give a mapping a name in /proc/PID/maps. malloc may make this system call (prctl) only if
 * own_names() was called: in a program that publishes, or with RMMAP_NAMES=1.
 */
void own_name(void *pages, size_t bytes, const char *name);
void own_names(void);           /* name mappings from now on; before there are threads */

/* ---- fd.c: descriptors at high numbers, checked before use ---- */
/* Move fd to a high number, close-on-exec; fd is closed in any case. The new one, or -errno. */
int fd_raise(int fd);
struct fd_mark {                /* a descriptor, and which file it was */
	int fd;                 /* -1: none */
	dev_t dev;
	ino_t ino;
};
void fd_mark(struct fd_mark *mark, int fd);     /* negative fd: none */
bool fd_still(const struct fd_mark *mark);      /* is it the same file as when marked? */

/* ---- lock.c: locks of this library ---- */
/*
 * How many locks this thread holds or waits for, jemalloc's too, and other work that a fork must
 * not find half done. While it is not 0, a fork by a signal handler is an inner one: see fork.c.
 */
extern __thread unsigned own_locks __attribute__((tls_model("initial-exec")));

static inline void own_enter(void)
{
	own_locks++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void own_leave(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	own_locks--;
}

/*
 * Take and give back a lock of this library. A thread that has one is not cancelled
 * (pthread_cancel), since nobody would give it back: open, close and many other calls are
 * cancellation points.
 */
void own_lock(pthread_mutex_t *mutex);
void own_unlock(pthread_mutex_t *mutex);
/*
 * Not NULL in a child that came from an inner fork: fork.c has not yet done there what it does in a
 * child. The next attach or publish that holds no lock does it, by own_settle().
 */
extern void (*own_unsettled)(void);
static inline void own_settle(void)
{
	if (unlikely(own_unsettled))
		own_unsettled();
}
void own_child(void);           /* in a child of fork(): this thread holds none */

/* ---- policy.c: whether this process publishes ---- */
void policy_init(void);         /* once, before there are threads and before the others */
bool policy_pins(void);         /* the program may have devices write to its memory */
bool policy_publishes(void);    /* the program imports rmmap_publish, or RMMAP_HEAP=shared */

/* ---- memfd.c: memory files ---- */
int random_bytes(void *to, size_t bytes);       /* unpredictable; 0 or -errno */
/* A memory file of this size, that can be sealed. Its descriptor or -errno. */
int memfd(const char *name, uint64_t size);
/* A sealed memory file with these bytes. Its descriptor or -errno. */
int sealed_copy(const char *name, const void *data, size_t size);

/* ---- track.c: the part for other rooms; scan.h has the rest ---- */
/* Let what was written in this range so far count as unchanged at the next publish. 0 or -errno. */
int track_mark_unchanged(uint64_t addr, uint64_t length);
void track_child(void);         /* in a child of fork(): its parent's marks are not its own */

/* ---- maps.c: /proc/self/maps and smaps, mapping by mapping ---- */
struct map_line {
	uint64_t start, end, offset;
	bool read, write, exec;
	const char *name;               /* valid during each(); "" if it has none */
	/* Only of maps_walk_flags(): VmFlags, " rd wr ... ", valid during each(); "" otherwise. */
	const char *flags;
	unsigned key;                   /* of memory protection keys, pkeys(7); 0: the default */
};
/* Call each() for every line until it returns true. 0, or -errno if the file cannot be read. */
int maps_walk(bool (*each)(void *arg, const struct map_line *line), void *arg);
/*
 * The same with flags and key, from /proc/self/smaps, and without names. The kernel walks the page
 * tables of all that is mapped up to the line for which each() returns true: 0.03 us a page.
 */
int maps_walk_flags(bool (*each)(void *arg, const struct map_line *line), void *arg);
/* The start of the first mapping that overlaps [from, to), and what it is; 0: there is none. */
uint64_t maps_find(uint64_t from, uint64_t to, char *name, size_t size);

/*
 * Has this process about as many mappings as it may have (vm.max_map_count)? Then that is the
 * reason for ENOMEM of mmap(2), and text says so. Makes no mapping; system calls only.
 */
bool maps_spent(char *text, size_t size);

/* ---- arguments.c: checks the arguments of public functions ---- */
/*
 * Copy the caller's options. This library knows `known` bytes of them; the caller may know fewer,
 * but at least `first`, or more. given NULL: *options stays as it is. 0, or -1 by fail().
 */
int take_options(const char *function, void *options, size_t first, size_t known,
                 const void *given);
/* Decode a handle; token gets its text without white space at the end. 0, or -1 by fail(). */
struct rm_handle;
int take_handle(const char *function, const char *text, struct rm_handle *handle,
                char token[RM_HANDLE_TEXT_MAX]);
/* RMMAP_FABRIC for a request, checked; "" if it is not set. 0, or -1 by fail(). */
int take_fabric(const char *function, char spec[RM_SPEC_MAX]);

/* ---- counters.c: counters of this process ---- */
enum counter { COUNT_PUBLISHES, COUNT_PUBLISHED_BYTES, COUNT_COPIED_BYTES, COUNT_PUBLISH_NS,
	COUNT_ATTACHES, COUNT_ATTACH_NS, COUNT_OWN_PAGES, COUNT_LAYER_HUGE_BYTES, COUNTERS };
void count(enum counter counter, uint64_t n);
uint64_t counted(enum counter counter);
void counters_child(void);      /* in a child of fork(): all are 0 again */

#pragma GCC visibility pop

#endif
