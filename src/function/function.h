/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * function.h - the functions of rmmap-function that several of its files use
 *
 * The program has these threads:
 *
 *   the first one            main.c: loads the handler, signals, deadlines, the end
 *   libmicrohttpd's          http.c: receives requests; answer.c: sends answers; never waits
 *   --concurrency workers    work.c: take jobs from the queue; call.c: serve one
 *
 * Calls go one way: main -> http -> work -> call -> handler -> settings.
 *
 * A request is a struct job. It has up to two holders, the connection and the worker that serves
 * it; the last one to release it frees it. Its memory comes from a pool outside the heap, since
 * the heap is published (pool.h).
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
	unsigned concurrency;           /* --concurrency: workers; at least 1 */
	unsigned queue;                 /* --queue: jobs in the queue at most; each passes it */
	size_t body;                    /* --body: bytes of one request's body at most */
	uint64_t arrival_ns;            /* --arrival: from the last answer, or the connection's
	                                   start, to a request's last byte */
	uint64_t timeout_ns;            /* --timeout: in the queue, and once more in the handler */
	uint64_t drain_ns;              /* --drain: from SIGTERM on; 0: nothing is waited for */
	unsigned readers, ttl_ms;       /* --readers, --ttl: as in rmmap_publish_options */
	char source[512];               /* --source */
	const char *type;               /* --type */
};
extern struct settings settings;        /* read-only after settings_parse(): any thread reads it */

/* Parse the command line and $PORT, before other threads start. Exits with a message on errors. */
void settings_parse(int argc, char **argv);

uint64_t now_ns(void);                  /* CLOCK_MONOTONIC */
/*
 * Print one line "rmmap function: ..." on stderr. Any thread. It must not contain a handle or bytes
 * that a client sent.
 */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- a request ---- */
enum job_state {
	JOB_NEW,                        /* the request is being received */
	JOB_QUEUED,
	JOB_RUNNING,                    /* a worker serves it */
	JOB_DONE,                       /* the worker has finished, or it was cut in the queue */
};
#define RESPONSE_HEADERS_MAX (EVENT_ATTRIBUTES_MAX + 1)

struct response {
	int status;
	const char *content_type;       /* NULL: no body */
	const char *body;
	size_t length;
	struct rmmap_attribute headers[RESPONSE_HEADERS_MAX];   /* values are encoded */
	unsigned count;                 /* of headers */
};

struct job {
	struct job *next;               /* in the queue, or in the list for work_forget() */
	/* The connection uses these while it is JOB_NEW, then only the worker until JOB_DONE. */
	struct pool pool;               /* has all its memory, this struct included */
	struct blob body;               /* of the request; the event's data may be in it */
	struct event event;
	bool structured;                /* the event's mode, and so the answer's */
	struct reason reason;
	struct response response;       /* complete when it is JOB_DONE and was not cut */
	char handle[RMMAP_HANDLE_MAX];  /* published for it and not delivered, or "". While it is
	                                   set, the last holder has to unpublish it */
	/* Only under work.c's lock. */
	enum job_state state;
	uint64_t since_ns;              /* when it got that state */
	unsigned holders;               /* 1 or 2; at 0 it is freed, or kept for work_forget() */
	int cut;                        /* the status it was answered with while not done, or 0.
	                                   Once set, nobody may read its response */
	void *connection;               /* for resume(), once it is queued */
};

/* Make the reason the answer, as a text. The reason has to stay until it is sent. */
void response_text(struct response *response, int status, const struct reason *reason);

/* ---- handler.c ---- */
/* Load settings.handler and call its start function. The first thread. 0, or 1 after the line. */
int handler_load(void);
/* Call the handler, and its function that frees an answer. Any worker. */
int handler_call(const struct rmmap_event *event, struct rmmap_answer *answer);
void handler_release(const struct rmmap_answer *answer);
/* Call its stop function. The first thread, when no worker is in the handler. */
void handler_stop(void);

/* ---- call.c ---- */
/* Serve a job and complete its response. A worker. */
void call_run(struct job *job);

/* ---- work.c ---- */
/*
 * Start settings.concurrency threads. They call resume() under the lock when the job of a suspended
 * connection is done or cut. 0, or 1 after the line on stderr.
 */
int work_start(void (*resume)(void *connection));
/* A new job, held by the connection; NULL if there is no memory. */
struct job *work_new(void);
/* Queue a job, with a second holder. False, and nothing has changed, if the queue is full. */
bool work_submit(struct job *job, void *connection);
/* After resume(): the job's answer; or NULL if it was cut, with the *status to answer with. */
const struct response *work_response(struct job *job, int *status);
/* The connection releases its job. delivered: the client has received the answer. */
void work_release(struct job *job, bool delivered);
/* The number of jobs that were queued and that their connection has not released. */
unsigned work_count(void);
/* True if a handler has been running for longer than settings.timeout_ns. */
bool work_is_stuck(void);
/* True if a handler is running. */
bool work_is_running(void);
/*
 * Cut the jobs that take too long: answer them without waiting, with 504 if their handler runs,
 * with 503 if they are queued. With all, cut all jobs, with 503. Returns how many of these run.
 */
unsigned work_cut(bool all);
/* Unpublish the handles that no client received. May wait for rmmapd: only the first thread. */
void work_forget(void);

/* ---- wait.c ---- */
/* Watch a new connection, with the deadline for its first request; NULL: no memory. */
void *wait_add(int fd);
void wait_remove(void *connection);
/* Set its deadline; 0 is none. connection may be NULL. */
void wait_until(void *connection, uint64_t deadline_ns);
/* Hang up on connections whose deadline has passed. The first thread. */
void wait_check(void);

/* ---- framing.c ---- */
struct MHD_Connection;
/* 0 if it is clear where this request's body ends; else the status to refuse it with. */
int framing_check(struct MHD_Connection *connection, const char *version, struct reason *reason);

/* ---- listen.c ---- */
/* Listen at settings.address and settings.port. A descriptor, or -1 after the line on stderr. */
int listen_open(void);
unsigned listen_port(int fd);           /* the port that it is bound to; 0: unknown */

/* ---- health.c ---- */
/* Answer a probe: live if no handler is stuck, ready if events can be served. Its status. */
int health_status(const char *url, struct reason *reason);

/* ---- answer.c ---- */
extern atomic_bool http_draining;       /* the program is ending: new events get 503 */

/* ---- http.c ---- */
/* Listen, and start the workers and the HTTP thread. 0, or 1 after the line on stderr. */
int http_start(void);
void http_stop(void);

#endif
