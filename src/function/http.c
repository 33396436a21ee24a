/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.c - receives requests and sends answers, by libmicrohttpd
 *
 * Everything but http_start() and http_stop() runs on libmicrohttpd's one thread, which never
 * waits: while a worker serves an event, its connection is suspended. A refused request is still
 * read to its end, up to a limit, since many clients do not read the answer before they have sent
 * the whole request.
 */
#include "function.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/number.h"
#include "../common/options.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "text.h"

#define HEADERS_MAX ((size_t)64 << 10)          /* bytes of one request's headers, about */
#define DISCARD_MAX ((uint64_t)64 << 20)        /* bytes to read of a refused body */
#define BODIES_MAX ((size_t)256 << 20)          /* bytes of all bodies together */
#define SEND_NS (60 * NS_PER_S)                 /* for the client to receive an answer */

atomic_bool http_draining;

static struct MHD_Daemon *server;

struct request {                        /* lies in its job's pool */
	struct job *job;
	struct MHD_Response *response;  /* or NULL before the answer */
	void *connection;               /* of wait.c; may be NULL */
	uint64_t discarded;             /* bytes of a refused body */
	int status;                     /* to answer with, without a worker; 0: not decided */
	bool last;                      /* its end is ambiguous: close the connection after it */
	bool submitted;                 /* a worker has it or had it */
	bool has_headers;               /* it has ce- headers */
};

/* ---- answers ---- */

/* The text for a job that was cut with this status. */
static const char *cut_reason(int status)
{
	if (status == 504)
		return "the handler takes longer than it may";
	return http_draining ? "the function is ending: try again" :
	       "the event waited too long for its turn: try again later";
}

/*
 * Queue an answer. The body and the headers are used in place: they lie in the job's pool or are
 * static, and the job is released only in request_completed().
 */
static enum MHD_Result send_response(struct MHD_Connection *c, struct request *request,
                                     const struct response *from)
{
	struct MHD_Response *response;
	bool good = true;

	response = MHD_create_response_from_buffer(from->length, (char *)(uintptr_t)from->body,
	                                           MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	request->response = response;
	if (from->content_type)
		good = MHD_add_response_header(response, "Content-Type", from->content_type);
	for (unsigned i = 0; i < from->count && good; i++)
		good = MHD_add_response_header(response, from->headers[i].name,
		                               from->headers[i].value);
	if (from->status == 405)
		good = good && MHD_add_response_header(response, "Allow", "POST");
	if (from->status == 503)
		good = good && MHD_add_response_header(response, "Retry-After", "1");
	if (http_draining || request->last)
		good = good && MHD_add_response_header(response, "Connection", "close");
	wait_until(request->connection, now_ns() + SEND_NS);
	return good ? MHD_queue_response(c, (unsigned)from->status, response) : MHD_NO;
}

/* Answer without a worker: with the status and the reason. */
static enum MHD_Result send_reason(struct MHD_Connection *c, struct request *request)
{
	response_text(&request->job->response, request->status, &request->job->reason);
	return send_response(c, request, &request->job->response);
}

/* Answer a resumed connection: with the worker's response, or with a text if the job was cut. */
static enum MHD_Result send_result(struct MHD_Connection *c, struct request *request)
{
	struct response cut = { 0 };
	int status;
	const struct response *response = work_response(request->job, &status);

	if (response)
		return send_response(c, request, response);
	cut.status = status;
	cut.content_type = "text/plain; charset=utf-8";
	cut.body = cut_reason(status);
	cut.length = strlen(cut.body);
	return send_response(c, request, &cut);
}

/* ---- health ---- */

/* True if rmmapd runs, or the library may start it (RMMAP_DAEMON is not off). */
static bool daemon_is_there(void)
{
	struct rm_options options;
	char path[RM_RUNDIR_MAX], why[256];
	int fd;

	rm_options_read(&options, environ, false, NULL, NULL);
	if (!options.daemon || strcmp(options.daemon, "off"))
		return true;
	if (rm_rundir_find(&options, false, path, why, sizeof(why)))
		return false;
	fd = rm_rundir_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Answer a probe: live if no handler is stuck, ready if events can be served. */
static int health_status(const char *url, struct reason *reason)
{
	bool live = !strcmp(url, "/healthz") || !strcmp(url, "/livez") ||
	            !strcmp(url, "/health/liveness");
	bool ready = !strcmp(url, "/readyz") || !strcmp(url, "/health/readiness");

	if (!live && !ready)
		return refuse(reason, 405, "events come by POST; /healthz and /readyz by GET");
	if (live && work_is_stuck())
		return refuse(reason, 503, "a handler does not return");
	if (ready && http_draining)
		return refuse(reason, 503, "the function is ending");
	if (ready && !daemon_is_there())
		return refuse(reason, 503, "rmmapd does not run in the run directory");
	return refuse(reason, 200, "ok");
}

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
		return send_reason(c, request);
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
		return send_result(c, request);
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
	return at_once ? send_reason(c, request) : MHD_YES;
}

/*
 * Wipe the handle in a response. libmicrohttpd keeps the headers in the heap until the response is
 * destroyed, and the next publish must not contain them.
 */
static void response_wipe(struct MHD_Response *response)
{
	const char *handle = MHD_get_response_header(response, "ce-dataref");

	if (handle)
		explicit_bzero((char *)(uintptr_t)handle, strlen(handle));
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
		response_wipe(request->response);
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

/* ---- listening ---- */

/*
 * Listen at an address, or at all addresses if it is NULL; an IPv6 socket accepts IPv4 too. A
 * descriptor or -errno. http_start() tries IPv4 if the host has no IPv6.
 */
static int listen_at(const char *address, int family)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM,
	                                .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	const int yes = 1, no = 0;
	struct addrinfo *found;
	char port[8];
	int fd, error = 0;

	rm_format(port, sizeof(port), "%u", settings.port);
	if (getaddrinfo(address, port, &hints, &found))
		return -EINVAL;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		error = -errno;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (found->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
		if (bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, SOMAXCONN))
			error = -errno;
	}
	freeaddrinfo(found);
	if (error && fd >= 0)
		close(fd);
	return error ? error : fd;
}

static unsigned bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size))
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port :
	             ((struct sockaddr_in *)&address)->sin_port);
}

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
	int fd = listen_at(settings.address, settings.address ? AF_UNSPEC : AF_INET6);

	if (fd < 0 && fd != -EADDRINUSE && fd != -EACCES && !settings.address)
		fd = listen_at(NULL, AF_INET);
	if (fd < 0) {
		say("cannot listen on port %u%s%s: %s%s", settings.port,
		    settings.address ? " of " : "", settings.address ? settings.address : "",
		    fd == -EINVAL ? "not an address" : rm_errno_text(-fd),
		    fd == -EADDRINUSE || fd == -EACCES ? "; choose another one with --port" : "");
		return 1;
	}
	if (work_start(connection_resume))
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
	say("listening on port %u", bound_port(fd));
	return 0;
}

void http_stop(void)
{
	MHD_stop_daemon(server);
}
