/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reduce - add up the mappers' tables
 *
 * The tables are the one that dataref names, and those whose handles are in the event's data, one
 * in each line. The answer's data is "COUNT WORD", the most frequent first. Nothing is published.
 *
 * An event has one dataref, so the handler attaches the other tables itself. It does so one after
 * the other, since tables of one mapper are at the same addresses.
 */
#include "calling.h"

#include <rmmap.h>

/* Take the next line that is not empty. False at the end of the data, or if it is too long. */
static bool next_handle(const char **at, char handle[RMMAP_HANDLE_MAX])
{
	size_t length;

	*at += strspn(*at, "\r\n");
	length = strcspn(*at, "\r\n");
	if (!length || length >= RMMAP_HANDLE_MAX)
		return false;
	memcpy(handle, *at, length);
	handle[length] = 0;
	*at += length;
	return true;
}

/* Add all tables to all. 0, or the result of call_failed(). */
static int merge_all(struct table *all, const struct rmmap_event *event,
                     struct rmmap_answer *answer)
{
	char handle[RMMAP_HANDLE_MAX];  /* on the stack: the heap may be published */
	const char *at = event->data ? event->data : "";

	if (event->root)
		table_merge(all, event->root);
	while (next_handle(&at, handle)) {
		void *table = rmmap_attach(handle);

		if (!table)
			return call_failed(answer, rmmap_error());
		table_merge(all, table);
		rmmap_detach(table);
	}
	if (*at)
		return call_failed(answer, "data is to be handles, one a line");
	return 0;
}

/* Print the table into memory, as the data of the answer. */
static int table_text(const struct table *all, struct rmmap_answer *answer)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool whole;

	if (!out)
		return call_failed(answer, "no memory");
	print_table(all, out);
	whole = !ferror(out);
	whole = !fclose(out) && whole;
	answer->context = text;
	if (!whole)
		return call_failed(answer, "no memory");
	answer->data = text;
	answer->data_length = length;
	answer->datacontenttype = "text/plain";
	return 0;
}

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	struct table *all;
	int wrong;

	if (!event->root && !event->data)
		return call_failed(answer, "no tables: neither a dataref nor handles in data");
	all = table_new();
	wrong = merge_all(all, event, answer);
	if (!wrong)
		wrong = table_text(all, answer);
	table_free(all);
	return wrong;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	free(answer->context);
}
