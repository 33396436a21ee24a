/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event.h - a CloudEvent 1.0 out of a request, and back
 *
 * Pure but for memory, which is a pool's. What it reads comes from strangers and is fuzzed.
 * Functions return 0, or the HTTP status of a refusal with the reason in words.
 */
#ifndef RM_FUNCTION_EVENT_H
#define RM_FUNCTION_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "pool.h"
#include "rmmap-function.h"

#define EVENT_ATTRIBUTES_MAX 64
#define REASON_MAX 512

struct reason {
	char text[REASON_MAX];
};
/* Set it; gives status back. */
int refuse(struct reason *reason, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct event {
	struct rmmap_attribute attributes[EVENT_ATTRIBUTES_MAX];
	unsigned count;
	const char *data;               /* NULL: none; a NUL after it */
	size_t data_length;
};

/* An attribute's value, or NULL. */
const char *event_find(const struct event *event, const char *name);
/* Add one that is valid and not there yet: 400 otherwise. value has no NUL in its length. */
int event_add(struct event *event, struct pool *pool, const char *name, size_t name_length,
              const char *value, size_t length, struct reason *reason);

/* ---- reading ---- */
/* How an event comes, by the request's Content-Type (or NULL) and whether it has a ce- header. */
enum event_mode { EVENT_BINARY, EVENT_STRUCTURED };
int event_mode(const char *content_type, bool headers, enum event_mode *mode,
               struct reason *reason);
/* Binary mode: one header of the request; those without "ce-" are none of ours. */
bool event_is_header(const char *name, size_t length);
int event_add_header(struct event *event, struct pool *pool, const char *name, size_t name_length,
                     const char *value, size_t length, struct reason *reason);
/* Binary mode, after the headers: Content-Type or NULL. */
int event_add_content_type(struct event *event, struct pool *pool, const char *value,
                           struct reason *reason);
/* Structured mode: all of it. body has a NUL after it, and stays. */
int event_read_json(struct event *event, struct pool *pool, const char *body, size_t length,
                    struct reason *reason);
/* Is everything there that must be? */
int event_check(const struct event *event, struct reason *reason);

/* ---- writing ---- */
/* The event as JSON in *text: 0, or 500 with the reason. */
int event_write_json(const struct event *event, struct pool *pool, const char **text,
                     size_t *length, struct reason *reason);

/* ---- jsontext.c: where things are in a JSON text, for what the JSON library does not say ---- */
struct slice {
	const char *at;
	size_t length;
};
/* Strings, escapes, numbers and blanks as JSON has them? The JSON library is more lenient. */
bool jsontext_lexical(const char *text, size_t length);
/* The next member of an object, whose text begins at *at: name (a string), value; moves on. */
bool jsontext_member(const char **at, const char *end, struct slice *name, struct slice *value);
/* Has it a string with \u0000? */
bool jsontext_has_nul(const struct slice *value);

#endif
