/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing.c - the heap's spans: shared memory files, frozen ones, anonymous memory
 *
 * Called by the hooks on any thread under jemalloc's locks, and by publish and fork. One
 * lock, taken last of all; a program that does not publish never takes it but to grow.
 * Own data is in own_pages().
 */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/say.h"
#include "backing_file.h"
#include "free_ranges.h"

#define OVERLAY_MIN ((uint64_t)256 << 10)       /* to become new memory, of what was published */
#define SPANS_MAX 8192                          /* no more overlays beyond so many */
#define FORKS_MAX 8                             /* after so many the heap grows anonymously */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct array spans = { .item = sizeof(struct span) };    /* ascending */
static bool shared, publishes;
static int huge_pages = MADV_NORMAL;        /* for all that is mapped */
static unsigned forks;
static uint64_t bytes;
static int copied[2] = { -1, -1 };      /* around fork: a pipe that the child closes */

/*
 * A heap in shared memory must be frozen by every fork, a signal handler's too, whatever that
 * interrupted: so no handler runs while this thread has the lock.
 */
static sigset_t mask_before;            /* under the lock, if shared */
static __thread bool busy __attribute__((tls_model("initial-exec")));

static void backing_lock(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
	sigset_t all, before;

	if (shared) {
		sigfillset(&all);
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			sigdelset(&all, faults[i]);
		pthread_sigmask(SIG_SETMASK, &all, &before);
	}
	busy = true;            /* before: a signal of a fault may find either */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	own_lock(&lock);
	if (shared)
		mask_before = before;
}

static void backing_unlock(void)
{
	sigset_t before = mask_before;

	own_unlock(&lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	busy = false;
	if (shared)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct span *span_at(size_t i)
{
	return (struct span *)spans.data + i;
}

static uint64_t span_end(const struct span *s)
{
	return s->addr + s->length;
}

void backing_init(bool with_files, bool to_publish)
{
	shared = with_files;
	publishes = to_publish;
}

void backing_huge_pages(int advice)
{
	huge_pages = advice;
}

/* ---- the list ---- */

/* The index of the first span that ends above addr. */
static size_t span_find(uint64_t addr)
{
	size_t low = 0, high = spans.count;

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
	if (!array_add(&spans))
		return false;
	memmove(span_at(i + 1), span_at(i), (spans.count - 1 - i) * sizeof(*span));
	*span_at(i) = *span;
	return true;
}

static bool span_continues(const struct span *a, const struct span *b)
{
	/* a file is frozen as one span, also where that failed before it grew */
	return span_end(a) == b->addr && a->kind == b->kind && a->file == b->file &&
	       a->heap == b->heap && (a->fresh == b->fresh || a->kind == SPAN_SHARED) &&
	       (!a->file || a->offset + a->length == b->offset);
}

static bool span_add(const struct span *span)
{
	size_t i = span_find(span->addr);

	if (i && span_continues(span_at(i - 1), span)) {
		span_at(i - 1)->length += span->length;
		return true;
	}
	return span_insert(i, span);
}

/* Cut a span in two at addr; true if it is a border now, or was one. */
static bool span_cut(uint64_t addr)
{
	size_t i = span_find(addr);
	struct span first, second;

	if (i == spans.count || span_at(i)->addr >= addr)
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

/* What became one again, so that growth and freezes do not add up. */
static void spans_join(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < spans.count; i++) {
		if (kept && span_continues(span_at(kept - 1), span_at(i)))
			span_at(kept - 1)->length += span_at(i)->length;
		else
			*span_at(kept++) = *span_at(i);
	}
	spans.count = kept;
}

/* ---- growing ---- */

static int memory_map_anon(uint64_t addr, uint64_t length, int flags)
{
	void *p = mmap((void *)addr, length, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (p == (void *)addr) {
		own_name(p, length, "rmmap heap");
		return 0;
	}
	if (p == MAP_FAILED)
		return -errno;
	munmap(p, length);      /* Linux before 4.17 takes the address as a hint */
	return -EEXIST;
}

/* The first part of [addr, addr + length) as a file, as far as that goes; 0: not at all. */
static uint64_t memory_map_file(uint64_t addr, uint64_t length, uint32_t heap)
{
	struct span span = { .addr = addr, .heap = heap, .kind = SPAN_SHARED, .fresh = true };
	int fd;

	if (!shared || forks > FORKS_MAX)
		return 0;
	fd = file_grow(addr, length, bytes + length, &span.file, &span.offset, &span.length);
	if (fd < 0)
		return 0;
	if (!span_add(&span))
		return 0;
	if (mmap((void *)addr, span.length, PROT_READ | PROT_WRITE,
	         MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)span.offset) == MAP_FAILED) {
		/* what MAP_FIXED did not replace is anonymous still */
		span_cut(addr);
		span_at(span_find(addr))->kind = SPAN_ANON;
		span_at(span_find(addr))->file = 0;
	} else {
		file_used(span.file, span.length);
	}
	return span.length;
}

static int memory_map(uint64_t addr, uint64_t length, uint32_t heap)
{
	int error = memory_map_anon(addr, length, MAP_FIXED_NOREPLACE);
	uint64_t end = addr + length;

	if (error)
		return error;
	bytes += length;
	while (addr < end) {
		uint64_t part = memory_map_file(addr, end - addr, heap);
		struct span rest = { .addr = addr, .length = end - addr, .heap = heap,
		                     .kind = SPAN_ANON, .fresh = true };

		if (!part && !span_add(&rest)) {
			munmap((void *)addr, end - addr);
			return -ENOMEM;
		}
		addr += part ? part : end - addr;
	}
	if (huge_pages != MADV_NORMAL)
		madvise((void *)(end - length), length, huge_pages);
	return 0;
}

int backing_map(uint64_t addr, uint64_t length, uint32_t heap)
{
	int error;

	backing_lock();
	error = memory_map(addr, length, heap);
	backing_unlock();
	return error;
}

/* ---- giving back ---- */

struct part {                           /* of a span, in the range that is purged */
	uint64_t addr, length;
	uint8_t kind;
	bool fresh;
};

static bool part_next(uint64_t *at, uint64_t end, struct part *part)
{
	size_t i = span_find(*at);
	const struct span *s = span_at(i);

	if (*at >= end || i == spans.count || s->addr >= end)
		return false;
	part->kind = s->kind;
	part->fresh = s->fresh;
	part->addr = s->addr > *at ? s->addr : *at;
	part->length = (span_end(s) < end ? span_end(s) : end) - part->addr;
	*at = part->addr + part->length;
	return true;
}

static bool part_advise(const struct part *part, int advice)
{
	return madvise((void *)part->addr, part->length, advice) == 0;
}

/* Anonymous memory instead of a span of a frozen file. */
static bool span_leave_file(struct span *s)
{
	if (memory_map_anon(s->addr, s->length, MAP_FIXED))
		return false;
	file_unmapped(s->file, s->length);
	s->kind = SPAN_ANON;
	s->file = 0;
	s->offset = 0;
	s->fresh = true;
	return true;
}

/* The same for a part of one, which gives nothing back in pieces. */
static bool part_leave_file(const struct part *part)
{
	if (part->length < OVERLAY_MIN || spans.count > SPANS_MAX ||
	    !span_cut(part->addr) || !span_cut(part->addr + part->length))
		return false;
	return span_leave_file(span_at(span_find(part->addr)));
}

/* Anonymous memory, given back. If a publish knows it, that is forgotten: it is as new. */
static bool part_empty(const struct part *part)
{
	if (part->fresh)
		return part_advise(part, MADV_DONTNEED);
	if (part->length < OVERLAY_MIN || spans.count > SPANS_MAX || !span_cut(part->addr) ||
	    !span_cut(part->addr + part->length) || !part_advise(part, MADV_DONTNEED))
		return false;
	span_at(span_find(part->addr))->fresh = true;
	return true;
}

/*
 * True if all of it reads as zeros now, and will in the next publish too. That takes pages
 * without a write for unchanged: of what a publish knows already nobody may rely on zeros
 * that nobody wrote.
 */
static bool part_zero(const struct part *part)
{
	switch (part->kind) {
	case SPAN_SHARED:
		return part_advise(part, MADV_REMOVE);
	case SPAN_ANON:
		return part_empty(part);
	default:
		return part_leave_file(part);
	}
}

bool backing_purge_forced(uint64_t addr, uint64_t length)
{
	uint64_t at = addr, end = addr + length;
	struct part part = { .addr = addr, .length = length };
	bool zeros = true;

	if (!publishes)
		return !part_advise(&part, MADV_DONTNEED);
	backing_lock();
	while (part_next(&at, end, &part))
		zeros &= part_zero(&part);
	backing_unlock();
	return !zeros;
}

bool backing_retain(uint64_t addr, uint64_t length)
{
	uint64_t at = addr, end = addr + length;
	struct part part = { .addr = addr, .length = length };
	bool keep = true;

	if (!publishes)
		return part_advise(&part, MADV_FREE);
	backing_lock();
	while (part_next(&at, end, &part))
		keep &= part.kind == SPAN_SHARED;
	backing_unlock();
	return keep;
}

/* What is a frozen file's reverts to it: jemalloc does not take what is purged so for zeros. */
bool backing_purge_lazy(uint64_t addr, uint64_t length)
{
	uint64_t at = addr, end = addr + length;
	struct part part = { .addr = addr, .length = length };
	bool done = true;

	if (!publishes)
		return !part_advise(&part, MADV_FREE);
	backing_lock();
	while (part_next(&at, end, &part))
		done &= part_advise(&part, part.kind == SPAN_SHARED ? MADV_REMOVE : MADV_DONTNEED);
	backing_unlock();
	return !done;
}

static bool span_of_file(const struct span *s, uint32_t file)
{
	return s->kind == SPAN_FROZEN && s->file == file;
}

/* A file is mapped in ascending order, with anonymous memory in between. */
void backing_leave_unused(void)
{
	backing_lock();
	for (size_t i = 0, end; i < spans.count; i = end) {
		uint32_t file = span_at(i)->file;
		bool unused = true;

		end = i + 1;
		if (!file || !span_of_file(span_at(i), file))
			continue;
		for (; end < spans.count && (span_at(end)->kind == SPAN_ANON ||
		                             span_of_file(span_at(end), file)); end++)
			;
		for (size_t k = i; unused && k < end; k++)
			unused = !span_of_file(span_at(k), file) ||
			         free_ranges_cover(span_at(k)->addr, span_at(k)->length);
		for (size_t k = i; unused && k < end; k++)
			if (span_of_file(span_at(k), file))
				span_leave_file(span_at(k));
	}
	backing_unlock();
}

/* ---- freezing ---- */

/* Of one file all that is mapped, which lies in one piece: false if it stays shared. */
static bool file_map_private(uint32_t file, uint64_t addr, uint64_t length)
{
	int fd = file_fd(file);

	return fd >= 0 && mmap((void *)addr, length, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) != MAP_FAILED;
}

static bool spans_any_shared(void)
{
	for (size_t i = 0; i < spans.count; i++)
		if (span_at(i)->kind == SPAN_SHARED)
			return true;
	return false;
}

/* look: for which pages have data, which is cheaper now than afterwards. */
static void spans_freeze(bool look)
{
	struct array protections;

	if (!spans_any_shared())
		return;
	protections_note(&protections, span_at(0)->addr, span_end(span_at(spans.count - 1)));
	for (size_t i = 0; i < spans.count; i++) {
		struct span *s = span_at(i);

		if (s->kind != SPAN_SHARED)
			continue;
		if (look)
			file_look(s->file, s->addr, s->length);
		if (!file_map_private(s->file, s->addr, s->length))
			continue;
		protections_set(&protections, s->addr, span_end(s));
		s->kind = SPAN_FROZEN;
		s->fresh = true;
		/* Pinned by a device: what that writes would be missing here and there. */
		if (!file_seal(s->file, s->length))
			s->file = 0;
	}
	array_free(&protections);
}

static int spans_list(struct array *out)
{
	*out = (struct array){ .item = sizeof(struct span) };
	spans_join();
	for (size_t i = 0; i < spans.count; i++) {
		struct span *copy = array_add(out);

		if (!copy)
			return -ENOMEM;
		*copy = *span_at(i);
	}
	for (size_t i = 0; i < spans.count; i++)
		span_at(i)->fresh = false;
	return 0;
}

int backing_freeze(struct array *out)
{
	int error;

	backing_lock();
	spans_freeze(true);
	error = spans_list(out);
	backing_unlock();
	return error;
}

bool backing_file(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd)
{
	bool found;

	backing_lock();
	found = file_sealed(number, id, length, fd);
	backing_unlock();
	return found;
}

const uint64_t *backing_seen(uint32_t number)
{
	const uint64_t *seen;

	backing_lock();
	seen = file_seen(number);
	backing_unlock();
	return seen;
}

void backing_file_close(uint32_t number)
{
	backing_lock();
	file_close(number);
	backing_unlock();
}

void backing_file_left(uint32_t number)
{
	backing_lock();
	file_left(number);
	backing_unlock();
}

/* ---- fork ---- */

/*
 * A writable shared mapping would be one memory of two processes. What cannot be frozen,
 * since the program closed our descriptor, is copied by the child before it goes on.
 */
void backing_prefork(void)
{
	backing_lock();
	copied[0] = copied[1] = -1;
	if (!shared)
		return;
	spans_freeze(false);
	if (spans_any_shared() && pipe2(copied, O_CLOEXEC))
		copied[0] = copied[1] = -1;
}

/* The child closes its end of the pipe when it has copied, or when it dies. */
void backing_parent(void)
{
	char none;

	if (copied[0] >= 0) {
		close(copied[1]);
		while (read(copied[0], &none, 1) < 0 && errno == EINTR)
			;
		close(copied[0]);
	}
	forks++;
	backing_unlock();
}

static void span_copy(struct span *s)
{
	void *copy = own_pages(s->length);

	if (copy) {
		memcpy(copy, (void *)s->addr, s->length);
		if (mremap(copy, s->length, s->length, MREMAP_MAYMOVE | MREMAP_FIXED,
		           (void *)s->addr) == (void *)s->addr) {
			s->kind = SPAN_ANON;
			s->file = 0;
			s->offset = 0;
			s->fresh = true;
			return;
		}
	}
	/* Better no child than one that writes into its parent's memory. */
	rm_say_fd(2, "librmmap: no memory for the heap of a child of fork()");
	_exit(127);
}

void backing_child(void)
{
	for (size_t i = 0; i < spans.count; i++)
		if (span_at(i)->kind == SPAN_SHARED)
			span_copy(span_at(i));
	if (copied[0] >= 0) {
		close(copied[0]);
		close(copied[1]);
	}
	forks = 0;
	backing_unlock();
}

/* Of forks that interrupt each other the last ones, if any, found the lock held. */
static __thread unsigned skipped __attribute__((tls_model("initial-exec")));

void backing_inner_prefork(void)
{
	if (busy || !shared)
		skipped++;
	else
		backing_prefork();
}

void backing_inner_parent(void)
{
	if (skipped)
		skipped--;
	else
		backing_parent();
}

void backing_inner_child(void)
{
	if (skipped)
		skipped--;
	else
		backing_child();
}
