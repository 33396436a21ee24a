/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_admit.c - more readers of what a session has: the reader's side of PEER_ADMIT
 *
 * The publisher's host counts readers and may refuse one, so it is asked for each attach here. A
 * request is repeated with the same number, by which it is counted once. If the other host does not
 * hold the session any more, the session is asked for first. Then the request gets a new number,
 * since what that host knew of the old one is gone with the session.
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>

#include "../../common/say.h"
#include "session.h"

/* The one answer to peer_admit(). The session may be gone after it. */
static void admit_end(struct peer_session *session, int error, const char *why, unsigned count)
{
	admit_stop(session);
	session->events.admitted(session->arg, error, why, count);
}

/* Send the request if the session is held. */
static void admit_send(struct peer_session *session)
{
	struct peer_admit_body body = { .count = session->admission.count };
	struct peer_message message;
	uint8_t bytes[4];

	if (session->state != SESSION_HELD)
		return;                 /* admit_held() sends it */
	if (!session->admission.number)
		session->admission.number = ++session->number;
	if (peer_request(session->peers, PEER_ADMIT, session->handle.id, session->session,
	                 session->admission.number, session->keys.request, bytes,
	                 peer_put_admit(&body, bytes), &message))
		peer_send(session->peers, session->peer, &message, session->peers->times.retry);
}

static void admit_tick(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, admission.timer);
	uint64_t now = rm_now_ns(), next = now + session->peers->times.retry;
	char host[80], why[256];

	if (now >= session->admission.until) {
		session_host(session, host, sizeof(host));
		peer_unanswered(host, false, why, sizeof(why));
		admit_end(session, -EHOSTUNREACH, why, 0);
		return;
	}
	admit_send(session);
	loop_timer(session->peers->context->loop, timer,
	           next < session->admission.until ? next : session->admission.until);
}

void peer_admit(struct peer_session *session, unsigned count)
{
	uint64_t now = rm_now_ns();

	session->admission = (struct peer_admission){
		.count = count,
		.until = now + session->peers->times.answer,
		.timer.fire = admit_tick,
	};
	admit_send(session);
	loop_timer(session->peers->context->loop, &session->admission.timer,
	           now + session->peers->times.retry);
}

void admit_held(struct peer_session *session)
{
	if (session->admission.count)
		admit_send(session);
}

void admit_stop(struct peer_session *session)
{
	loop_timer_cancel(session->peers->context->loop, &session->admission.timer);
	session->admission.count = 0;
}

bool admit_expects(const struct peer_session *session, uint64_t number)
{
	const struct peer_admission *admission = &session->admission;

	return admission->count && admission->number && admission->number == number;
}

static void admit_refused(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_refused_body body;
	char why[PEER_TEXT_MAX + 100], host[80];

	if (peer_get_refused(bytes, size, &body))
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s: %s", host, body.text);
	admit_end(session, -(int)body.error, why, 0);
}

/* Only once: if that does not help, the request is repeated until its time is over. */
static bool admit_not_held(struct peer_session *session)
{
	if (session->admission.renewed)
		return false;
	session->admission.renewed = true;
	session->admission.number = 0;
	return true;
}

bool admit_answer(struct peer_session *session, enum peer_type type, const uint8_t *bytes,
                  size_t size)
{
	struct peer_admit_body body;

	if (type == PEER_NOT_HELD)
		return admit_not_held(session);
	if (type == PEER_REFUSED)
		admit_refused(session, bytes, size);
	else if (type == PEER_ADMITTED && !peer_get_admit(bytes, size, &body) &&
	         body.count <= session->admission.count)
		admit_end(session, 0, "", body.count);
	return false;
}
