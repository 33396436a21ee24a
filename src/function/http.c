/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.c - receives requests, by libmicrohttpd
 *
 * Everything but http_start() and http_stop() runs on libmicrohttpd's one thread, which never
 * waits: while a worker serves an event, its connection is suspended. A refused request is still
 * read to its end, up to a limit, since many clients do not read the answer before they have sent
 * the whole request.
 */
#include "answer.h"

#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "../common/number.h"
#include "text.h"

#define HEADERS_MAX ((size_t)64 << 10)          /* bytes of one request's headers, about */
#define DISCARD_MAX ((uint64_t)64 << 20)        /* bytes to read of a refused body */
#define BODIES_MAX ((size_t)256 << 20)          /* bytes of all bodies together */

static struct MHD_Daemon *server;

/* ---- the headers ---- */

static const char *request_header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/*
 * Decide by the request line and the headers. Returns the status of a refusal or of a health check,
 * or 0 for an event. *at_once: answer before the body, since the client waits for it (Expect) or
 * the body is too long to be read.
 */
static int request_begin(struct MHD_Connection *c, const char *url, const char *method,
                         const char *version, struct request *request, bool *at_once)
{
	struct reason *reason = &request->job->reason;
	const char *length = request_header(c, "Content-Length");
	const char *expect = request_header(c, "Expect");
	uint64_t bytes = 0;
	int status = framing_check(c, version, reason);

	*at_once = request->last = status != 0;
	if (status)
		return status;
	if (length && rm_parse_number(length, 0, UINT64_MAX, &bytes))
		bytes = UINT64_MAX;
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD"))
		status = health_status(url, reason);
	else if (strcmp(method, "POST"))
		status = refuse(reason, 405, "events come by POST");
	else if (http_draining)
		status = refuse(reason, 503, "the function is ending: try again");
	else if (bytes > settings.body)
		status = refuse(reason, 413, "the body is larger than --body allows, %zu bytes",
		                settings.body);
	*at_once = status && (bytes > DISCARD_MAX || (expect && !strcasecmp(expect, "100-continue")));
	return status;
}

/* A request with its job, in the memory of the job; NULL without memory. */
static struct request *request_new(void)
{
	struct job *job = work_new();
	struct request *request = job ? pool_take(&job->pool, sizeof(*request)) : NULL;

	if (request)
		request->job = job;
	else if (job)
		work_release(job, false);
	return request;
}

/* ---- the body ---- */

/* Keep a piece of the body; discard it if the request is refused. MHD_NO hangs up. */
static enum MHD_Result body_take(struct MHD_Connection *c, struct request *request,
                                 const char *bytes, size_t *length)
{
	struct job *job = request->job;
	size_t limit = settings.body * 4 > BODIES_MAX ? settings.body * 4 : BODIES_MAX;
	int error;

	if (!request->status && job->body.length + *length > settings.body)
		request->status = refuse(&job->reason, 413, "the body is larger than --body allows, "
		                         "%zu bytes", settings.body);
	if (!request->status) {
		error = blob_add(&job->body, bytes, *length, limit);
		if (error)
			request->status = refuse(&job->reason, 503, "too many events at once: try "
			                         "again later");
	}
	if (request->status) {
		blob_free(&job->body);
		request->discarded += *length;
		if (request->discarded > DISCARD_MAX)
			return MHD_NO;
	}
	*length = 0;
	(void)c;
	return MHD_YES;
}

/* ---- the end of a request ---- */

/*
 * Called for each header. In structured mode ce- headers are only noted, since the body has the
 * attributes.
 */
static enum MHD_Result event_header_take(void *arg, enum MHD_ValueKind kind, const char *name,
                                         size_t name_length, const char *value, size_t length)
{
	struct request *request = arg;
	struct job *job = request->job;

	(void)kind;
	if (!event_is_header(name, name_length))
		return MHD_YES;
	request->has_headers = true;
	if (!job->structured)
		request->status = event_add_header(&job->event, &job->pool, name, name_length,
		                                   value ? value : "", length, &job->reason);
	return request->status ? MHD_NO : MHD_YES;
}

/* Read the event from the headers and the body. 0, or the status to refuse it with. */
static int request_read_event(struct MHD_Connection *c, struct request *request)
{
	struct job *job = request->job;
	struct reason *reason = &job->reason;
	const char *type = request_header(c, "Content-Type");
	enum event_mode mode;
	int wrong = event_mode(type, true, &mode, reason);

	if (wrong)
		return wrong;
	job->structured = mode == EVENT_STRUCTURED;
	MHD_get_connection_values_n(c, MHD_HEADER_KIND, event_header_take, request);
	if (request->status)
		return request->status;
	if (job->structured) {
		wrong = event_read_json(&job->event, &job->pool,
		                        job->body.bytes ? job->body.bytes : "", job->body.length,
		                        reason);
		blob_free(&job->body);
	} else {
		wrong = event_mode(type, request->has_headers, &mode, reason);
		wrong = wrong ? wrong : event_add_content_type(&job->event, &job->pool, type, reason);
		if (job->body.length) {
			job->event.data = job->body.bytes;
			job->event.data_length = job->body.length;
		}
	}
	return wrong ? wrong : event_check(&job->event, reason);
}

/* The request is complete: submit its event, or answer. */
static enum MHD_Result request_finish(struct MHD_Connection *c, struct request *request)
{
	if (!request->status)
		request->status = request_read_event(c, request);
	if (request->status)
		return answer_reason(c, request);
	/* suspend it first: a worker may resume it as soon as it is submitted */
	MHD_suspend_connection(c);
	wait_until(request->connection, 0);
	request->submitted = true;
	if (work_submit(request->job, c))
		return MHD_YES;
	request->submitted = false;
	request->status = refuse(&request->job->reason, 503,
	                         "%u events wait already: try again later", settings.queue);
	MHD_resume_connection(c);
	return MHD_YES;
}

/* ---- what libmicrohttpd calls ---- */

/*
 * libmicrohttpd calls this once after the headers, once for each piece of the body, once at its
 * end, and again after a connection is resumed.
 */
static enum MHD_Result request_take(void *arg, struct MHD_Connection *c, const char *url,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *length, void **state)
{
	struct request *request = *state;
	const union MHD_ConnectionInfo *info;
	bool at_once;

	(void)arg;
	if (request && request->submitted)
		return answer_result(c, request);
	if (request && *length)
		return body_take(c, request, bytes, length);
	if (request)
		return request_finish(c, request);
	request = request_new();
	if (!request)
		return MHD_NO;
	*state = request;
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	request->connection = info ? info->socket_context : NULL;
	request->status = request_begin(c, url, method, version, request, &at_once);
	return at_once ? answer_reason(c, request) : MHD_YES;
}

/* The answer is sent, or the connection is gone: release the job. */
static void request_completed(void *arg, struct MHD_Connection *c, void **state,
                              enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)arg, (void)c;
	if (!request)
		return;
	*state = NULL;
	wait_until(request->connection, now_ns() + settings.arrival_ns);
	if (request->response) {
		answer_wipe(request->response);
		MHD_destroy_response(request->response);
	}
	work_release(request->job, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* Called when a connection begins and when it ends: wait.c watches it in between. */
static void connection_notify(void *arg, struct MHD_Connection *c, void **context,
                              enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;

	(void)arg;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		wait_remove(*context);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	*context = info ? wait_add(info->connect_fd) : NULL;
}

/* For work_start(). libmicrohttpd allows this call from any thread. */
static void connection_resume(void *connection)
{
	MHD_resume_connection(connection);
}

/* ---- the start ---- */

/* As many connections as descriptors allow; 128 descriptors are left for everything else. */
static unsigned connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 4096)
		return 4000;
	return limit.rlim_cur > 192 ? (unsigned)limit.rlim_cur - 128 : 64;
}

int http_start(void)
{
	int fd = listen_open();

	if (fd < 0 || work_start(connection_resume))
		return 1;
	server = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0,
	                          NULL, NULL, request_take, NULL,
	                          MHD_OPTION_LISTEN_SOCKET, fd,
	                          MHD_OPTION_CONNECTION_LIMIT, connections_max(),
	                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADERS_MAX,
	                          MHD_OPTION_STRICT_FOR_CLIENT, 1,
	                          MHD_OPTION_NOTIFY_COMPLETED, request_completed, NULL,
	                          MHD_OPTION_NOTIFY_CONNECTION, connection_notify, NULL,
	                          MHD_OPTION_END);
	if (!server) {
		say("cannot start the HTTP server: %m");
		return 1;
	}
	say("listening on port %u", listen_port(fd));
	return 0;
}

void http_stop(void)
{
	MHD_stop_daemon(server);
}
