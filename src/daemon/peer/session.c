/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_client.c - sessions that this host holds on other hosts
 *
 * A session is asked for, repeated until answered, and renewed while held. When the other
 * host says that it does not hold it (its worker was replaced), it is asked for once more
 * before anybody is told. Callbacks come from the loop, never from a caller's call; after
 * one that ends the session, or may have ended it, the session is not looked at again.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/say.h"
#include "internal.h"

static void set_timer(struct peer_session *session, uint64_t in)
{
	loop_timer(session->peers->context->loop, &session->timer, rm_now_ns() + in);
}

void session_free(struct peer_session *session)
{
	struct peers *peers = session->peers;
	struct peer_session **link = &peers->sessions;

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	loop_timer_cancel(peers->context->loop, &session->timer);
	probe_stop(&session->probe);
	more_stop(session);
	fetch_abandon(session);
	data_drop(session);
	fabric_peer_put(peers->fabric, session->peer);
	sodium_memzero(session, sizeof(*session));
	free(session);
}

/* The end of a session, told once: as a failed attach, or as the loss of what was held. */
static void fail(struct peer_session *session, int error, const char *why)
{
	struct peer_events events = session->events;
	void *arg = session->arg;
	bool held = session->state == SESSION_HELD || session->again;

	session_free(session);
	if (held)
		events.lost(arg, error, why);
	else
		events.attached(arg, error, why, NULL);
}

static void fail_silent(struct peer_session *session, bool refused)
{
	char host[80], why[256];

	session_host(session, host, sizeof(host));
	peer_unanswered(host, refused, why, sizeof(why));
	fail(session, -EHOSTUNREACH, why);
}

static void fail_unanswered(struct peer_session *session)
{
	fail_silent(session, false);
}

/* Who holds it already waits: what is there stays of use, and a new worker may come. */
static void nobody_listens(struct peer_probe *probe)
{
	struct peer_session *session = container_of(probe, struct peer_session, probe);

	if (session->state == SESSION_ASKING && !session->admitted && !session->again)
		fail_silent(session, true);
}

/* ---- asking ---- */

static void send_attach(struct peer_session *session)
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

static void send_renew(struct peer_session *session)
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

/* The next repetition, or the end of the wait if that comes first. */
static void set_retry(struct peer_session *session)
{
	const struct peer_times *times = &session->peers->times;
	uint64_t waited = rm_now_ns() - session->asked;
	uint64_t left = waited < times->answer ? times->answer - waited : 0;

	set_timer(session, left < times->retry ? left : times->retry);
}

static void ask(struct peer_session *session)
{
	fetch_abandon(session);
	data_drop(session);
	session->state = SESSION_ASKING;
	session->asked = rm_now_ns();
	session->fetches = 0;
	session->expected = ++session->number;
	send_attach(session);
	set_retry(session);
}

/* The next retry, or renewal: one timer does both. */
static void tick(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, timer);
	const struct peer_times *times = &session->peers->times;
	uint64_t now = rm_now_ns();

	switch (session->state) {
	case SESSION_ASKING:
		if (now - session->asked >= times->answer) {
			fail_unanswered(session);
			return;
		}
		send_attach(session);
		set_retry(session);
		break;
	case SESSION_FETCHING:  /* the read has its own deadline; keep the lease meanwhile */
		send_renew(session);
		set_timer(session, times->renew);
		break;
	case SESSION_HELD:
		if (now - session->answered >= times->lost) {
			fail_unanswered(session);
			return;
		}
		send_renew(session);
		/* Unanswered ones follow each other faster than the answered. */
		set_timer(session, now - session->answered > times->renew + times->retry
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
	session->timer.fire = tick;
	session->next = peers->sessions;
	peers->sessions = session;
	ask(session);
	if (!again && !fabric_peer_heard(session->peer))
		probe_start(&session->probe, peers, session->peer, nobody_listens);
	*out = session;
	return 0;
}

void peer_again(struct peer_session *session)
{
	if (session->state == SESSION_HELD) {
		session->again = false;
		ask(session);
	} else {
		/* Already asking, for whatever reason: now somebody waits for the answer. */
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

static void table_fetched(struct peer_session *session, const struct peer_snapshot *snapshot)
{
	uint8_t *data;

	session->state = SESSION_HELD;
	session->admitted = session->tabled = true;
	session->again = false;
	session->answered = rm_now_ns();
	if (session->fetched) {
		send_renew(session);    /* its table over there can be freed */
		session->fetched = false;
	}
	set_timer(session, session->peers->times.renew);
	more_held(session);
	data = session->data.bytes;
	memset(&session->data, 0, sizeof(session->data));
	session->events.attached(session->arg, 0, "", snapshot);
	free(data);
}

/* The table could not be read: its key may be an earlier worker's. Once more, then give up. */
static void table_unreadable(struct peer_session *session)
{
	if (session->fetches++) {
		fail_unanswered(session);
		return;
	}
	session->state = SESSION_ASKING;
	session->asked = rm_now_ns();
	session->expected = ++session->number;
	send_attach(session);
	set_retry(session);
}

static void table_read(struct peer_session *session, const struct peer_snapshot *snapshot)
{
	if (snapshot)
		table_fetched(session, snapshot);
	else
		table_unreadable(session);
}

static void on_attached(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_attached_body body;
	uint64_t inline_copy[FABRIC_MESSAGE_MAX / 8];
	int error = peer_get_attached(bytes, size, &body);

	if (session->state != SESSION_ASKING)
		return;                 /* the answer to a repetition */
	if (!error && !body.table_size && !session->tabled)
		error = -EPROTO;
	if (!error && body.is_inline) {
		memcpy(inline_copy, body.data,
		       peer_inline_size(body.table_size, body.region_count));
		session->fetched = false;
		error = fetch_deliver(session, &body, (uint8_t *)inline_copy, table_fetched);
	} else if (!error) {
		session->fetched = true;
		error = fetch_start(session, &body, table_read);
		if (!error) {
			session->state = SESSION_FETCHING;
			set_timer(session, session->peers->times.renew);
		}
	}
	if (error == -ENOMEM)
		fail(session, error, "rmmapd has no memory for the snapshot's table");
	else if (error)
		fail(session, -EPROTO, "the other host's answer makes no sense: are the versions "
		     "of rmmap the same?");
}

static void on_refused(struct peer_session *session, const uint8_t *bytes, size_t size)
{
	struct peer_refused_body body;
	char why[PEER_TEXT_MAX + 100], host[80];

	if (session->state != SESSION_ASKING || peer_get_refused(bytes, size, &body))
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s: %s", host, body.text);
	fail(session, -(int)body.error, why);
}

/* Bare refusals cannot be authenticated; they echo a number that only the path has seen. */
static void on_bare(struct peer_session *session, enum peer_type type)
{
	if (session->state == SESSION_FETCHING)
		return;
	if (type == PEER_GONE)
		fail(session, -ENOENT, "the publication is gone: unpublished, revoked, expired, or all "
		     "its readers are used up");
	else
		fail(session, -EACCES, "the handle's secret is wrong");
}

static struct peer_session *find(struct peers *peers, const struct peer_head *head)
{
	struct peer_session *session;

	for (session = peers->sessions; session; session = session->next)
		if (session->session == head->session &&
		    (session->expected == head->number || more_expects(session, head->number)) &&
		    !memcmp(session->handle.id, head->id, RM_ID_BYTES))
			break;
	return session;
}

void session_version(struct peers *peers, const struct peer_envelope *envelope)
{
	struct peer_session *session = find(peers, &envelope->head);
	char host[80], why[200];

	if (!session || session->state == SESSION_FETCHING)
		return;
	session_host(session, host, sizeof(host));
	rm_format(why, sizeof(why), "%s speaks version %u of the protocol between hosts, and this "
	          "host's rmmapd speaks %u: update the older one", host, envelope->version,
	          PEER_VERSION);
	fail(session, -EPROTO, why);
}

/* It is not held over there. Nothing is done if it is being asked for already. */
static void session_renew(struct peer_session *session)
{
	if (session->state != SESSION_HELD)
		return;
	session->again = true;
	ask(session);
}

void session_answer(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope)
{
	struct peer_session *session = find(peers, &envelope->head);
	uint8_t body[FABRIC_MESSAGE_MAX];
	size_t size = 0;

	if (!session)
		return;
	if (!peer_type_sealed(envelope->head.type)) {
		on_bare(session, envelope->head.type);
		return;
	}
	if (peer_open_from(&session->handle.fabric, message, envelope, session->keys.reply, body,
	                   &size))
		return;
	session->answered = rm_now_ns();
	probe_stop(&session->probe);
	fabric_peer_hear(session->peer);
	if (more_expects(session, envelope->head.number)) {
		if (more_answer(session, envelope->head.type, body, size))
			session_renew(session);
	} else if (envelope->head.type == PEER_ATTACHED) {
		on_attached(session, body, size);
	} else if (envelope->head.type == PEER_DATA) {
		data_arrived(session, body, size);
	} else if (envelope->head.type == PEER_REFUSED) {
		on_refused(session, body, size);
	} else if (envelope->head.type == PEER_NOT_HELD) {
		session_renew(session);
	}
	sodium_memzero(body, sizeof(body));
}
