/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing.c - what the heap's pages are made of: growing, and giving memory back
 *
 * Called by the hooks on any thread, mostly under jemalloc's locks. A process that does not
 * publish takes the lock only to grow. Does not allocate, except for the list of spans in own
 * pages. backing_freeze.c has freezes and forks, backing_spans.c the list and its lock.
 */
#include "backing_spans.h"

#include <errno.h>
#include <sys/mman.h>

#include "backing_file.h"
#include "chunks.h"

/* A shorter part of memory that a publish knows is not replaced by new memory. */
#define OVERLAY_MIN ((uint64_t)256 << 10)
/* Beyond so many spans no span is cut in order to give a part of it back. */
#define SPANS_MAX 8192
/*
 * After so many forks without a publish the heap grows in anonymous memory: each fork freezes all
 * files, and they stay open until a publish.
 */
#define FORKS_MAX 8

static int huge_pages = MADV_NORMAL;    /* advice for all that is mapped; set before threads */
static uint64_t bytes;                  /* size of the heap, which never shrinks; under the lock */

void backing_init(bool with_files, bool to_publish)
{
	backing.shared = with_files;
	backing.publishes = to_publish;
}

void backing_huge_pages(int advice)
{
	huge_pages = advice;
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

static void memory_advise(uint64_t addr, uint64_t length)
{
	if (huge_pages != MADV_NORMAL)
		madvise((void *)addr, length, huge_pages);
}

/*
 * Map a file over the first part of [addr, addr + length), as far as the file has room. Returns
 * how much was done; 0: no file can be had.
 */
static uint64_t memory_map_file(uint64_t addr, uint64_t length, uint32_t heap)
{
	struct span span = { .addr = addr, .heap = heap, .kind = SPAN_SHARED, .fresh = true };
	int fd;

	if (!backing.shared || backing.forks > FORKS_MAX)
		return 0;
	fd = file_grow(addr, length, bytes + length, &span.file, &span.offset, &span.length);
	if (fd < 0)
		return 0;
	if (!span_add(&span))
		return 0;
	if (mmap((void *)addr, span.length, PROT_READ | PROT_WRITE,
	         MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)span.offset) == MAP_FAILED) {
		/* MAP_FIXED replaced nothing: the memory is still anonymous */
		span_cut(addr);
		span_at(span_find(addr))->kind = SPAN_ANON;
		span_at(span_find(addr))->file = 0;
	} else {
		file_used(span.file, span.length);
	}
	return span.length;
}

/*
 * Reserve the addresses by anonymous memory first: MAP_FIXED_NOREPLACE never replaces what the
 * program has there. Then replace it by files, if the heap is shared.
 */
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
	memory_advise(end - length, length);
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

/* The part of one span that lies in the range that is given back. */
struct part {
	uint64_t addr, length;
	uint8_t kind;
	bool fresh;
};

/* The next part of [*at, end); moves *at behind it. False: none is left. */
static bool part_next(uint64_t *at, uint64_t end, struct part *part)
{
	size_t i = span_find(*at);
	const struct span *s = span_at(i);

	if (*at >= end || i == backing.spans.count || s->addr >= end)
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

/*
 * Replace a span of a frozen file by anonymous memory, which reads as zeros. Not memory that the
 * program has locked: what it gets from malloc after mlockall(2) must stay locked, and the kernel
 * refuses to give locked memory back, too.
 */
static bool span_leave_file(struct span *s)
{
	if (marks_locked(s->addr, s->length) || memory_map_anon(s->addr, s->length, MAP_FIXED))
		return false;
	memory_advise(s->addr, s->length);
	span_make_anon(s);
	return true;
}

/*
 * The same for a part of a span: a sealed file gives no memory back in pieces. False: the part
 * is too short to be worth a mapping, or there are too many spans.
 */
static bool part_leave_file(const struct part *part)
{
	if (part->length < OVERLAY_MIN || backing.spans.count > SPANS_MAX ||
	    !span_cut(part->addr) || !span_cut(part->addr + part->length))
		return false;
	return span_leave_file(span_at(span_find(part->addr)));
}

/*
 * Give anonymous memory back. What a publish knows of it is no longer true, so the part becomes
 * a fresh span. False: it cannot become one.
 */
static bool part_empty(const struct part *part)
{
	if (part->fresh)
		return part_advise(part, MADV_DONTNEED);
	if (part->length < OVERLAY_MIN || backing.spans.count > SPANS_MAX ||
	    !span_cut(part->addr) || !span_cut(part->addr + part->length) ||
	    !part_advise(part, MADV_DONTNEED))
		return false;
	span_at(span_find(part->addr))->fresh = true;
	return true;
}

/*
 * Give the part back. True only if it reads as zeros now, and the next publish will find zeros
 * there too. A publish takes a page that nobody wrote for unchanged. So memory that a publish
 * knows must not turn to zeros without a write, unless it becomes fresh.
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

	if (!backing.publishes)
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

	if (!backing.publishes)
		return part_advise(&part, MADV_FREE);
	backing_lock();
	while (part_next(&at, end, &part))
		keep &= part.kind == SPAN_SHARED;
	backing_unlock();
	return keep;
}

/* A page of a frozen file reverts to the file's: jemalloc does not rely on zeros here. */
bool backing_purge_lazy(uint64_t addr, uint64_t length)
{
	uint64_t at = addr, end = addr + length;
	struct part part = { .addr = addr, .length = length };
	bool done = true;

	if (!backing.publishes)
		return !part_advise(&part, MADV_FREE);
	backing_lock();
	while (part_next(&at, end, &part))
		done &= part_advise(&part, part.kind == SPAN_SHARED ? MADV_REMOVE : MADV_DONTNEED);
	backing_unlock();
	return !done;
}

/* Leave those chunks of this part of a frozen file of which nothing is in use. */
static void part_leave_unused(const struct part *part)
{
	uint64_t end = part->addr + part->length, length;

	for (uint64_t at = part->addr; at < end; at += length) {
		struct part piece = *part;

		length = rm_huge_down(at) + RM_HUGE - at;
		if (length > end - at)
			length = end - at;
		piece.addr = at;
		piece.length = length;
		if (chunks_unused(at, length))
			part_leave_file(&piece);
	}
}

void backing_leave_unused(void)
{
	uint64_t at = 0;
	struct part part;

	backing_lock();
	while (part_next(&at, UINT64_MAX, &part))
		if (part.kind == SPAN_FROZEN)
			part_leave_unused(&part);
	backing_unlock();
}

/* ---- fresh memory in the place of free memory ---- */

bool backing_is_shared(uint64_t addr, uint64_t length)
{
	const struct span *s;
	size_t i;
	bool is;

	backing_lock();
	i = span_find(addr);
	s = span_at(i);
	is = i < backing.spans.count && s->kind == SPAN_SHARED && s->addr <= addr &&
	     span_end(s) >= addr + length;
	backing_unlock();
	return is;
}

/*
 * How much of [addr, addr + length), in whole huge pages, is memory of one heap that is not in a
 * shared file. *heap is set.
 */
static uint64_t renewable_length(uint64_t addr, uint64_t length, uint32_t *heap)
{
	uint64_t at = addr, end = addr + length;

	for (size_t i = span_find(addr); i < backing.spans.count && at < end; i++) {
		const struct span *s = span_at(i);

		if (s->addr > at || s->kind == SPAN_SHARED || (at > addr && s->heap != *heap))
			break;
		*heap = s->heap;
		at = span_end(s) < end ? span_end(s) : end;
	}
	return rm_huge_down(at - addr);
}

/* Map a new file over [addr, addr + length), which is whole spans. False: it is as it was. */
static bool memory_renew(uint64_t addr, uint64_t length, uint32_t heap)
{
	struct span span = { .addr = addr, .length = length, .heap = heap, .kind = SPAN_SHARED,
	                     .fresh = true };
	size_t first = span_find(addr);
	int fd = file_whole(addr, length, &span.file);

	if (fd < 0)
		return false;
	if (mmap((void *)addr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
	         MAP_NORESERVE, fd, 0) == MAP_FAILED) {
		file_close(span.file);
		return false;
	}
	for (size_t i = first; i < backing.spans.count && span_at(i)->addr < addr + length; i++)
		if (span_at(i)->kind == SPAN_FROZEN)
			file_unmapped(span_at(i)->file, span_at(i)->length);
	spans_replace(first, &span);
	return true;
}

uint64_t backing_renew(uint64_t addr, uint64_t length)
{
	uint64_t done = 0;
	uint32_t heap = 0;

	backing_lock();
	if (backing.shared && backing.forks <= FORKS_MAX && backing.spans.count < SPANS_MAX) {
		done = renewable_length(addr, length, &heap);
		/* What is mapped anew would be locked no more. */
		if (!done || marks_locked(addr, done) || !span_cut(addr) || !span_cut(addr + done) ||
		    !memory_renew(addr, done, heap))
			done = 0;
	}
	backing_unlock();
	return done;
}
