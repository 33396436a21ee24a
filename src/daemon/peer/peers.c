/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.c - control between two hosts' rmmapd on one fabric: what comes in, and to whom it goes
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
	leaves_free(peers);
	fetches_free(peers);
	askers_free(peers);
	relays_free(peers);
	served_free_all(peers);
	moves_free(peers);
	if (peers->take_end)
		peers->take_end(peers);
	free(peers);
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
		leave_answered(peers, &envelope.head);
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
		leave_answered(peers, &envelope.head);
		/* fall through */
	default:
		if (!asker_answer(peers, data, &envelope))
			session_answer(peers, data, &envelope);
	}
}
