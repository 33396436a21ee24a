/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - what all of librmmap stands on
 *
 * Nothing in this library allocates from the published heap, prints through stdio, starts a
 * thread or installs a signal handler. Functions return 0 or -errno inside and are converted
 * once, at the public edge, by fail().
 *
 * Any thread, unless it is said otherwise.
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

/* All of it stays inside the library: accesses are direct, without a detour by the GOT. */
#pragma GCC visibility push(hidden)

#define RM_EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- env.c: the environment, read once, before libc may be ready ---- */
const struct rm_options *env_options(void);
void env_log(void);             /* once: into RMMAP_LOG what variables of it mean nothing */
/* Does the program or a library of it import this symbol? (dl_iterate_phdr, once) */
bool env_imports(const char *symbol);

/* ---- errors.c: this thread's last failure ---- */
/* Set errno and the text "FUNCTION: ..." and return -1. error is positive. */
int fail(const char *function, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- array.c: growable arrays outside the published heap (mmap, mremap) ---- */
struct array {
	void *data;
	size_t count, capacity;         /* in items */
	size_t item;                    /* bytes of one */
};
void *array_add(struct array *array);           /* a zeroed item at the end, or NULL: ENOMEM */
void array_remove(struct array *array, size_t index);   /* the last takes its place */
void array_free(struct array *array);
void *own_pages(size_t bytes);                  /* anonymous memory outside the window, or NULL */
void own_pages_free(void *pages, size_t bytes);
void own_pages_unmap(void *pages, size_t bytes);        /* of which a file was mapped over */
/*
 * A name in /proc/PID/maps. malloc is allowed this system call (prctl) only where own_names()
 * was called: in a program that publishes, or with RMMAP_NAMES=1.
 */
void own_name(void *pages, size_t bytes, const char *name);
void own_names(void);

/* ---- fd.c: descriptors at high numbers, checked before use ---- */
int fd_raise(int fd);           /* move to a high number, CLOEXEC; closes fd; new fd or -errno */
struct fd_mark { int fd; dev_t dev; ino_t ino; };
void fd_mark(struct fd_mark *mark, int fd);
bool fd_still(const struct fd_mark *mark);      /* is it the same file as when marked? */

/* ---- lock.c: locks of this library ---- */
/*
 * Locks that this thread holds or waits for, jemalloc's too, and whatever else a signal handler
 * must not find half done: its fork then is an inner one, see fork.c.
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
 * This library's own: no thread is cancelled while it has one (pthread_cancel; open, close and
 * many others are where that happens), since nobody would give it back.
 */
void own_lock(pthread_mutex_t *mutex);
void own_unlock(pthread_mutex_t *mutex);
/*
 * Set in a child whose fork() was called by a signal handler within a lock of ours: what fork()
 * does in a child is made up for by the next public call that can. By fork.c; NULL otherwise.
 */
extern void (*own_unsettled)(void);
static inline void own_settle(void)
{
	if (unlikely(own_unsettled))
		own_unsettled();
}
void own_child(void);           /* in a child of fork(): this thread holds none */

/* ---- policy.c: what this process does with its heap; before threads ---- */
void policy_init(void);
bool policy_pins(void);           /* the program may have devices write to its memory */
bool policy_publishes(void);      /* the program imports rmmap_publish, or RMMAP_HEAP=shared */

/* ---- memfd.c: memory files ---- */
int random_bytes(void *to, size_t bytes);       /* unpredictable; 0 or -errno */
/* A memory file of this size, to be sealed. Its descriptor or -errno. */
int memfd(const char *name, uint64_t size);
/* A sealed memfd with these bytes, or -errno. */
int sealed_copy(const char *name, const void *data, size_t size);

/* ---- track.c: the part for others ---- */
/* What was written in this range so far counts as unchanged at the next publish. */
int track_mark_unchanged(uint64_t addr, uint64_t length);
void track_child(void);

/* ---- maps.c: /proc/self/maps, line by line ---- */
struct map_line {
	uint64_t start, end, offset;
	bool read, write, exec;
	const char *name;               /* "" if it has none */
};
/* each() returns true to stop. 0, or -errno if the file cannot be read. */
int maps_walk(bool (*each)(void *arg, const struct map_line *line), void *arg);
/* The first mapping that has an address of [from, to): its start; name gets what it is. */
uint64_t maps_find(uint64_t from, uint64_t to, char *name, size_t size);

/*
 * Has this process about as many mappings as it may have (vm.max_map_count)? Then text says so.
 * That is what ENOMEM of mmap(2) means then; system calls only.
 */
bool maps_spent(char *text, size_t size);

/* ---- arguments.c: what the public functions are given ---- */
/*
 * Options of `known` bytes here, from a caller that may know fewer (not less than `first`)
 * or more fields. given may be NULL: *options stands as it is. 0, or -1 by fail().
 */
int take_options(const char *function, void *options, size_t first, size_t known,
                 const void *given);
/* Decode a handle; token gets it without the white space after it. 0, or -1 by fail(). */
struct rm_handle;
int take_handle(const char *function, const char *text, struct rm_handle *handle,
                char token[RM_HANDLE_TEXT_MAX]);
/* RMMAP_FABRIC for a request: at most RM_SPEC_MAX bytes and well-formed. 0, or -1 by fail(). */
int take_fabric(const char *function, char spec[RM_SPEC_MAX]);

/* ---- counters.c: counters of this process ---- */
enum counter { COUNT_PUBLISHES, COUNT_PUBLISHED_BYTES, COUNT_COPIED_BYTES, COUNT_PUBLISH_NS,
	COUNT_ATTACHES, COUNT_ATTACH_NS, COUNT_OWN_PAGES, COUNTERS };
void count(enum counter counter, uint64_t n);
uint64_t counted(enum counter counter);
void counters_child(void);

#pragma GCC visibility pop

#endif
