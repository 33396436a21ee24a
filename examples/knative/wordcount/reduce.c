/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reduce - add up the mappers' tables: the one that dataref names, and those whose handles
 * are in the event's data, one a line. The answer's data is "COUNT WORD", the most frequent
 * first; nothing is published.
 *
 * An event has one dataref, so the handler attaches the others itself: one after the other,
 * for the tables of one mapper lie at the same addresses.
 */
#include "calling.h"

#include <rmmap.h>

/* The next line that is not empty; false at the end of the data or where it is no handle. */
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

static int merge_all(struct table *all, const struct rmmap_event *event,
                     struct rmmap_answer *answer)
{
	char handle[RMMAP_HANDLE_MAX];  /* on the stack: a handle is not for the heap */
	const char *at = event->data ? event->data : "";

	if (event->root)
		table_merge(all, event->root);
	while (next_handle(&at, handle)) {
		void *table = rmmap_attach(handle);

		if (!table)
			return failed(answer, rmmap_error());
		table_merge(all, table);
		rmmap_detach(table);
	}
	if (*at)
		return failed(answer, "data is to be handles, one a line");
	return 0;
}

static int print(const struct table *all, struct rmmap_answer *answer)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool whole;

	if (!out)
		return failed(answer, "no memory");
	print_table(all, out);
	whole = !ferror(out);
	whole = !fclose(out) && whole;
	answer->context = text;
	if (!whole)
		return failed(answer, "no memory");
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
		return failed(answer, "no tables: neither a dataref nor handles in data");
	all = table_new();
	wrong = merge_all(all, event, answer);
	if (!wrong)
		wrong = print(all, answer);
	table_free(all);
	return wrong;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	free(answer->context);
}
