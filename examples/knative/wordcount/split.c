/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * split - the event's data is a text: divide it into so many parts of about the same size as
 * the attribute "parts" says (1 unless it is there), never inside a word
 */
#include "calling.h"

struct dealt {
	struct parts *parts;
	char *text;
};

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	const char *wanted = attribute(event, "parts");
	struct dealt *dealt;
	size_t count;

	if (!number(wanted ? wanted : "1", 1, 1000, &count))
		return failed(answer, "the attribute parts is no number from 1 to 1000");
	dealt = need(sizeof(*dealt));
	/* the event is not in the heap, and only the heap is published */
	dealt->text = need(event->data_length + 1);
	if (event->data)
		memcpy(dealt->text, event->data, event->data_length);
	dealt->parts = parts_new(count);
	deal_text(dealt->parts, dealt->text, event->data_length);
	answer->root = dealt->parts;
	answer->context = dealt;
	return 0;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	struct dealt *dealt = answer->context;

	if (!dealt)
		return;
	parts_free(dealt->parts);
	free(dealt->text);
	free(dealt);
}
