/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_protect.c - pages of the heap that the program has protected
 *
 * Programs make guard pages of stacks that malloc returned, and run code that they have put
 * there. A freeze maps a whole file anew, readable and writable, so it has to restore what was
 * set. Under backing_lock(). Allocates in struct array only. Without /proc nothing is known of
 * protections, and nothing is restored.
 */
#include "backing.h"

#include <sys/mman.h>

struct protection {                     /* of pages that are not simply readable and writable */
	uint64_t from, to;
	int bits;                       /* PROT_READ and so on */
};

struct noting {                         /* argument of protection_note() */
	struct array *list;
	uint64_t from, to;              /* of interest */
};

/* Lines ascend: true once they are behind the range, or if there is no memory. */
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
