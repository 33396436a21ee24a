/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_spans.h - the list of the heap's spans, and the lock over it
 *
 * Only for the files backing*.c. Everything below is called under backing_lock(), on any thread.
 * The list is in own pages; nothing here allocates from the heap.
 */
#ifndef RM_LIB_BACKING_SPANS_H
#define RM_LIB_BACKING_SPANS_H

#include "backing.h"

#pragma GCC visibility push(hidden)

struct backing {
	/*
	 * struct span, ascending by address, without overlap: every page of the heap is in
	 * exactly one span. A shared file is one span, and so becomes one frozen file.
	 */
	struct array spans;
	unsigned forks;                 /* of this process, since it published or was forked */
	/* Set once by backing_init(), before the first page: read without the lock. */
	bool shared;                    /* the heap grows in memory files while it can */
	bool publishes;                 /* backing_freeze() may be called */
};
extern struct backing backing;

/*
 * Taken last of all locks. While a thread holds it in a process with a shared heap, all signals
 * are blocked but those that a fault raises: a handler that forks must find the heap in a state
 * in which it can be frozen. pthread_sigmask() is not called otherwise.
 */
void backing_lock(void);
void backing_unlock(void);
/* Does this thread hold the lock or wait for it? For the handler of a fault that forks. */
bool backing_busy(void);

static inline struct span *span_at(size_t i)
{
	return (struct span *)backing.spans.data + i;
}

static inline uint64_t span_end(const struct span *s)
{
	return s->addr + s->length;
}

/* The index of the first span that ends above addr, or the number of spans. */
size_t span_find(uint64_t addr);
/* Add a span where none is, or lengthen the one before. False: no memory. */
bool span_add(const struct span *span);
/* Make addr a border between two spans. True if it is one now; false: no memory for one more. */
bool span_cut(uint64_t addr);
/* Anonymous memory has taken the place of the span's. A frozen file is told that it is unmapped. */
void span_make_anon(struct span *span);
/* Put one span, which starts where span i does, in the place of all that it covers as a whole. */
void spans_replace(size_t i, const struct span *by);
/* Join spans that have become one again, so that growth and freezes do not add up. */
void spans_join(void);
bool spans_any_shared(void);

/* ---- backing_marks.c ---- */
/*
 * What the program has set by mprotect(), mlock() and madvise() in shared spans: note it before a
 * freeze maps pages anew, and set it again in one span. What is locked leaves the file of a
 * frozen span, which must not be sealed yet. *list is set up by note, and the caller's to free.
 */
void marks_note(struct array *list);
void marks_set(const struct array *list, const struct span *s);
/* Is a page of this range locked in memory, by mlock(2) or mlockall(2)? One system call. */
bool marks_locked(uint64_t addr, uint64_t length);

/* ---- backing_child.c: in a child of fork(), for backing_freeze.c ---- */
/*
 * Memory that was not inherited (MADV_DONTFORK) becomes fresh anonymous spans of which nothing is
 * there. False: it is not known where it is.
 */
bool spans_drop_absent(void);
/* Replace what is still shared by copies, or exit. whole: what spans_drop_absent() returned. */
void spans_copy(bool whole);

#pragma GCC visibility pop

#endif
