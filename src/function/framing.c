/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * framing.c - refuses requests whose end is ambiguous
 *
 * If two HTTP implementations see the end of a request at different places, a second request can
 * be smuggled past a proxy in front of this server (RFC 9112, sections 6.1 and 6.3). libmicrohttpd
 * uses the first of several Content-Length headers, and ignores it beside chunked. Here such
 * requests are refused, and their connection is closed, since it is not known where the next
 * request begins.
 *
 * libmicrohttpd's thread only. Nothing allocates.
 */
#include "function.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

struct framing {
	unsigned lengths, codings;      /* numbers of Content-Length and Transfer-Encoding */
	bool chunked;                   /* the last Transfer-Encoding is exactly "chunked" */
};

/* Compare a name without regard to case. */
static bool is_header(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && !strncasecmp(name, wanted, length);
}

/* Called for each header. */
static enum MHD_Result header_look(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_length, const char *value, size_t length)
{
	struct framing *framing = arg;

	(void)kind;
	if (is_header(name, name_length, "Content-Length"))
		framing->lengths++;
	if (is_header(name, name_length, "Transfer-Encoding")) {
		framing->codings++;
		framing->chunked = value && is_header(value, length, "chunked");
	}
	return MHD_YES;
}

int framing_check(struct MHD_Connection *connection, const char *version, struct reason *reason)
{
	struct framing framing = { 0 };

	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, header_look, &framing);
	if (framing.lengths && framing.codings)
		return refuse(reason, 400, "Content-Length and Transfer-Encoding exclude each other");
	if (framing.lengths > 1 || framing.codings > 1)
		return refuse(reason, 400, "more than one header says where the body ends");
	if (framing.codings && !strcmp(version, "HTTP/1.0"))
		return refuse(reason, 400, "a request of version 1.0 has no Transfer-Encoding");
	if (framing.codings && !framing.chunked)
		return refuse(reason, 501, "the only Transfer-Encoding here is chunked");
	return 0;
}
