/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_state.c - questions about a session that this host holds on another host
 *
 * Apart from session.c, so that the other files about sessions do not depend on that one.
 *
 * Worker thread only. Does not allocate.
 */
#include "session.h"

void session_host(const struct peer_session *session, char *text, size_t size)
{
	fabric_addr_text(&session->handle.fabric, text, size);
}

bool session_small(const struct peer_session *session)
{
	return session->events.data && !session->tabled && !session->admitted;
}
