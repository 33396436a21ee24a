/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calling.h - what the word count's handlers have in common
 *
 * They are called for one event at a time. Where there is no memory the code that they share
 * with the programs (../../wordcount) ends the process, and so the server: it is started
 * again, and rmmapd still has what it published.
 */
#ifndef CALLING_H
#define CALLING_H

#include <errno.h>
#include <rmmap-function.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../wordcount/words.h"

/* An attribute's value, or NULL. */
static inline const char *attribute(const struct rmmap_event *event, const char *name)
{
	for (size_t i = 0; i < event->attribute_count; i++)
		if (!strcmp(event->attributes[i].name, name))
			return event->attributes[i].value;
	return NULL;
}

/* Digits and nothing else, from least to most? */
static inline bool number(const char *text, size_t least, size_t most, size_t *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= least &&
	       *value <= most;
}

/* Why the call failed; what rmmap_function() returns then. */
static inline int failed(struct rmmap_answer *answer, const char *reason)
{
	answer->reason = reason;
	return 1;
}

#endif
