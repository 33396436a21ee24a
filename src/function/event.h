/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event.h - reads a CloudEvent 1.0 from a request and writes one as an answer
 *
 * Input comes from untrusted clients; parsing is fuzzed. Any thread, each with its own event;
 * memory comes from the caller's pool only. Functions return 0, or the HTTP status of a refusal
 * with the reason in words.
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
/* Set the reason; returns status. */
int refuse(struct reason *reason, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * All zeros is an event without attributes. Everything that it points to lies in a pool or, if it
 * came in binary mode, the data in the body of its job.
 */
struct event {
	struct rmmap_attribute attributes[EVENT_ATTRIBUTES_MAX];
	unsigned count;                 /* of valid attributes; no two have the same name */
	const char *data;               /* NULL: none; a NUL follows it */
	size_t data_length;
};

/* The value of an attribute, or NULL. */
const char *event_find(const struct event *event, const char *name);
/*
 * Add an attribute. 400 if its name or value is not valid, or the event has it already. Name and
 * value are copied.
 */
int event_add(struct event *event, struct pool *pool, const char *name, size_t name_length,
              const char *value, size_t length, struct reason *reason);

/* ---- reading ---- */
/* The mode of an event, by the request's Content-Type (or NULL) and whether it has ce- headers. */
enum event_mode { EVENT_BINARY, EVENT_STRUCTURED };
int event_mode(const char *content_type, bool headers, enum event_mode *mode,
               struct reason *reason);
/* Binary mode: true for a header with "ce-", which is an attribute. Add it. */
bool event_is_header(const char *name, size_t length);
int event_add_header(struct event *event, struct pool *pool, const char *name, size_t name_length,
                     const char *value, size_t length, struct reason *reason);
/* Binary mode, after the headers: add the Content-Type, or NULL, as datacontenttype. */
int event_add_content_type(struct event *event, struct pool *pool, const char *value,
                           struct reason *reason);
/* Structured mode: read the whole event. A NUL follows body, which is not changed. */
int event_read_json(struct event *event, struct pool *pool, const char *body, size_t length,
                    struct reason *reason);
/* Check that the event has all required attributes. */
int event_check(const struct event *event, struct reason *reason);

/* ---- writing ---- */
/* Write the event as JSON into *text, which is the pool's. 0, or 500 with the reason. */
int event_write_json(const struct event *event, struct pool *pool, const char **text,
                     size_t *length, struct reason *reason);

/* ---- jsontext.c: the positions in a JSON text, which the JSON library does not tell ---- */
struct slice {
	const char *at;
	size_t length;
};
/* True if strings, escapes, numbers and blanks are those of JSON; the library accepts others. */
bool jsontext_lexical(const char *text, size_t length);
/*
 * Find the next member of an object. *at is at its brace, or at the comma before a member, and is
 * moved behind the member. Gives the texts of the name, with its quotes, and of the value.
 */
bool jsontext_member(const char **at, const char *end, struct slice *name, struct slice *value);
/* True if the text has a \u0000 escape. */
bool jsontext_has_nul(const struct slice *value);

#endif
