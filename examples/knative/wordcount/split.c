/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * split - divide the event's data, a text, into parts of about the same size, never inside a word
 *
 * The attribute "parts" gives their number; without it there is one part.
 */
#include "calling.h"

struct dealt {
	struct parts *parts;
	char *text;
};

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	const char *wanted = event_attribute(event, "parts");
	struct dealt *dealt;
	size_t count;

	if (!number_parse(wanted ? wanted : "1", 1, 1000, &count))
		return call_failed(answer, "the attribute parts is no number from 1 to 1000");
	dealt = need(sizeof(*dealt));
	/* the event is not in the heap, and only the heap is published: copy the text */
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
