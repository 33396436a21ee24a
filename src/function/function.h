/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * function.h - the map of rmmap-function, which `rmmap function` runs
 *
 *   http.c      libmicrohttpd's thread: requests in, answers out; never waits
 *   wait.c      who has a connection open and how long it may take over a request
 *   work.c      the queue and the threads that call the handler
 *   call.c      one event: attach, handler, publish, answer
 *   handler.c   the shared object
 *   response.c  an answer that is a text
 *   settings.c  options, the clock, messages
 *   main.c      the first thread: signals, what is late, the end
 *
 *   main -> http -> work -> call -> handler -> settings
 *
 * A request's memory is a pool's, apart from the heap that is published. Who serves it is told
 * by struct job, which two may hold: the connection, and whoever works on it.
 */
#ifndef RM_FUNCTION_FUNCTION_H
#define RM_FUNCTION_FUNCTION_H

#include <stdatomic.h>
#include <stdint.h>

#include "event.h"
#include "rmmap.h"

#define NS_PER_S 1000000000ull

struct settings {
	const char *handler;            /* --handler */
	const char *address;            /* --address, or NULL: all */
	uint16_t port;                  /* --port, $PORT, 8080; 0: any */
	unsigned concurrency;           /* --concurrency */
	unsigned queue;                 /* --queue */
	size_t body;                    /* --body, bytes */
	uint64_t arrival_ns;            /* --arrival */
	uint64_t timeout_ns;            /* --timeout */
	uint64_t drain_ns;              /* --drain */
	unsigned readers, ttl_ms;       /* --readers, --ttl: of rmmap_publish_options */
	char source[512];               /* --source */
	const char *type;               /* --type */
};
extern struct settings settings;        /* set by settings_parse() before there are threads */

/* Parse the command line and $PORT. Exits with a message where they cannot be used. */
void settings_parse(int argc, char **argv);

uint64_t now_ns(void);                  /* CLOCK_MONOTONIC */
/* One line on stderr, after "rmmap function: ". Never a handle, never what a stranger sent. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- a request ---- */
enum job_state { JOB_NEW, JOB_QUEUED, JOB_RUNNING, JOB_DONE };
#define RESPONSE_HEADERS_MAX (EVENT_ATTRIBUTES_MAX + 1)

struct response {
	int status;
	const char *content_type;       /* NULL: no body */
	const char *body;
	size_t length;
	struct rmmap_attribute headers[RESPONSE_HEADERS_MAX];   /* encoded */
	unsigned count;
};

struct job {
	struct job *next;               /* in the queue, or among those to be forgotten */
	struct pool pool;               /* its memory, this struct included */
	struct blob body;               /* of the request; the event's data may be in it */
	struct event event;
	bool structured;                /* so came the event, so goes the answer */
	struct reason reason;
	struct response response;       /* complete when it is JOB_DONE */
	char handle[RMMAP_HANDLE_MAX];  /* what was published for it, or "" */
	/* under work.c's lock */
	enum job_state state;
	uint64_t since_ns;              /* in that state */
	unsigned holders;               /* the connection, and whoever works on it */
	int cut;                        /* answered with this status before it was done, or 0 */
	void *connection;
};

/* A text as the answer, for a refusal. */
void response_text(struct response *response, int status, const struct reason *reason);

/* ---- handler.c ---- */
/* Load settings.handler and have it start: 0, or 1 after the line on stderr. */
int handler_load(void);
int handler_call(const struct rmmap_event *event, struct rmmap_answer *answer);
void handler_release(const struct rmmap_answer *answer);
void handler_stop(void);

/* ---- call.c ---- */
/* Serve job: its response is complete then. In a worker's thread. */
void call_run(struct job *job);

/* ---- work.c ---- */
/* Start settings.concurrency threads; resume() tells that a connection's job is answered. */
int work_start(void (*resume)(void *connection));
/* A new one, the connection's; NULL: no memory. */
struct job *work_new(void);
/* Queue it: false if there is no room. */
bool work_submit(struct job *job, void *connection);
/* After resume(): the answer, or NULL if the handler was not waited for, with *status. */
const struct response *work_response(struct job *job, int *status);
/* The connection is done with its job; delivered: the client has got the answer. */
void work_release(struct job *job, bool delivered);
/* Jobs that wait or run, or whose answer is not delivered yet. */
unsigned work_count(void);
/* Is a handler running longer than settings.timeout_ns? */
bool work_is_stuck(void);
/* Is one running at all? */
bool work_is_running(void);
/*
 * Answer those that take too long, with 504 if their handler runs and 503 if they wait; or all,
 * with 503. How many whose handler runs.
 */
unsigned work_cut(bool all);
/* Unpublish what was published for nobody. May wait for rmmapd. */
void work_forget(void);

/* ---- wait.c ---- */
void *wait_add(int fd);                                 /* a connection; NULL: no memory */
void wait_remove(void *connection);
void wait_until(void *connection, uint64_t deadline_ns); /* 0: as long as it likes */
void wait_check(void);                                  /* hang up on those that are late */

/* ---- framing.c ---- */
struct MHD_Connection;
/* Is it clear where this request's body ends? 0, or the status to refuse it with. */
int framing_check(struct MHD_Connection *connection, const char *version, struct reason *reason);

/* ---- http.c ---- */
extern atomic_bool http_draining;
/* Listen and serve: 0, or 1 after the line on stderr. */
int http_start(void);
void http_stop(void);

#endif
