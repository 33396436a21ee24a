/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - the map of librmmap: who owns what, in order of the levels
 *
 * Nothing here allocates from the published heap, prints through stdio, starts
 * a thread or installs a signal handler. Functions return 0 or -errno inside
 * and are converted once, at the public edge (errors.c).
 *
 *   malloc  -> heap -> hooks -> slot
 *              heap -> jemalloc
 *   publish -> freeze -> gather, tidy, write -> client -> (socket)
 *   attach  -> attached -> map -> plan, lazy -> client
 */
#ifndef RM_LIB_INTERNAL_H
#define RM_LIB_INTERNAL_H

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

/* ---- beside.c: sanitizers and valgrind, which have a malloc of their own ---- */
/* malloc.c's malloc, whatever malloc the program has; NULL in tests without malloc.c. */
void *own_malloc(size_t size) __attribute__((weak));
/* Is it the program's, or not there at all? False also where a program at a fixed place has an address for it. */
bool beside_malloc(void);
bool beside_is_ours(void);      /* does what it returns lie in this process's heap? */
const char *beside_whom(void);  /* who has a malloc of its own here, by name; NULL: nobody */
bool beside_maps(void);         /* may anything be mapped in the window? */
void beside_refuse(void);       /* a sanitizer's malloc stands behind ours: say so and exit */

/* ---- errors.c: this thread's last failure ---- */
/* Set errno and the text "FUNCTION: ..." and return -1. error is positive. */
int fail(const char *function, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- table.c: growable arrays outside the published heap (mmap, mremap) ---- */
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
int hooks_freeze(struct array *spans);          /* backing_freeze(), and backing_leave() before */
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
bool heap_pins(void);           /* the program may have devices write to its memory */
bool heap_publishes(void);      /* the program imports rmmap_publish, or RMMAP_HEAP=shared */
bool heap_started(void);        /* jemalloc is set up */
void heap_prefork(void);
void heap_parent(void);
void heap_child(void);
static inline bool heap_owns(const void *p)     /* in the run that grows: the fast path */
{
	return run_holds(__atomic_load_n(&heap_run, __ATOMIC_RELAXED), p);
}

bool heap_arena(unsigned i, unsigned *arena);   /* the pool's i-th arena; false: no more */
void heap_move(unsigned i);     /* this thread allocates from that one from now on */

/* ---- elsewhere.c: other threads' arenas, when there is no memory ---- */
/* A block of any arena's free memory, or NULL; errno stays. Where malloc has failed only. */
void *elsewhere(size_t size, size_t alignment, bool zero);

/* ---- jemalloc.c: what jemalloc asks of the system; its own memory ---- */
bool jemalloc_owns(const void *p);      /* not in a heap, but jemalloc's to free */

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

/* ---- attach.c: what is attached ---- */
/* End of the attached mapping that holds addr, or 0. Takes the lock. */
uint64_t attach_end(uint64_t addr);
uint64_t attach_bytes(void);

/* ---- layer.c: sealed memfds; more in snapshot.h ---- */
int random_bytes(void *to, size_t bytes);       /* unpredictable; 0 or -errno */
/* A sealed memfd with these bytes, or -errno. */
int sealed_copy(const char *name, const void *data, size_t size);

/* ---- freeze.c: the snapshot: layers and table of everything published ---- */
struct snapshot {
	void *table;                    /* rm_table_layout(); own_pages of table_size */
	size_t table_size;
	uint32_t layer_count;
	uint32_t fresh_layers;          /* the first so many: rmmapd does not have them yet */
	struct array fds;               /* int: theirs, freeze.c's to close */
	uint64_t data_bytes, copied_bytes;
};
/* The heap's used ranges, own and inherited, as an array of struct heap_range. */
int freeze_ranges(struct array *ranges);
/*
 * Under publish.c's lock, from here until it is handed over or not. everything: rmmapd does
 * not have the layers that it was given. -EBADF: a descriptor was closed by the program;
 * that and every other failure has the next one copy everything. 0 or -errno.
 */
int freeze(uint64_t root, bool everything, bool self_contained, struct snapshot *snapshot);
void freeze_handed_over(void);          /* rmmapd has all layers of the last one */
void freeze_forget(void);               /* it does not have what it was given */
void snapshot_free(struct snapshot *snapshot);

/* ---- track.c: the part for others ---- */
/* What was written in this range so far counts as unchanged at the next publish. */
int track_settle(uint64_t addr, uint64_t length);
void track_child(void);

/* ---- publish.c: around fork ---- */
void publish_prefork(void);
void publish_parent(void);
void publish_child(void);

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

/* ---- places.c: what lies around the snapshot ---- */
/* Note it behind the table, if that can be done; the table moves. */
void places_note(struct snapshot *snapshot);

/* ---- check.c: RMMAP_CHECK: words of the snapshot that point out of it ---- */
void check_snapshot(const struct snapshot *snapshot);

/* ---- client.c: the connection to this host's rmmapd; start.c: starting it ---- */
/*
 * One request and its reply, with descriptors, under the connection's lock. Connects,
 * starts rmmapd where needed, sends again after RM_RESTARTED or a lost connection. 0 or
 * -errno with why in words (size RM_TEXT_MAX). The reply's error is the caller's to read.
 */
struct exchange {
	void *request;                  /* its head but for the type is set by client_call */
	size_t request_size;
	const int *fds;
	unsigned fd_count;
	const int *layers;              /* RM_PUBLISH: sent after it in RM_LAYERS */
	uint32_t layer_count;
	void *reply;                    /* RM_WIRE_MAX bytes */
	int reply_type;                 /* expected */
	int reply_fd;                   /* out: its descriptor, or -1 */
	unsigned sendings;              /* out: how often the request went out whole */
	int *layer_fds;                 /* out: RM_ATTACH: mmap'd array of layer_fd_count */
	uint32_t layer_fd_count;
	bool only_if_connected;         /* do not connect or start anything: -ENOTCONN */
	uint64_t timeout_ns;            /* silence that is too long; 0: 10 s */
	/*
	 * Which rmmapd: what it numbers (attachments) means nothing to the next one.
	 * In: 0 is any, else -ESTALE without sending if it is another by now.
	 * Out: the one that answered.
	 */
	unsigned era;
	char why[RM_TEXT_MAX];
};
int client_call(struct exchange *exchange);
/*
 * An exchange and its reply in own_pages(): a thread's stack may be small. NULL: no memory.
 * What is given back is cleared.
 */
struct call {
	struct exchange x;
	_Alignas(8) char message[RM_WIRE_MAX];
};
struct call *call_new(void *request, size_t size, int reply_type);
void call_free(struct call *call);
void client_child(void);        /* the parent's connection is not ours; gives the lock back */
void client_inner_child(void);  /* the same for a child of fork.c's inner fork; no lock */
void client_lock(void);         /* around fork */
void client_unlock(void);
/*
 * start.c: a connected descriptor, after starting rmmapd if there was none; or -errno. words is
 * -1, or one more descriptor: rmmapd was started, and the answer to the first request says
 * that it serves. If the connection ends before that, daemon_last_words() says why. True: so
 * said rmmapd, and another start would end like this; false: it was killed, or has served.
 */
int daemon_start(const char *rundir, int *words, char *why, size_t why_size);
bool daemon_last_words(int words, char *why, size_t why_size);
/* RMMAP_DAEMON=private: no run directory, an rmmapd of this process's own at each start. */
bool daemon_is_private(void);
int daemon_start_private(int *words, char *why, size_t why_size);

/* ---- lazy.c: userfaultfd over attached ranges ---- */
/* Can this process get a userfaultfd that serves system calls? 0, or -errno: why not, or not now. */
int lazy_possible(void);

/* ---- fork.c: the one pthread_atfork registration ---- */
void fork_init(void);
/*
 * Before anything that other processes see of this one: a child that a signal handler forked in
 * the middle of this library becomes one like any other. No lock is held.
 */
void fork_settle(void);
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
/* attach.c's part: complete lazy attachments before, give a child SIGBUS where that failed */
void attach_prefork(void);
void attach_parent(void);
void attach_child(void);

/* ---- stats.c: counters of this process; RMMAP_STATS at exit ---- */
enum counter { COUNT_PUBLISHES, COUNT_PUBLISHED_BYTES, COUNT_COPIED_BYTES, COUNT_PUBLISH_NS,
	COUNT_ATTACHES, COUNT_ATTACH_NS, COUNT_OWN_PAGES, COUNTERS };
void count(enum counter counter, uint64_t n);
void stats_child(void);

#pragma GCC visibility pop

#endif
