/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * response.c - an answer that is a text: the reason of a refusal
 */
#include "function.h"

#include <string.h>

void response_text(struct response *response, int status, const struct reason *reason)
{
	response->status = status;
	response->content_type = "text/plain; charset=utf-8";
	response->body = reason->text;
	response->length = strlen(reason->text);
}
