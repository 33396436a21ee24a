/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_protect.c - pages of the heap that the program has protected
 *
 * Guard pages of a stack that malloc gave, code that is run there: a freeze maps the whole
 * file anew, readable and writable, and must leave them as they were. Under backing.c's
 * lock; no allocation but struct array. Without /proc nobody can tell.
 */
#include "backing.h"

#include <sys/mman.h>

struct protection {
	uint64_t from, to;
	int bits;
};

struct noting {
	struct array *list;
	uint64_t from, to;
};

static bool protection_note(void *arg, const struct map_line *line)
{
	const struct noting *noting = arg;
	struct protection *new;

	if (line->start >= noting->to)
		return true;
	if (line->end <= noting->from || (line->read && line->write && !line->exec))
		return false;
	new = array_add(noting->list);
	if (!new)
		return true;
	new->from = line->start;
	new->to = line->end;
	new->bits = (line->read ? PROT_READ : 0) | (line->write ? PROT_WRITE : 0) |
	            (line->exec ? PROT_EXEC : 0);
	return false;
}

void protections_note(struct array *list, uint64_t from, uint64_t to)
{
	struct noting noting = { list, from, to };

	*list = (struct array){ .item = sizeof(struct protection) };
	maps_walk(protection_note, &noting);
}

void protections_set(const struct array *list, uint64_t from, uint64_t to)
{
	const struct protection *p = list->data;

	for (size_t i = 0; i < list->count; i++) {
		uint64_t start = p[i].from > from ? p[i].from : from;
		uint64_t end = p[i].to < to ? p[i].to : to;

		if (start < end)
			(void)mprotect((void *)start, end - start, p[i].bits);
	}
}
