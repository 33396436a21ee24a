/* SPDX-License-Identifier: BSD-2-Clause */
/* event.c - attributes, the binary mode, the required attributes; see event.h */
#include "event.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "../common/say.h"
#include "text.h"

int refuse(struct reason *reason, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)rm_vformat(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	return status;
}

const char *event_find(const struct event *event, const char *name)
{
	for (unsigned i = 0; i < event->count; i++)
		if (!strcmp(event->attributes[i].name, name))
			return event->attributes[i].value;
	return NULL;
}

/* Check the attributes whose values the specification restricts further. The name is valid. */
static int check_value(const char *name, const char *value, struct reason *reason)
{
	if (!strcmp(name, "time") && !text_time(value))
		return refuse(reason, 400, "the attribute time is no time of RFC 3339, such as "
		              "2026-01-31T12:00:00Z");
	if ((!strcmp(name, "source") || !strcmp(name, "dataschema")) && *value && !text_uri(value))
		return refuse(reason, 400, "the attribute %s is no URI reference", name);
	if (!strcmp(name, "subject") && !*value)
		return refuse(reason, 400, "the attribute subject is empty: leave it out");
	return 0;
}

int event_add(struct event *event, struct pool *pool, const char *name, size_t name_length,
              const char *value, size_t length, struct reason *reason)
{
	/*
	 * The slot counts only once everything is right, so that a refused attribute is never
	 * found.
	 */
	struct rmmap_attribute *attribute = &event->attributes[event->count];
	int wrong;

	if (!text_name(name, name_length))
		return refuse(reason, 400, "an attribute's name is not of a-z and 0-9, at most %d of "
		              "them", TEXT_NAME_MAX);
	if (!text_string(value, length) || memchr(value, 0, length))
		return refuse(reason, 400, "the attribute %.*s has a control character, or is not "
		              "UTF-8", (int)name_length, name);
	if (event->count == EVENT_ATTRIBUTES_MAX)
		return refuse(reason, 400, "more than %d attributes", EVENT_ATTRIBUTES_MAX);
	attribute->name = pool_copy(pool, name, name_length);
	attribute->value = pool_copy(pool, value, length);
	if (!attribute->name || !attribute->value)
		return refuse(reason, 503, "no memory for the event: try again later");
	if (event_find(event, attribute->name))
		return refuse(reason, 400, "the attribute %s is there twice", attribute->name);
	wrong = check_value(attribute->name, attribute->value, reason);
	if (!wrong)
		event->count++;
	return wrong;
}

int event_mode(const char *content_type, bool headers, enum event_mode *mode, struct reason *reason)
{
	if (content_type && !strncasecmp(content_type + strspn(content_type, " \t"),
	                                 "application/cloudevents", 23)) {
		if (text_media(content_type, "application/cloudevents-batch+json"))
			return refuse(reason, 415, "batches of events are not taken: send them one by "
			              "one");
		if (!text_media(content_type, "application/cloudevents+json"))
			return refuse(reason, 415, "of structured events only "
			              "application/cloudevents+json is taken");
		if (!text_media_utf8(content_type))
			return refuse(reason, 415, "a structured event has to be in UTF-8");
		*mode = EVENT_STRUCTURED;
		return 0;
	}
	/* Only ce- headers tell a binary event from any other request. */
	*mode = EVENT_BINARY;
	if (!headers)
		return refuse(reason, 415, "not an event: send application/cloudevents+json, or give "
		              "the headers ce-specversion, ce-id, ce-source and ce-type");
	return 0;
}

bool event_is_header(const char *name, size_t length)
{
	return length > 3 && !strncasecmp(name, "ce-", 3);
}

int event_add_header(struct event *event, struct pool *pool, const char *name, size_t name_length,
                     const char *value, size_t length, struct reason *reason)
{
	char lower[TEXT_NAME_MAX] = "";
	char *text;
	int got;

	name += 3;
	name_length -= 3;
	if (name_length > sizeof(lower))
		return refuse(reason, 400, "an attribute's name is longer than %d", TEXT_NAME_MAX);
	for (size_t i = 0; i < name_length; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	if (!text_name(lower, name_length))
		return refuse(reason, 400, "a header ce-NAME whose NAME is not of a-z and 0-9");
	/* Or one event could have two of them. */
	if ((name_length == 4 && !memcmp(lower, "data", 4)) ||
	    (name_length == 15 && !memcmp(lower, "datacontenttype", 15)))
		return refuse(reason, 400, "ce-%.*s is no header: data is the body, and its type "
		              "Content-Type", (int)name_length, lower);
	/* Decoding never makes a value longer. */
	text = pool_take(pool, length + 1);
	if (!text)
		return refuse(reason, 503, "no memory for the event: try again later");
	got = text_header_decode(value, length, text);
	if (got < 0)
		return refuse(reason, 400, "the header ce-%.*s has a %% or a \" that encodes nothing",
		              (int)name_length, lower);
	return event_add(event, pool, lower, name_length, text, (size_t)got, reason);
}

int event_add_content_type(struct event *event, struct pool *pool, const char *value,
                           struct reason *reason)
{
	static const char name[] = "datacontenttype";

	if (!value || !*value)
		return 0;
	return event_add(event, pool, name, sizeof(name) - 1, value, strlen(value), reason);
}

int event_check(const struct event *event, struct reason *reason)
{
	static const char *const required[] = { "id", "source", "type" };
	const char *version = event_find(event, "specversion");

	if (!version)
		return refuse(reason, 400, "the attribute specversion is missing");
	if (strcmp(version, "1.0"))
		return refuse(reason, 400, "the event is of another specversion: 1.0 is what is taken");
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		const char *value = event_find(event, required[i]);

		if (!value || !*value)
			return refuse(reason, 400, "the attribute %s is %s", required[i],
			              value ? "empty" : "missing");
	}
	return 0;
}
