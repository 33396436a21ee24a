/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leave.c - detaching: PEER_DETACH is repeated until the other host answers, or for some seconds
 *
 * Worker thread only. Allocates the record of a detach with malloc; without memory nothing is sent,
 * and the lease runs out over there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static void leaving_free(struct peer_leaving *leaving)
{
	struct peers *peers = leaving->peers;
	struct peer_leaving **link = &peers->leaving;

	while (*link != leaving)
		link = &(*link)->next;
	*link = leaving->next;
	assert(peers->leaving_count > 0);
	peers->leaving_count--;
	loop_timer_cancel(peers->context->loop, &leaving->timer);
	fabric_peer_put(peers->fabric, leaving->peer);
	free(leaving);
}

/* Repeat the message, or give up. */
static void leaving_again(struct timer *timer)
{
	struct peer_leaving *leaving = container_of(timer, struct peer_leaving, timer);
	struct peers *peers = leaving->peers;
	uint64_t now = rm_now_ns();

	if (now >= leaving->until) {
		leaving_free(leaving);  /* the lease will run out over there */
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
	/*
	 * With a number above those of all its requests, or it would be taken for a late one. A
	 * use of the peer of its own, since the session ends now.
	 */
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
 * The answer is only a hint to stop repeating, so it is not opened. To forge it somebody must have
 * seen the session's number, and gains only that a lease runs out instead of being given back.
 */
void leave_answered(struct peers *peers, const struct peer_head *head)
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

void leaves_free(struct peers *peers)
{
	while (peers->leaving)
		leaving_free(peers->leaving);
}
