/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.c - control between two hosts' rmmapd: messages in and out, detaching
 *
 * Messages may be lost, doubled and late: requests are repeated until answered, and
 * carry numbers that only grow, so that a late one undoes nothing.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../fabric/callers.h"
#include "internal.h"

struct peers *peers_new(struct nets *nets, struct fabric *fabric)
{
	struct peers *peers;

	if (sodium_init() < 0)
		return NULL;
	peers = calloc(1, sizeof(*peers));
	if (!peers)
		return NULL;
	peers->context = nets->context;
	peers->nets = nets;
	peers->fabric = fabric;
	peers->next = nets->first;
	nets->first = peers;
	peers->times.retry = PEER_SECOND;
	peers->times.answer = 9 * PEER_SECOND / 2;      /* so that 5 s are kept */
	peers->times.renew = 10 * PEER_SECOND;
	peers->times.lost = 30 * PEER_SECOND;
	peers->times.expire = 60 * PEER_SECOND;
	peers->times.room = 3 * PEER_SECOND;            /* less than answer */
	return peers;
}

static void leaving_free(struct peer_leaving *leaving)
{
	struct peers *peers = leaving->peers;
	struct peer_leaving **link = &peers->leaving;

	while (*link != leaving)
		link = &(*link)->next;
	*link = leaving->next;
	peers->leaving_count--;
	loop_timer_cancel(peers->context->loop, &leaving->timer);
	fabric_peer_put(peers->fabric, leaving->peer);
	free(leaving);
}

struct fabric *peers_fabric(const struct peers *peers)
{
	return peers->fabric;
}

void peers_free(struct peers *peers)
{
	struct peers **link = &peers->nets->first;

	while (*link != peers)
		link = &(*link)->next;
	*link = peers->next;
	while (peers->sessions)
		session_free(peers->sessions);
	while (peers->leaving)
		leaving_free(peers->leaving);
	fetches_free(peers);
	askers_free(peers);
	relays_free(peers);
	served_free_all(peers);
	moves_free(peers);
	if (peers->take_end)
		peers->take_end(peers);
	free(peers);
}

void peer_send(struct peers *peers, struct fabric_peer *peer, const struct peer_message *message,
               uint64_t patience)
{
	if (message->length)
		fabric_send(peers->fabric, peer, message->bytes, message->length,
		            rm_now_ns() + patience);
}

bool peer_request(struct peers *peers, enum peer_type type, const uint8_t id[RM_ID_BYTES],
                  uint64_t session, uint64_t number, const uint8_t key[PEER_KEY_BYTES],
                  const void *body, size_t size, struct peer_message *out)
{
	const struct rm_fabric_addr *own = fabric_addr(peers->fabric);
	struct peer_head head = {
		.type = type,
		.session = session,
		.number = number,
		.address_length = own->length,
	};

	memcpy(head.id, id, RM_ID_BYTES);
	memcpy(head.address, own->name, own->length);
	out->length = peer_seal(&head, key, body, size, out->bytes);
	return out->length != 0;
}

int peer_open_from(const struct rm_fabric_addr *from, const void *message,
                   const struct peer_envelope *envelope, const uint8_t key[PEER_KEY_BYTES],
                   uint8_t *body, size_t *size)
{
	int error = peer_open(message, envelope, key, body, size);

	if (!error)
		callers_known(from->name, from->length);
	return error;
}

int peer_open_request(const void *message, const struct peer_envelope *envelope,
                      const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size)
{
	int error = peer_open(message, envelope, key, body, size);

	if (!error)
		callers_known(envelope->head.address, envelope->head.address_length);
	return error;
}

/* ---- detaching: told to the other host for a while, whether it listens or not ---- */

static void leaving_again(struct timer *timer)
{
	struct peer_leaving *leaving = container_of(timer, struct peer_leaving, timer);
	struct peers *peers = leaving->peers;
	uint64_t now = rm_now_ns();

	if (now >= leaving->until) {
		leaving_free(leaving);  /* its lease will run out over there */
		return;
	}
	peer_send(peers, leaving->peer, &leaving->message, peers->times.retry);
	loop_timer(peers->context->loop, timer, now + peers->times.retry);
}

void peer_leave(struct peers *peers, struct peer_session *session)
{
	struct peer_leaving *leaving;
	uint64_t now = rm_now_ns();

	if (peers->leaving_count >= PEER_LEAVING_MAX)
		return;
	leaving = calloc(1, sizeof(*leaving));
	if (!leaving)
		return;
	if (!peer_request(peers, PEER_DETACH, session->handle.id, session->session,
	                  ++session->number, session->keys.request, "", 0, &leaving->message) ||
	    fabric_peer(peers->fabric, &session->handle.fabric, &leaving->peer, NULL, 0)) {
		free(leaving);
		return;
	}
	leaving->peers = peers;
	memcpy(leaving->id, session->handle.id, RM_ID_BYTES);
	leaving->session = session->session;
	leaving->until = now + peers->times.answer;
	leaving->timer.fire = leaving_again;
	leaving->next = peers->leaving;
	peers->leaving = leaving;
	peers->leaving_count++;
	peer_send(peers, leaving->peer, &leaving->message, peers->times.retry);
	loop_timer(peers->context->loop, &leaving->timer, now + peers->times.retry);
}

/*
 * Only a hint to stop repeating, so it need not be opened: who forges it must have seen
 * the session's number, and gains that a lease runs out instead of being given back.
 */
static void left(struct peers *peers, const struct peer_head *head)
{
	struct peer_leaving *leaving;

	for (leaving = peers->leaving; leaving; leaving = leaving->next) {
		if (leaving->session == head->session &&
		    !memcmp(leaving->id, head->id, RM_ID_BYTES)) {
			leaving_free(leaving);
			return;
		}
	}
}

/* What the two of them speak is told to who asked: here, or over there by our answer. */
static void other_version(struct peers *peers, const struct peer_envelope *envelope)
{
	log_line("a message came in version %u of the protocol between hosts, "
	         "and this rmmapd speaks %u: update the older host", envelope->version,
	         PEER_VERSION);
	if (envelope->head.address_length)
		served_reply_bare(peers, envelope, PEER_GONE);
	else
		session_version(peers, envelope);
}

void peers_message(void *arg, const void *data, size_t length)
{
	struct peers *peers = arg;
	struct peer_envelope envelope;
	int error = peer_parse(data, length, &envelope);

	if (error == -EPROTO)
		other_version(peers, &envelope);
	if (error)
		return;
	switch (envelope.head.type) {
	case PEER_ATTACH:
	case PEER_RENEW:
	case PEER_ADMIT:
	case PEER_DETACH:
		served_request(peers, data, &envelope);
		break;
	case PEER_PAGES:
		relay_request(peers, data, &envelope);
		break;
	case PEER_DETACHED:
		left(peers, &envelope.head);
		break;
	case PEER_MOVE:
		if (peers->take)
			peers->take(peers, data, &envelope);
		break;
	case PEER_MOVING:
		move_answer(peers, data, &envelope);
		break;
	case PEER_DENIED:
		move_answer(peers, data, &envelope);
		/* fall through */
	case PEER_GONE:
		left(peers, &envelope.head);
		/* fall through */
	default:
		if (!asker_answer(peers, data, &envelope))
			session_answer(peers, data, &envelope);
	}
}
