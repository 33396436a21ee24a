/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.c - control between two hosts' rmmapd on one fabric: dispatches the messages that come
 *
 * Messages may be lost, doubled and late. So requests are repeated until they are answered, and
 * carry numbers that only grow: a late message undoes nothing.
 *
 * Worker thread only. Allocates struct peers with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../fabric/callers.h"
#include "served.h"
#include "session.h"

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
	peers->times.answer = 9 * PEER_SECOND / 2;      /* an attach is answered in 5 s */
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
	/* Sessions first: a read that is cancelled then finds none to report to. */
	while (peers->sessions)
		session_free(peers->sessions);
	leaves_free(peers);
	fetches_free(peers);
	fanout_asks_free(peers);
	fanout_gives_free(peers);
	served_free_all(peers);
	moves_free(peers);
	assert(!peers->give_count && !peers->served_count && !peers->newest && !peers->oldest);
	if (peers->take_end)
		peers->take_end(peers);
	free(peers);
}

/*
 * Tell both versions to the host that asked: the other one, by our answer to its request; or this
 * one, whose session fails.
 */
static void peers_other_version(struct peers *peers, const struct peer_envelope *envelope)
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
		peers_other_version(peers, &envelope);
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
		fanout_give_request(peers, data, &envelope);
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
	/*
	 * These two are not sealed, and name only a session. Its number is random, so at most one
	 * of those who ask has it.
	 */
	case PEER_DENIED:
		move_answer(peers, data, &envelope);
		/* fall through */
	case PEER_GONE:
		leave_answered(peers, &envelope.head);
		/* fall through */
	default:
		if (!fanout_ask_answer(peers, data, &envelope))
			session_answer(peers, data, &envelope);
	}
}
