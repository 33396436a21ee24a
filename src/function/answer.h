/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.h - a request that libmicrohttpd receives, and the answers to it; for http.c
 *
 * libmicrohttpd's thread only.
 */
#ifndef RM_FUNCTION_ANSWER_H
#define RM_FUNCTION_ANSWER_H

#include <microhttpd.h>

#include "function.h"

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

/* Answer without a worker: with the status and the reason. */
enum MHD_Result answer_reason(struct MHD_Connection *c, struct request *request);
/* Answer a resumed connection: with the worker's response, or with a text if the job was cut. */
enum MHD_Result answer_result(struct MHD_Connection *c, struct request *request);
/*
 * Wipe the handle in a response. libmicrohttpd keeps the headers in the heap until the response is
 * destroyed, and the next publish must not contain them.
 */
void answer_wipe(struct MHD_Response *response);

#endif
