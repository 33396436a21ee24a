/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_data.c - the pages of a small publication, as they come before the answer
 *
 * See served_data.c. Nobody waits for a message that is lost: its pages are read like any other
 * page.
 *
 * Worker thread only. Allocates the pages with malloc; without memory they are read.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

void data_drop(struct peer_session *session)
{
	free(session->data.bytes);
	memset(&session->data, 0, sizeof(session->data));
}

const uint8_t *data_whole(const struct peer_session *session)
{
	return session->data.count && session->data.got == (1u << session->data.count) - 1
	       ? session->data.bytes : NULL;
}

void data_arrived(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_data_body body;

	if (session->state != SESSION_ASKING || !session_small(session) ||
	    peer_get_data(bytes, size, &body))
		return;
	if (!session->data.count) {
		/*
		 * Zeros, since messages leave out runs of them. peer_get_data() has bounded the
		 * total.
		 */
		session->data.bytes = calloc(1, body.total);
		if (!session->data.bytes)
			return;
		session->data.total = body.total;
		session->data.count = body.count;
	}
	if (body.total != session->data.total || body.count != session->data.count)
		return;
	peer_take_data(&body, session->data.bytes);
	session->data.got |= 1u << body.index;
}
