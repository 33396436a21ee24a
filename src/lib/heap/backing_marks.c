/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_marks.c - what the program has asked of pages of its heap: mprotect, mlock, madvise
 *
 * Programs make guard pages of stacks that malloc returned, lock memory with keys in it, and keep
 * memory out of core dumps and of children. A freeze maps a whole file anew, and the kernel knows
 * nothing of that for the new mapping, so it is noted before and set again. Under
 * backing_lock(). Allocates in struct array only. Without /proc nothing is noted.
 */
#include "../base/scan.h"
#include "backing_spans.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backing_file.h"

/* The build host's headers may be older. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/*
 * Advice that is a flag of a mapping of a memory file, as in VmFlags. MADV_MERGEABLE has no effect
 * on a shared mapping, and MADV_WIPEONFORK is refused.
 */
static const struct {
	const char *flag;
	int advice;
} advices[] = {
	{ " dd ", MADV_DONTDUMP },
	{ " dc ", MADV_DONTFORK },
	{ " hg ", MADV_HUGEPAGE },
	{ " nh ", MADV_NOHUGEPAGE },
	{ " sr ", MADV_SEQUENTIAL },
	{ " rr ", MADV_RANDOM },
};
#define ADVICES (sizeof(advices) / sizeof(advices[0]))

struct mark {                           /* pages that are not as backing.c maps them */
	uint64_t from, to;
	int protection;                 /* PROT_READ and so on */
	int key;                        /* of pkey_mprotect(2); 0: the default */
	bool locked, on_fault;          /* mlock(2); on_fault: by MLOCK_ONFAULT */
	uint8_t advice;                 /* bit i: advices[i] */
};

/* ---- is there anything to note? ---- */

bool marks_locked(uint64_t addr, uint64_t length)
{
	int saved = errno;
	bool locked = msync((void *)addr, length, MS_ASYNC | MS_INVALIDATE) && errno == EBUSY;

	errno = saved;
	return locked;
}

static bool line_ordinary(const struct map_line *line)
{
	return line->read && line->write && !line->exec;
}

struct counting {                       /* argument of line_count() */
	uint64_t from, to;              /* of interest */
	size_t whole;                   /* shared spans that are one ordinary mapping each */
};

static bool line_count(void *arg, const struct map_line *line)
{
	struct counting *counting = arg;
	size_t i;

	if (line->start >= counting->to || line->end <= counting->from)
		return line->start >= counting->to;
	i = span_find(line->start);
	if (i < backing.spans.count && span_at(i)->kind == SPAN_SHARED &&
	    span_at(i)->addr == line->start && span_end(span_at(i)) == line->end &&
	    line_ordinary(line))
		counting->whole++;
	return false;
}

/*
 * Has this span, which is one mapping, the flags that mmap(2) gave it? Two pages are mapped behind
 * a copy of the mapping's first page: mremap(2) with an old size of 0 copies the flags too. The
 * kernel joins neighbours with the same flags, and mremap() returns EFAULT for a range in two
 * mappings. Not even with one mapping can it succeed, since without MREMAP_MAYMOVE only the end
 * of a mapping grows. scratch: three own pages. If a call fails, the answer is false.
 */
static bool flags_ordinary(const struct span *s, char *scratch)
{
	int fd = file_fd(s->file);

	return fd >= 0 &&
	       mremap((void *)s->addr, 0, RM_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, scratch) == scratch &&
	       mmap(scratch + RM_PAGE, 2 * RM_PAGE, PROT_READ | PROT_WRITE,
	            MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
	            (off_t)(s->offset + RM_PAGE)) != MAP_FAILED &&
	       mremap(scratch, 2 * RM_PAGE, 4 * RM_PAGE, 0) == MAP_FAILED && errno == ENOMEM;
}

/*
 * Are all shared spans as they were mapped? Whatever was asked of a part of one has cut its mapping
 * in two, which /proc/self/maps shows; what was asked of a whole one is found by asking. Flags
 * are only in smaps, and reading that is expensive: see maps_walk_flags().
 */
static bool spans_ordinary(struct counting *counting)
{
	char *scratch;
	bool same = true;
	size_t shared = 0;

	for (size_t i = 0; i < backing.spans.count; i++)
		shared += span_at(i)->kind == SPAN_SHARED;
	if (maps_walk(line_count, counting) || counting->whole != shared)
		return false;
	scratch = own_pages(3 * RM_PAGE);
	if (!scratch)
		return false;
	for (size_t i = 0; same && i < backing.spans.count; i++) {
		const struct span *s = span_at(i);

		/* Locked is asked first: after mlockall(MCL_FUTURE) pages beside it are too. */
		same = s->kind != SPAN_SHARED ||
		       (!marks_locked(s->addr, s->length) && flags_ordinary(s, scratch));
	}
	own_pages_unmap(scratch, 3 * RM_PAGE);
	return same;
}

/* ---- noting ---- */

struct noting {                         /* argument of mark_note() */
	struct array *list;
	uint64_t from, to;              /* of interest */
};

static uint8_t flags_advice(const char *flags)
{
	uint8_t bits = 0;

	for (size_t i = 0; i < ADVICES; i++)
		if (strstr(flags, advices[i].flag))
			bits |= (uint8_t)(1u << i);
	return bits;
}

/* Lines ascend: true once they are behind the range, or if there is no memory. */
static bool mark_note(void *arg, const struct map_line *line)
{
	const struct noting *noting = arg;
	bool locked = strstr(line->flags, " lo ") != NULL;
	uint8_t advice = flags_advice(line->flags);
	struct mark *new;

	if (line->start >= noting->to)
		return true;
	if (line->end <= noting->from ||
	    (line_ordinary(line) && !locked && !advice && !line->key))
		return false;
	new = array_add(noting->list);
	if (!new)
		return true;
	*new = (struct mark){
		.from = line->start, .to = line->end,
		.protection = (line->read ? PROT_READ : 0) | (line->write ? PROT_WRITE : 0) |
		              (line->exec ? PROT_EXEC : 0),
		.key = (int)line->key, .locked = locked,
		.on_fault = strstr(line->flags, " lf ") != NULL, .advice = advice,
	};
	return false;
}

void marks_note(struct array *list)
{
	struct counting counting = { .from = UINT64_MAX };
	struct noting noting = { .list = list };

	*list = (struct array){ .item = sizeof(struct mark) };
	for (size_t i = 0; i < backing.spans.count; i++) {
		if (span_at(i)->kind != SPAN_SHARED)
			continue;
		if (span_at(i)->addr < counting.from)
			counting.from = span_at(i)->addr;
		counting.to = span_end(span_at(i));
	}
	if (!counting.to || spans_ordinary(&counting))
		return;
	noting.from = counting.from;
	noting.to = counting.to;
	/* A kernel may be built without smaps (CONFIG_PROC_PAGE_MONITOR). */
	if (maps_walk_flags(mark_note, &noting))
		maps_walk(mark_note, &noting);
}

/* ---- setting ---- */

/* Make the pages of this part that the file has present, with copies of the program's own. */
static void part_populate(const struct span *s, uint64_t from, uint64_t to)
{
	int fd = file_fd(s->file);
	off_t at = (off_t)(from - s->addr), end = (off_t)(to - s->addr), hole;

	for (; fd >= 0 && at < end && (at = lseek(fd, at, SEEK_DATA)) >= 0 && at < end; at = hole) {
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole < 0)
			return;
		if (hole > end)
			hole = end;
		(void)madvise((void *)(s->addr + (uint64_t)at), (size_t)(hole - at),
		              MADV_POPULATE_WRITE);
	}
}

static int page_take_out(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	const struct span *s = arg;

	(void)zeros;
	file_punch(s->file, start, end);
	return 0;
}

/*
 * mlock() of a private mapping copies all its pages (also with MLOCK_ONFAULT here). Then nobody
 * needs the file's, which are not locked, and would keep a key when the program has overwritten
 * it. The file is not sealed yet, and nobody else has it.
 */
static void part_lock(const struct mark *mark, const struct span *s, uint64_t from, uint64_t to)
{
	if (mark->on_fault) {
		(void)syscall(SYS_mlock2, from, to - from, MLOCK_ONFAULT);
		if (s->kind == SPAN_FROZEN)
			part_populate(s, from, to);
	} else {
		(void)mlock((void *)from, to - from);
	}
	if (s->kind == SPAN_FROZEN)
		scan(SCAN_PRIVATE, from, to - from,
		     &(struct scan_to){ .run = page_take_out, .arg = (void *)(uintptr_t)s });
}

static void part_protect(const struct mark *mark, uint64_t from, uint64_t to)
{
	if (mark->key)
		(void)syscall(SYS_pkey_mprotect, from, to - from, mark->protection, mark->key);
	else if (mark->protection != (PROT_READ | PROT_WRITE))
		(void)mprotect((void *)from, to - from, mark->protection);
}

/* Protections come last: what can be written can be copied by mlock(). */
void marks_set(const struct array *list, const struct span *s)
{
	const struct mark *mark = list->data;

	for (size_t i = 0; i < list->count; i++, mark++) {
		uint64_t from = mark->from > s->addr ? mark->from : s->addr;
		uint64_t to = mark->to < span_end(s) ? mark->to : span_end(s);

		if (from >= to)
			continue;
		if (mark->locked)
			part_lock(mark, s, from, to);
		for (size_t k = 0; k < ADVICES; k++)
			if (mark->advice >> k & 1)
				(void)madvise((void *)from, to - from, advices[k].advice);
		part_protect(mark, from, to);
	}
}
