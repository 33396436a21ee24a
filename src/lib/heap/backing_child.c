/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_child.c - what a child of fork() does with its parent's heap
 *
 * In the child, under backing_lock(), with one thread; perhaps in a signal handler that has
 * interrupted anything. Allocates in own pages only.
 */
#include "backing_spans.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/say.h"
#include "backing_file.h"

/* ---- memory that the child does not have: MADV_DONTFORK ---- */

struct gap {
	uint64_t from, to;
};

struct gaps {                           /* argument of line_skip() */
	struct array list;              /* struct gap, ascending */
	uint64_t at, to;                /* looked at so far; the end of what is of interest */
	bool failed;
};

static void gap_add(struct gaps *gaps, uint64_t to)
{
	struct gap *gap;

	if (gaps->at >= to)
		return;
	gap = array_add(&gaps->list);
	if (gap)
		*gap = (struct gap){ gaps->at, to };
	else
		gaps->failed = true;
}

static bool line_skip(void *arg, const struct map_line *line)
{
	struct gaps *gaps = arg;

	if (line->end <= gaps->at)
		return false;
	gap_add(gaps, line->start < gaps->to ? line->start : gaps->to);
	if (line->end > gaps->at)
		gaps->at = line->end;
	return gaps->at >= gaps->to;
}

/* Nothing is in [from, to) any more: no file's content either, for a publish by this process. */
static bool spans_empty(uint64_t from, uint64_t to)
{
	if (!span_cut(from) || !span_cut(to))
		return false;
	for (size_t i = span_find(from); i < backing.spans.count && span_at(i)->addr < to; i++)
		span_make_anon(span_at(i));
	return true;
}

/* In spans without a gap between them. False: no memory, or no /proc. */
static bool stretch_drop_absent(uint64_t from, uint64_t to)
{
	struct gaps gaps = { .list.item = sizeof(struct gap), .at = from, .to = to };
	const struct gap *gap;
	bool done;

	if (!msync((void *)from, to - from, MS_ASYNC) || errno != ENOMEM)
		return true;
	done = !maps_walk(line_skip, &gaps);
	gap_add(&gaps, to);
	gap = gaps.list.data;
	done = done && !gaps.failed;
	for (size_t i = 0; done && i < gaps.list.count; i++)
		done = spans_empty(gap[i].from, gap[i].to);
	array_free(&gaps.list);
	return done;
}

bool spans_drop_absent(void)
{
	bool done = true;

	for (size_t i = 0; i < backing.spans.count;) {
		uint64_t from = span_at(i)->addr, to = span_end(span_at(i));

		while (++i < backing.spans.count && span_at(i)->addr == to)
			to = span_end(span_at(i));
		done &= stretch_drop_absent(from, to);
		i = span_find(to);
	}
	return done;
}

/* ---- memory that could not be frozen ---- */

static void child_refuse(const char *why) __attribute__((noreturn));

/* No child at all is better than one that writes into its parent's memory. */
static void child_refuse(const char *why)
{
	rm_say_fd(2, "librmmap: %s the heap of a child of fork()", why);
	_exit(127);
}

/*
 * Replace a shared span by a copy of its content, of protected pages too. The file stays the
 * parent's: the child must not grow in it.
 */
static void span_copy(struct span *s, const struct array *marks)
{
	void *copy = own_pages(s->length);

	if (!copy)
		child_refuse("no memory for");
	if (mprotect((void *)s->addr, s->length, PROT_READ))
		child_refuse(errno == EPERM ? "mseal() forbids to copy" : "no memory for");
	memcpy(copy, (void *)s->addr, s->length);
	if (mremap(copy, s->length, s->length, MREMAP_MAYMOVE | MREMAP_FIXED,
	           (void *)s->addr) != (void *)s->addr)
		child_refuse("no memory for");
	file_close(s->file);
	span_make_anon(s);
	marks_set(marks, s);
}

void spans_copy(bool whole)
{
	struct array marks;

	if (!spans_any_shared())
		return;
	if (!whole)
		child_refuse("cannot find out what is missing in");
	marks_note(&marks);
	for (size_t i = 0; i < backing.spans.count; i++)
		if (span_at(i)->kind == SPAN_SHARED)
			span_copy(span_at(i), &marks);
	array_free(&marks);
}
