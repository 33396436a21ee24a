/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - sessions that this host holds on other hosts
 *
 * A session is asked for until it is answered, and renewed while it is held. If the other host says
 * that it does not hold it (its worker was replaced), the session is asked for once more before the
 * owner is told. Callbacks come from the loop, never from a caller's call. A callback may end the
 * session, so the session is not used after one.
 *
 * Worker thread only. Allocates sessions with malloc.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/say.h"
#include "session.h"

static void session_set_timer(struct peer_session *session, uint64_t in)
{
	loop_timer(session->peers->context->loop, &session->timer, rm_now_ns() + in);
}

/* No callback is called. Its fetch, if any, goes on by itself. */
void session_free(struct peer_session *session)
{
	struct peers *peers = session->peers;
	struct peer_session **link = &peers->sessions;

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	loop_timer_cancel(peers->context->loop, &session->timer);
	probe_stop(&session->probe);
	admit_stop(session);
	fetch_abandon(session);
	data_drop(session);
	fabric_peer_put(peers->fabric, session->peer);
	sodium_memzero(session, sizeof(*session));
	free(session);
}

/*
 * End the session and say so once: as a failed attach, or as the loss of a session that was held.
 */
static void session_fail(struct peer_session *session, int error, const char *why)
{
	/* Copied, since the owner is told last: it may begin a new session from the callback. */
	struct peer_events events = session->events;
	void *arg = session->arg;
	bool held = session->state == SESSION_HELD || session->again;

	session_free(session);
	if (held)
		events.lost(arg, error, why);
	else
		events.attached(arg, error, why, NULL);
}

static void session_fail_silent(struct peer_session *session, bool refused)
{
	char host[80], why[256];

	session_host(session, host, sizeof(host));
	peer_unanswered(host, refused, why, sizeof(why));
	session_fail(session, -EHOSTUNREACH, why);
}

static void session_fail_unanswered(struct peer_session *session)
{
	session_fail_silent(session, false);
}

/*
 * A session that was held is not ended by a refused connection: its pages stay of use, and a new
 * worker may come.
 */
static void session_nobody_listens(struct peer_probe *probe)
{
	struct peer_session *session = container_of(probe, struct peer_session, probe);

	if (session->state == SESSION_ASKING && !session->admitted && !session->again)
		session_fail_silent(session, true);
}

/* ---- asking ---- */

/* Send PEER_ATTACH with the number expected, so that an answer to any repetition is taken. */
static void session_send_attach(struct peer_session *session)
{
	struct peer_attach_body body = {
		.again = session->admitted,
		.small = session_small(session),
	};
	struct peers *peers = session->peers;
	struct peer_message message;
	uint8_t bytes[PEER_BODY_MAX];

	memcpy(body.host, peers->context->host, RM_ID_BYTES);
	if (session->events.whole)
		body.whole = session->events.whole(session->arg);
	if (session->tabled && session->events.wants)
		body.want_count = session->events.wants(session->arg, body.wants, PEER_WANTS_MAX);
	if (peer_request(peers, PEER_ATTACH, session->handle.id, session->session,
	                 session->expected, session->keys.request, bytes,
	                 peer_put_attach(&body, bytes), &message))
		peer_send(peers, session->peer, &message, peers->times.retry);
}

/* Each renewal has a new number: only the answer to the last one counts. */
static void session_send_renew(struct peer_session *session)
{
	struct peer_renew_body body = { .have_table = session->fetched };
	struct peer_message message;
	uint8_t bytes[8];

	if (session->state == SESSION_HELD && session->events.complete)
		body.complete = session->events.complete(session->arg);
	session->expected = ++session->number;
	if (peer_request(session->peers, PEER_RENEW, session->handle.id, session->session,
	                 session->expected, session->keys.request, bytes,
	                 peer_put_renew(&body, bytes), &message))
		peer_send(session->peers, session->peer, &message, session->peers->times.retry);
}

/* Set the timer to the next repetition, or to the end of the wait if that comes first. */
static void session_set_retry(struct peer_session *session)
{
	const struct peer_times *times = &session->peers->times;
	uint64_t waited = rm_now_ns() - session->asked;
	uint64_t left = waited < times->answer ? times->answer - waited : 0;

	session_set_timer(session, left < times->retry ? left : times->retry);
}

/* Begin to ask for the session, or ask anew. */
static void session_ask(struct peer_session *session)
{
	fetch_abandon(session);
	data_drop(session);
	session->state = SESSION_ASKING;
	session->asked = rm_now_ns();
	session->fetches = 0;
	session->expected = ++session->number;
	session_send_attach(session);
	session_set_retry(session);
}

/* One timer serves retries and renewals. */
static void session_tick(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, timer);
	const struct peer_times *times = &session->peers->times;
	uint64_t now = rm_now_ns();

	switch (session->state) {
	case SESSION_ASKING:
		if (now - session->asked >= times->answer) {
			session_fail_unanswered(session);
			return;
		}
		session_send_attach(session);
		session_set_retry(session);
		break;
	case SESSION_FETCHING:  /* the read has its own deadline; the lease is kept meanwhile */
		session_send_renew(session);
		session_set_timer(session, times->renew);
		break;
	case SESSION_HELD:
		if (now - session->answered >= times->lost) {
			session_fail_unanswered(session);
			return;
		}
		session_send_renew(session);
		/* Renewals that are not answered are repeated sooner. */
		session_set_timer(session, now - session->answered > times->renew + times->retry
		                  ? 2 * times->retry : times->renew);
	}
}

int peer_attach(struct peers *peers, const struct rm_handle *handle, bool again,
                const struct peer_events *events, void *arg,
                struct peer_session **out, char *why, size_t why_size)
{
	struct peer_session *session = calloc(1, sizeof(*session));
	int error;

	if (!session) {
		rm_format(why, why_size, "rmmapd has no memory");
		return -ENOMEM;
	}
	error = fabric_peer(peers->fabric, &handle->fabric, &session->peer, why, why_size);
	if (error) {
		free(session);
		return error;
	}
	session->peers = peers;
	session->handle = *handle;
	session->events = *events;
	session->arg = arg;
	session->admitted = again;
	peer_keys_derive(handle->secret, &session->keys);
	randombytes_buf(&session->session, sizeof(session->session));
	session->number = rm_now_ns();
	session->timer.fire = session_tick;
	session->next = peers->sessions;
	peers->sessions = session;
	session_ask(session);
	if (!again && !fabric_peer_heard(session->peer))
		probe_start(&session->probe, peers, session->peer, session_nobody_listens);
	*out = session;
	return 0;
}

void peer_again(struct peer_session *session)
{
	if (session->state == SESSION_HELD) {
		session->again = false;
		session_ask(session);
	} else {
		/* It is being asked for already; but now the owner waits for the answer. */
		session->again = false;
	}
}

struct fabric_peer *peer_of(struct peer_session *session)
{
	return session->peer;
}

void peer_detach(struct peer_session *session)
{
	peer_leave(session->peers, session);
	session_free(session);
}

/* ---- answers ---- */

/* The table is here: hand it over. The session may be gone after this. */
static void session_table_fetched(struct peer_session *session,
                                  const struct peer_snapshot *snapshot)
{
	uint8_t *data;

	session->state = SESSION_HELD;
	session->admitted = session->tabled = true;
	session->again = false;
	session->answered = rm_now_ns();
	if (session->fetched) {
		session_send_renew(session);    /* the other host can free the table */
		session->fetched = false;
	}
	session_set_timer(session, session->peers->times.renew);
	admit_held(session);
	/*
	 * Taken out of the session, which attached() may end: the snapshot refers to it until
	 * then.
	 */
	data = session->data.bytes;
	memset(&session->data, 0, sizeof(session->data));
	session->events.attached(session->arg, 0, "", snapshot);
	free(data);
}

/* The table could not be read: its key may be an earlier worker's. Ask once more, then give up. */
static void session_table_unreadable(struct peer_session *session)
{
	if (session->fetches++) {
		session_fail_unanswered(session);
		return;
	}
	session->state = SESSION_ASKING;
	session->asked = rm_now_ns();
	session->expected = ++session->number;
	session_send_attach(session);
	session_set_retry(session);
}

static void session_table_read(struct peer_session *session, const struct peer_snapshot *snapshot)
{
	if (snapshot)
		session_table_fetched(session, snapshot);
	else
		session_table_unreadable(session);
}

/* The table came with the answer, or has to be read. The session may be gone after this. */
static void session_on_attached(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_attached_body body;
	uint64_t inline_copy[FABRIC_MESSAGE_MAX / 8];
	int error = peer_get_attached(bytes, size, &body);

	if (session->state != SESSION_ASKING)
		return;                 /* an answer to a repetition */
	if (!error && !body.table_size && !session->tabled)
		error = -EPROTO;
	if (!error && body.is_inline) {
		memcpy(inline_copy, body.data,
		       peer_inline_size(body.table_size, body.region_count));
		session->fetched = false;
		error = fetch_deliver(session, &body, (uint8_t *)inline_copy,
		                      session_table_fetched);
	} else if (!error) {
		session->fetched = true;
		error = fetch_start(session, &body, session_table_read);
		if (!error) {
			session->state = SESSION_FETCHING;
			session_set_timer(session, session->peers->times.renew);
		}
	}
	if (error == -ENOMEM)
		session_fail(session, error, "rmmapd has no memory for the snapshot's table");
	else if (error)
		session_fail(session, -EPROTO, "the other host's answer makes no sense: are the "
		             "versions of rmmap the same?");
}

static void session_on_refused(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_refused_body body;
	char why[PEER_TEXT_MAX + 100], host[80];

	if (session->state != SESSION_ASKING || peer_get_refused(bytes, size, &body))
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s: %s", host, body.text);
	session_fail(session, -(int)body.error, why);
}

/*
 * Bare refusals cannot be authenticated. They repeat a number that only hosts on the path have
 * seen.
 */
static void session_on_bare(struct peer_session *session, enum peer_type type)
{
	if (session->state == SESSION_FETCHING)
		return;
	if (type == PEER_GONE)
		session_fail(session, -ENOENT, "the publication is gone: unpublished, revoked, "
		             "expired, or all its readers are used up");
	else
		session_fail(session, -EACCES, "the handle's secret is wrong");
}

/* The session that an answer with this head is for; NULL: none, or the answer is late. */
static struct peer_session *session_find(struct peers *peers, const struct peer_head *head)
{
	struct peer_session *session;

	for (session = peers->sessions; session; session = session->next)
		if (session->session == head->session &&
		    (session->expected == head->number || admit_expects(session, head->number)) &&
		    !memcmp(session->handle.id, head->id, RM_ID_BYTES))
			break;
	return session;
}

void session_version(struct peers *peers, const struct peer_envelope *envelope)
{
	struct peer_session *session = session_find(peers, &envelope->head);
	char host[80], why[200];

	if (!session || session->state == SESSION_FETCHING)
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s speaks version %u of the protocol between hosts, and this "
	          "host's rmmapd speaks %u: update the older one", host, envelope->version,
	          PEER_VERSION);
	session_fail(session, -EPROTO, why);
}

/* The other host does not hold the session: ask anew, unless it is being asked for already. */
static void session_ask_again(struct peer_session *session)
{
	if (session->state != SESSION_HELD)
		return;
	session->again = true;
	session_ask(session);
}

void session_answer(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope)
{
	struct peer_session *session = session_find(peers, &envelope->head);
	uint8_t body[FABRIC_MESSAGE_MAX];
	size_t size = 0;

	if (!session)
		return;
	if (!peer_type_sealed(envelope->head.type)) {
		session_on_bare(session, envelope->head.type);
		return;
	}
	if (peer_open_from(&session->handle.fabric, message, envelope, session->keys.reply, body,
	                   &size))
		return;
	session->answered = rm_now_ns();
	probe_stop(&session->probe);
	fabric_peer_hear(session->peer);
	if (admit_expects(session, envelope->head.number)) {
		if (admit_answer(session, envelope->head.type, body, size))
			session_ask_again(session);
	} else if (envelope->head.type == PEER_ATTACHED) {
		session_on_attached(session, body, size);
	} else if (envelope->head.type == PEER_DATA) {
		data_arrived(session, body, size);
	} else if (envelope->head.type == PEER_REFUSED) {
		session_on_refused(session, body, size);
	} else if (envelope->head.type == PEER_NOT_HELD) {
		session_ask_again(session);
	}
	sodium_memzero(body, sizeof(body));
}
