/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map - count the words of one part of the splitter's text into a hash table
 *
 * The attribute "part" of the event gives the part's number, from 0; or WORDCOUNT_PART in the
 * environment, for a service that always takes the same part. Without both, all parts are counted.
 */
#include "calling.h"

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	const struct parts *parts = event->root;
	const char *part = event_attribute(event, "part");
	struct table *table;
	size_t from = 0, to;

	if (!parts)
		return call_failed(answer, "no dataref: it is to name what split published");
	if (!part)
		part = getenv("WORDCOUNT_PART");
	to = parts->count;
	if (part) {
		if (!parts->count || !number_parse(part, 0, parts->count - 1, &from))
			return call_failed(answer, "part is no number of a part, from 0");
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
