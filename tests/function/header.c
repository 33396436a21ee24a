/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * header_function - rmmap-function.h as C99 and, as header_function.cc, as C++: a handler that
 * is written against it alone has every name with its type
 */
#include <rmmap-function.h>

#include <string.h>

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	const char *const texts[] = { event->id, event->source, event->type, event->subject,
		event->time, event->datacontenttype, event->dataschema };

	answer->root = event->root;
	answer->data = event->data;
	answer->data_length = event->data_length;
	answer->attributes = event->attributes;
	answer->attribute_count = event->attribute_count;
	answer->readers = answer->ttl_ms = 1;
	answer->type = texts[2];
	answer->source = texts[1];
	answer->subject = texts[3];
	answer->datacontenttype = texts[5];
	answer->reason = texts[0];
	answer->context = NULL;
	return 0;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	(void)answer;
}

int rmmap_function_start(void)
{
	return 0;
}

void rmmap_function_stop(void)
{
}

int main(void)
{
	static const struct rmmap_attribute attribute = { "id", "1" };
	struct rmmap_event event;
	struct rmmap_answer answer;

	memset(&event, 0, sizeof(event));
	memset(&answer, 0, sizeof(answer));
	event.size = sizeof(event);
	answer.size = sizeof(answer);
	event.id = attribute.value;
	event.attributes = &attribute;
	event.attribute_count = 1;
	if (rmmap_function_start() || rmmap_function(&event, &answer))
		return 1;
	rmmap_function_release(&answer);
	rmmap_function_stop();
	return strcmp(answer.reason, "1") || answer.attribute_count != 1;
}
