/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calling.h - functions that the word count's handlers share
 *
 * A handler is called for one event at a time. If there is no memory, the code of ../../wordcount
 * ends the process, and so the server. The platform starts the server again, and rmmapd still has
 * its publications.
 */
#ifndef CALLING_H
#define CALLING_H

#include <errno.h>
#include <rmmap-function.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../wordcount/words.h"

/* The value of an attribute, or NULL. */
static inline const char *event_attribute(const struct rmmap_event *event, const char *name)
{
	for (size_t i = 0; i < event->attribute_count; i++)
		if (!strcmp(event->attributes[i].name, name))
			return event->attributes[i].value;
	return NULL;
}

/* Parse a text of digits only. True if its value is from least to most. */
static inline bool number_parse(const char *text, size_t least, size_t most, size_t *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= least &&
	       *value <= most;
}

/* Set the reason of a failure. Returns what rmmap_function() has to return then. */
static inline int call_failed(struct rmmap_answer *answer, const char *reason)
{
	answer->reason = reason;
	return 1;
}

#endif
