/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_spans.c - the list of the heap's spans, and the lock over it
 *
 * See backing_spans.h. No function here makes a mapping except for the list itself.
 */
#include "backing_spans.h"

#include <signal.h>
#include <string.h>

#include "backing_file.h"

struct backing backing = { .spans.item = sizeof(struct span) };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t mask_before;            /* of the thread that has the lock, if the heap is shared */
static __thread bool busy __attribute__((tls_model("initial-exec")));

void backing_lock(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
	sigset_t all, before;

	if (backing.shared) {
		sigfillset(&all);
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			sigdelset(&all, faults[i]);
		pthread_sigmask(SIG_SETMASK, &all, &before);
	}
	/* Set before the lock is taken: a fault's handler may run just before and just after. */
	busy = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	own_lock(&lock);
	if (backing.shared)
		mask_before = before;
}

void backing_unlock(void)
{
	/* Copied first: the next owner writes its own mask there. */
	sigset_t before = mask_before;

	own_unlock(&lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	busy = false;
	if (backing.shared)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool backing_busy(void)
{
	return busy;
}

size_t span_find(uint64_t addr)
{
	size_t low = 0, high = backing.spans.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_end(span_at(middle)) <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool span_insert(size_t i, const struct span *span)
{
	if (!array_add(&backing.spans))
		return false;
	memmove(span_at(i + 1), span_at(i), (backing.spans.count - 1 - i) * sizeof(*span));
	*span_at(i) = *span;
	return true;
}

/*
 * Are a and b, which follow each other, one span? Of a shared file fresh does not count: the
 * file is frozen as one span, also if a freeze failed before it grew.
 */
static bool span_continues(const struct span *a, const struct span *b)
{
	return span_end(a) == b->addr && a->kind == b->kind && a->file == b->file &&
	       a->heap == b->heap && (a->fresh == b->fresh || a->kind == SPAN_SHARED) &&
	       (!a->file || a->offset + a->length == b->offset);
}

bool span_add(const struct span *span)
{
	size_t i = span_find(span->addr);

	own_require(i == backing.spans.count || span_end(span) <= span_at(i)->addr);
	if (i && span_continues(span_at(i - 1), span)) {
		span_at(i - 1)->length += span->length;
		return true;
	}
	return span_insert(i, span);
}

bool span_cut(uint64_t addr)
{
	size_t i = span_find(addr);
	struct span first, second;

	if (i == backing.spans.count || span_at(i)->addr >= addr)
		return true;
	first = second = *span_at(i);
	first.length = addr - first.addr;
	second.addr = addr;
	second.length -= first.length;
	second.offset += first.file ? first.length : 0;
	if (!span_insert(i + 1, &second))
		return false;
	*span_at(i) = first;
	return true;
}

void span_make_anon(struct span *span)
{
	if (span->kind == SPAN_FROZEN)
		file_unmapped(span->file, span->length);
	span->kind = SPAN_ANON;
	span->file = 0;
	span->offset = 0;
	span->fresh = true;
}

void spans_replace(size_t i, const struct span *by)
{
	size_t next = i + 1;

	own_require(span_at(i)->addr == by->addr);
	while (next < backing.spans.count && span_at(next)->addr < span_end(by))
		next++;
	own_require(span_end(span_at(next - 1)) == span_end(by));
	*span_at(i) = *by;
	memmove(span_at(i + 1), span_at(next), (backing.spans.count - next) * sizeof(*by));
	backing.spans.count -= next - i - 1;
}

void spans_join(void)
{
	size_t count = 0;

	for (size_t i = 0; i < backing.spans.count; i++) {
		if (count && span_continues(span_at(count - 1), span_at(i)))
			span_at(count - 1)->length += span_at(i)->length;
		else
			*span_at(count++) = *span_at(i);
	}
	backing.spans.count = count;
}

bool spans_any_shared(void)
{
	for (size_t i = 0; i < backing.spans.count; i++)
		if (span_at(i)->kind == SPAN_SHARED)
			return true;
	return false;
}
