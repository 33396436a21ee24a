/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmap-function.h - what a handler of `rmmap function` is: event in, root in, root out
 *
 * A handler is a shared object that defines rmmap_function(). The server, which
 *
 *     rmmap function --handler ./libfn.so
 *
 * starts, takes CloudEvents over HTTP, attaches the publication that an event's dataref
 * names, calls rmmap_function(), publishes the root that it gives, and answers with an
 * event whose dataref is the new handle. The manual is rmmap-function(3).
 *
 *     cc -shared -fPIC -o libfn.so fn.c $(pkg-config --cflags rmmap)
 *
 * The server's malloc is librmmap's, and so is the handler's: what it builds with malloc
 * can be published.
 *
 * Threads: one call at a time, but several threads at once with --concurrency N above 1.
 * Which thread calls is not said. A handler that ends the process ends the server.
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

/* A context attribute of an event. Both are UTF-8; the name is of a-z and 0-9. */
struct rmmap_attribute {
	const char *name;
	const char *value;
};

/*
 * The event that came. Everything in it is the server's, valid until rmmap_function()
 * returns, and not in the heap: copy what is to be published.
 */
struct rmmap_event {
	size_t size;                    /* sizeof(struct rmmap_event) */
	void *root;                     /* of the publication that dataref named, attached, or
	                                   NULL if there was none; the server detaches it */
	const char *id, *source, *type; /* never NULL, never empty */
	const char *subject, *time;     /* NULL if the event has none */
	const char *datacontenttype, *dataschema;
	const void *data;               /* the payload, a NUL after it; NULL if there is none */
	size_t data_length;             /* bytes, without that NUL */
	const struct rmmap_attribute *attributes;       /* all of them, those above and dataref too */
	size_t attribute_count;
};

/*
 * The answer. All zeros when rmmap_function() is called, but for size. What the handler
 * points to here it may free in rmmap_function_release(), which is called when the answer
 * has been published and copied.
 */
struct rmmap_answer {
	size_t size;                    /* sizeof(struct rmmap_answer) of the server */
	const void *root;               /* to be published; NULL: nothing is */
	unsigned readers;               /* how many attaches are admitted; 0: --readers */
	unsigned ttl_ms;                /* time to live, milliseconds; 0: --ttl */
	const char *type, *source;      /* NULL: --type, --source */
	const char *subject;            /* NULL: none */
	const void *data;               /* a payload beside the root; NULL: none */
	size_t data_length;
	const char *datacontenttype;    /* of data; NULL: application/octet-stream */
	const struct rmmap_attribute *attributes;       /* further ones: extensions */
	size_t attribute_count;
	const char *reason;             /* where the call fails: why, one line for the caller */
	void *context;                  /* the handler's own */
};

/*
 * Handle one event: the one function that a handler must define. 0, or another number if
 * it failed: the caller then gets 500 with answer->reason, and nothing is published.
 * With neither a root nor data in the answer the caller gets 204 and no event.
 */
RMMAP_FUNCTION_EXPORT int rmmap_function(const struct rmmap_event *event,
                                         struct rmmap_answer *answer);

/* Optional. After each rmmap_function(), failed or not, when its answer is not needed any more. */
RMMAP_FUNCTION_EXPORT void rmmap_function_release(const struct rmmap_answer *answer);

/* Optional. Once, before the first event. Not 0: the server ends with status 1. */
RMMAP_FUNCTION_EXPORT int rmmap_function_start(void);

/* Optional. Once, after the last event, when the server ends by SIGTERM or SIGINT. */
RMMAP_FUNCTION_EXPORT void rmmap_function_stop(void);

#ifdef __cplusplus
}
#endif

#endif
