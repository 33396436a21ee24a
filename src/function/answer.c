/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.c - see answer.h: what the answer to a request is, as libmicrohttpd sends it
 */
#include "answer.h"

#include <string.h>

#define SEND_NS (60 * NS_PER_S)                 /* for the client to receive an answer */

atomic_bool http_draining;

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

enum MHD_Result answer_reason(struct MHD_Connection *c, struct request *request)
{
	response_text(&request->job->response, request->status, &request->job->reason);
	return send_response(c, request, &request->job->response);
}

enum MHD_Result answer_result(struct MHD_Connection *c, struct request *request)
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

void answer_wipe(struct MHD_Response *response)
{
	const char *handle = MHD_get_response_header(response, "ce-dataref");

	if (handle)
		explicit_bzero((char *)(uintptr_t)handle, strlen(handle));
}
