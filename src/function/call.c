/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * call.c - serves one event: attach, call the handler, publish, write the answer
 *
 * Runs on a worker's thread. The answer is copied into the job's pool before the handler releases
 * its memory. The attachment is kept until after the publish, since the published structure may
 * have pointers into it.
 */
#include "function.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../common/say.h"
#include "text.h"

/* ---- attach ---- */

/*
 * Two events may name publications at the same addresses, such as two publications of one process.
 * Only one of them can be attached at a time, so a worker waits for the other worker's detach.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned count;                 /* workers that have one attached or are attaching; those
	                                   that wait for a detach do not count */
	unsigned detaches;              /* so far; a change means that addresses became free */
} attached = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };

/* Count an attempt to attach; returns the number of detaches before it. */
static unsigned attach_begins(void)
{
	unsigned detaches;

	pthread_mutex_lock(&attached.lock);
	attached.count++;
	/* Read before the attempt: a detach that comes during it must not be missed. */
	detaches = attached.detaches;
	pthread_mutex_unlock(&attached.lock);
	return detaches;
}

/* End what attach_begins() counted, by a detach or by a failed attempt. Wakes the others. */
static void attach_ends(bool detached)
{
	pthread_mutex_lock(&attached.lock);
	attached.count--;
	attached.detaches += detached;
	pthread_cond_broadcast(&attached.changed);
	pthread_mutex_unlock(&attached.lock);
}

/*
 * Wait until another worker has detached since the number was read. False if the deadline passes
 * first, or if no other worker has anything attached: then waiting would not help.
 */
static bool await_detach(unsigned detaches, const struct timespec *deadline)
{
	int error = 0;
	bool done;

	pthread_mutex_lock(&attached.lock);
	while (detaches == attached.detaches && attached.count && !error)
		error = pthread_cond_timedwait(&attached.changed, &attached.lock, deadline);
	done = detaches != attached.detaches;
	pthread_mutex_unlock(&attached.lock);
	return done;
}

/*
 * The HTTP status for an error of rmmap_attach(). 4xx: the same event would fail again, so that a
 * broker need not send it once more. 5xx: it may succeed later.
 */
static int attach_status(int error)
{
	switch (error) {
	case EINVAL:
		return 400;
	case EHOSTUNREACH: case ETIMEDOUT:
		return 502;
	case ECONNREFUSED: case ENOMEM: case EMFILE:
		return 503;
	default:
		return 422;
	}
}

/* Attach, and wait for other workers while addresses are in use, up to --timeout. */
static int root_attach(const char *handle, void **root, struct reason *reason)
{
	struct timespec deadline;
	unsigned detaches;
	int error;

	/*
	 * pthread_cond_timedwait() takes this clock. If it is set meanwhile, the wait is too long
	 * or too short, and no more.
	 */
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += (time_t)(settings.timeout_ns / NS_PER_S);
	do {
		detaches = attach_begins();
		*root = rmmap_attach(handle);
		if (*root)
			return 0;
		error = errno;
		attach_ends(false);
	} while (error == EADDRINUSE && await_detach(detaches, &deadline));
	return refuse(reason, attach_status(error), "cannot attach what dataref names: %s",
	              rmmap_error());
}

static void root_detach(void *root)
{
	if (!root)
		return;
	rmmap_detach(root);
	attach_ends(true);
}

/* ---- the answer's event ---- */

/*
 * Add an attribute to the answer; NULL is left out. A refusal (400) means here that the handler
 * gave a wrong value, which is the server's fault: 500.
 */
static int answer_add(struct job *job, struct event *event, const char *name, const char *value)
{
	int wrong;

	if (!value)
		return 0;
	wrong = event_add(event, &job->pool, name, strlen(name), value, strlen(value), &job->reason);
	if (!wrong)
		return 0;
	/* The reason is formatted into itself, so it is copied first. */
	if (wrong == 400) {
		char why[REASON_MAX];

		memcpy(why, job->reason.text, sizeof(why));
		refuse(&job->reason, 500, "in the handler's answer: %s", why);
	}
	return 500;
}

/* A random id for the answer, in hexadecimal. False if there are no random numbers. */
static bool id_new(char id[33])
{
	static const char digit[] = "0123456789abcdef";
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	for (int i = 0; i < 16; i++) {
		id[2 * i] = digit[random[i] >> 4];
		id[2 * i + 1] = digit[random[i] & 15];
	}
	id[32] = 0;
	return true;
}

/* The time now, in the form of RFC 3339. */
static void answer_time(char text[32])
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	rm_format(text, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
	          tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	          now.tv_nsec / 1000000);
}

/* Fill in the answer's attributes and data, with defaults where the handler gave none. */
static int answer_fill(struct job *job, struct event *event, const struct rmmap_answer *answer)
{
	char id[33], time[32];
	int wrong;

	if (!id_new(id))
		return refuse(&job->reason, 500, "the system has no random numbers for an id");
	answer_time(time);
	wrong = answer_add(job, event, "specversion", "1.0");
	wrong = wrong ? wrong : answer_add(job, event, "id", id);
	wrong = wrong ? wrong : answer_add(job, event, "source",
	                                   answer->source ? answer->source : settings.source);
	wrong = wrong ? wrong : answer_add(job, event, "type",
	                                   answer->type ? answer->type : settings.type);
	wrong = wrong ? wrong : answer_add(job, event, "time", time);
	wrong = wrong ? wrong : answer_add(job, event, "subject", answer->subject);
	wrong = wrong ? wrong : answer_add(job, event, "dataref",
	                                   job->handle[0] ? job->handle : NULL);
	for (size_t i = 0; i < answer->attribute_count && !wrong; i++)
		wrong = answer_add(job, event, answer->attributes[i].name,
		                   answer->attributes[i].value);
	if (wrong || !answer->data)
		return wrong;
	event->data = pool_copy(&job->pool, answer->data, answer->data_length);
	event->data_length = answer->data_length;
	if (!event->data)
		return refuse(&job->reason, 500, "no memory for the answer");
	return answer_add(job, event, "datacontenttype",
	                  answer->datacontenttype ? answer->datacontenttype :
	                  "application/octet-stream");
}

/* ---- the answer's form ---- */

/* Binary mode: attributes become headers, data the body. */
static int write_binary(struct job *job, const struct event *event)
{
	struct response *response = &job->response;

	for (unsigned i = 0; i < event->count; i++) {
		const struct rmmap_attribute *from = &event->attributes[i];
		char *name, *value;

		if (!strcmp(from->name, "datacontenttype"))
			continue;
		/* Each byte of a value may become three, as %XX. */
		name = pool_take(&job->pool, strlen(from->name) + 4);
		value = pool_take(&job->pool, 3 * strlen(from->value) + 1);
		if (!name || !value)
			return refuse(&job->reason, 500, "no memory for the answer");
		rm_format(name, strlen(from->name) + 4, "ce-%s", from->name);
		text_header_encode(from->value, value);
		response->headers[response->count++] = (struct rmmap_attribute){ name, value };
	}
	response->content_type = event_find(event, "datacontenttype");
	response->body = event->data;
	response->length = event->data_length;
	return 0;
}

/* Write the answer in the mode that the event had. */
static int write_event(struct job *job, const struct event *event)
{
	if (!job->structured)
		return write_binary(job, event);
	job->response.content_type = "application/cloudevents+json; charset=utf-8";
	return event_write_json(event, &job->pool, &job->response.body, &job->response.length,
	                        &job->reason);
}

/* ---- all of it ---- */

/* Publish the root that the handler returned. Lack of resources is 503: try again later. */
static int answer_publish(struct job *job, const struct rmmap_answer *answer)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;

	options.readers = answer->readers ? answer->readers : settings.readers;
	options.ttl_ms = answer->ttl_ms ? answer->ttl_ms : settings.ttl_ms;
	if (!rmmap_publish_with(answer->root, &options, job->handle, sizeof(job->handle)))
		return 0;
	switch (errno) {
	case ENOSPC: case ENOMEM: case EMFILE: case ECONNREFUSED: case ETIMEDOUT: case EHOSTUNREACH:
		return refuse(&job->reason, 503, "cannot publish: %s", rmmap_error());
	default:
		return refuse(&job->reason, 500, "cannot publish what the handler returned: %s",
		              rmmap_error());
	}
}

/* Write the answer; 204 if the handler returned neither a root nor data. */
static int answer_event(struct job *job, const struct rmmap_answer *answer)
{
	struct event *event;
	int wrong;

	job->response.status = 204;
	if (!answer->root && !answer->data)
		return 0;
	/* First, since the handle becomes an attribute of the answer. */
	wrong = answer->root ? answer_publish(job, answer) : 0;
	if (wrong)
		return wrong;
	event = pool_take(&job->pool, sizeof(*event));
	if (!event)
		return refuse(&job->reason, 500, "no memory for the answer");
	job->response.status = 200;
	wrong = answer_fill(job, event, answer);
	return wrong ? wrong : write_event(job, event);
}

/* Call the handler, and write its answer before it releases it. 0 or a status. */
static int job_call(struct job *job, void *root)
{
	const struct event *event = &job->event;
	const struct rmmap_event question = {
		.size = sizeof(question), .root = root,
		.id = event_find(event, "id"), .source = event_find(event, "source"),
		.type = event_find(event, "type"), .subject = event_find(event, "subject"),
		.time = event_find(event, "time"),
		.datacontenttype = event_find(event, "datacontenttype"),
		.dataschema = event_find(event, "dataschema"),
		.data = event->data, .data_length = event->data_length,
		.attributes = event->attributes, .attribute_count = event->count,
	};
	struct rmmap_answer answer = { .size = sizeof(answer) };
	int result = handler_call(&question, &answer);
	int wrong = 0;

	if (result)
		wrong = refuse(&job->reason, 500, "%s", answer.reason ? answer.reason :
		               "the handler failed and gave no reason");
	else
		wrong = answer_event(job, &answer);
	/* Also after a failure: the reason may lie in memory that this frees, and was copied. */
	handler_release(&answer);
	return wrong;
}

/* Print a reason on one line without control characters: a handler may quote the event in it. */
static void log_reason(const char *reason)
{
	char line[REASON_MAX];
	size_t n = 0;

	for (; *reason && n < sizeof(line) - 1; reason++)
		line[n++] = *reason >= ' ' && *reason <= '~' ? *reason : '?';
	line[n] = 0;
	say("answered 500: %s", line);
}

void call_run(struct job *job)
{
	const char *handle = event_find(&job->event, "dataref");
	void *root = NULL;
	int wrong = handle ? root_attach(handle, &root, &job->reason) : 0;

	if (!wrong)
		wrong = job_call(job, root);
	root_detach(root);
	if (wrong) {
		job->response = (struct response){ 0 };
		response_text(&job->response, wrong, &job->reason);
	}
	/* No client gets the handle, so none could end the publication. */
	if (wrong && job->handle[0]) {
		rmmap_unpublish(job->handle);
		job->handle[0] = 0;
	}
	if (wrong == 500)
		log_reason(job->reason.text);
}
