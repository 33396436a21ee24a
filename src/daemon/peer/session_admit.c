/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_admit.c - more readers of what a session has: the reader's side of PEER_ADMIT
 *
 * The publisher's host counts them and may refuse, so it is asked for each attach here.
 * The request is repeated with its number, by which it is counted once. If the other host
 * does not hold the session any more, the session is asked for first; the number is a new
 * one then, since what that host knew of the old one is gone with the session.
 *
 * Worker thread only.
 */
#include <errno.h>

#include "../../common/say.h"
#include "internal.h"

/* One answer for each peer_admit(). The session is not looked at after it. */
static void end(struct peer_session *session, int error, const char *why, unsigned count)
{
	more_stop(session);
	session->events.admitted(session->arg, error, why, count);
}

static void send_admit(struct peer_session *session)
{
	struct peer_admit_body body = { .count = session->more.count };
	struct peer_message message;
	uint8_t bytes[4];

	if (session->state != SESSION_HELD)
		return;                 /* more_held() will */
	if (!session->more.number)
		session->more.number = ++session->number;
	if (peer_request(session->peers, PEER_ADMIT, session->handle.id, session->session,
	                 session->more.number, session->keys.request, bytes,
	                 peer_put_admit(&body, bytes), &message))
		peer_send(session->peers, session->peer, &message, session->peers->times.retry);
}

static void tick(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, more.timer);
	uint64_t now = rm_now_ns(), next = now + session->peers->times.retry;
	char host[80], why[256];

	if (now >= session->more.until) {
		session_host(session, host, sizeof(host));
		peer_unanswered(host, false, why, sizeof(why));
		end(session, -EHOSTUNREACH, why, 0);
		return;
	}
	send_admit(session);
	loop_timer(session->peers->context->loop, timer,
	           next < session->more.until ? next : session->more.until);
}

void peer_admit(struct peer_session *session, unsigned count)
{
	uint64_t now = rm_now_ns();

	session->more = (struct peer_more){
		.count = count,
		.until = now + session->peers->times.answer,
		.timer.fire = tick,
	};
	send_admit(session);
	loop_timer(session->peers->context->loop, &session->more.timer,
	           now + session->peers->times.retry);
}

void more_held(struct peer_session *session)
{
	if (session->more.count)
		send_admit(session);
}

void more_stop(struct peer_session *session)
{
	loop_timer_cancel(session->peers->context->loop, &session->more.timer);
	session->more.count = 0;
}

bool more_expects(const struct peer_session *session, uint64_t number)
{
	return session->more.count && session->more.number && session->more.number == number;
}

static void refused(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_refused_body body;
	char why[PEER_TEXT_MAX + 100], host[80];

	if (peer_get_refused(bytes, size, &body))
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s: %s", host, body.text);
	end(session, -(int)body.error, why, 0);
}

/* Once: if that does not help, the question is repeated until its time is over. */
static bool not_held(struct peer_session *session)
{
	if (session->more.renewed)
		return false;
	session->more.renewed = true;
	session->more.number = 0;
	return true;
}

bool more_answer(struct peer_session *session, enum peer_type type, const uint8_t *bytes,
                 size_t size)
{
	struct peer_admit_body body;

	if (type == PEER_NOT_HELD)
		return not_held(session);
	if (type == PEER_REFUSED)
		refused(session, bytes, size);
	else if (type == PEER_ADMITTED && !peer_get_admit(bytes, size, &body) &&
	         body.count <= session->more.count)
		end(session, 0, "", body.count);
	return false;
}
