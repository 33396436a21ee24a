/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmap-function.h - the interface of a handler of `rmmap function`: event in, root out
 *
 * A handler is a shared object that defines rmmap_function(). The server, which
 *
 *     rmmap function --handler ./libfn.so
 *
 * starts, receives CloudEvents over HTTP, attaches the publication that an event's dataref
 * names, calls rmmap_function(), publishes the root that it returns, and answers with an
 * event whose dataref is the new handle. The manual is rmmap-function(3).
 *
 *     cc -shared -fPIC -o libfn.so fn.c $(pkg-config --cflags rmmap)
 *
 * Server and handler use librmmap's malloc, so the handler can publish what it builds with
 * malloc.
 *
 * Threads: one call at a time; with --concurrency N, up to N calls at once in different
 * threads. Any thread of the server may call. A handler that ends the process ends the server.
 */
#ifndef RMMAP_FUNCTION_H
#define RMMAP_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RMMAP_FUNCTION_EXPORT __attribute__((visibility("default")))
#else
#define RMMAP_FUNCTION_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A context attribute of an event. Both texts are UTF-8; the name has a-z and 0-9 only. */
struct rmmap_attribute {
	const char *name;
	const char *value;
};

/*
 * The event. Everything in it belongs to the server, is valid until rmmap_function() returns,
 * and is not in the heap: copy what you want to publish.
 */
struct rmmap_event {
	size_t size;                    /* sizeof(struct rmmap_event) */
	void *root;                     /* of the attached publication that dataref names, or
	                                   NULL without a dataref; the server detaches it */
	const char *id, *source, *type; /* never NULL, never empty */
	const char *subject, *time;     /* NULL if the event has none */
	const char *datacontenttype, *dataschema;
	const void *data;               /* the payload, followed by a NUL; NULL if there is none */
	size_t data_length;             /* bytes, without that NUL */
	const struct rmmap_attribute *attributes;       /* all, with those above and dataref */
	size_t attribute_count;
};

/*
 * The answer. All zeros but for size when rmmap_function() is called. The handler may free what
 * it points to here in rmmap_function_release(), which is called when the answer has been
 * published and copied.
 */
struct rmmap_answer {
	size_t size;                    /* sizeof(struct rmmap_answer) of the server */
	const void *root;               /* to publish; NULL: nothing */
	unsigned readers;               /* how many attaches are admitted; 0: --readers */
	unsigned ttl_ms;                /* time to live, milliseconds; 0: --ttl */
	const char *type, *source;      /* NULL: --type, --source */
	const char *subject;            /* NULL: none */
	const void *data;               /* a payload beside the root; NULL: none */
	size_t data_length;
	const char *datacontenttype;    /* of data; NULL: application/octet-stream */
	const struct rmmap_attribute *attributes;       /* further ones: extensions */
	size_t attribute_count;
	const char *reason;             /* if the call fails: the reason, one line for the client */
	void *context;                  /* for the handler; the server does not use it */
};

/*
 * Handle one event; the only function that a handler must define. Returns 0, or another number if
 * it failed: the client then gets 500 with answer->reason, and nothing is published.
 * If the answer has neither a root nor data, the client gets 204 and no event.
 */
RMMAP_FUNCTION_EXPORT int rmmap_function(const struct rmmap_event *event,
                                         struct rmmap_answer *answer);

/* Optional. Called after each rmmap_function(), failed or not, when its answer is not needed. */
RMMAP_FUNCTION_EXPORT void rmmap_function_release(const struct rmmap_answer *answer);

/* Optional. Called once, before the first event. If not 0, the server ends with status 1. */
RMMAP_FUNCTION_EXPORT int rmmap_function_start(void);

/* Optional. Called once, after the last event, when SIGTERM or SIGINT ends the server. */
RMMAP_FUNCTION_EXPORT void rmmap_function_stop(void);

#ifdef __cplusplus
}
#endif

#endif
