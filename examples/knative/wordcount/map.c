/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map - count the words of one part of the splitter's text into a hash table. Which part says
 * the attribute "part" (from 0), or WORDCOUNT_PART of the environment for a service that
 * always takes the same one; all parts where neither is there.
 */
#include "calling.h"

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	const struct parts *parts = event->root;
	const char *part = attribute(event, "part");
	struct table *table;
	size_t from = 0, to;

	if (!parts)
		return failed(answer, "no dataref: it is to name what split published");
	if (!part)
		part = getenv("WORDCOUNT_PART");
	to = parts->count;
	if (part) {
		if (!parts->count || !number(part, 0, parts->count - 1, &from))
			return failed(answer, "part is no number of a part, from 0");
		to = from + 1;
	}
	table = table_new();
	for (; from < to; from++)
		for (const struct piece *piece = parts->part[from]; piece; piece = piece->next)
			count_words(table, piece);
	answer->root = answer->context = table;
	return 0;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	if (answer->context)
		table_free(answer->context);
}
