/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fanout_ask.c - asks another reader's host, the helper, for pages
 *
 * A read cannot see whether a page is present. So each run of pages is asked for by a message
 * before it is read, and its key is given back with a later message. A helper that does not get
 * the pages in time answers so. A helper that does not answer is given up for good, and its pages
 * are read from the publisher's host.
 *
 * Worker thread only. Allocates struct fanout_ask with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define ASKED_MAX 8             /* unanswered wants: far below the sends of one peer */
#define ANSWER_NS (3 * PEER_SECOND)
#define AGAIN_NS 1000000ull     /* until a message that could not be sent is tried again */

/* The requests to one helper for one publication. In peers->asks. */
struct fanout_ask {
	struct peers *peers;
	struct fabric_peer *peer;
	uint8_t id[RM_ID_BYTES];
	struct peer_keys keys;
	uint64_t session;               /* random; ours, the helper keeps our keys under it */
	uint64_t number;                /* of the last request that was sent */
	struct fanout_want *asked;      /* sent and unanswered */
	unsigned asked_count;           /* their number; <= ASKED_MAX */
	struct fanout_want *first, **last;      /* not sent yet, in order */
	uint64_t done[PEER_DONE_MAX];   /* numbers whose keys are to be given back: done_count */
	unsigned done_count;
	struct timer timer;             /* the next deadline or retry */
	bool stopped;                   /* nothing is sent any more, and all wants fail */
	unsigned hold;                  /* calls of granted() under way: it may not be freed */
	bool ended;                     /* to be freed when hold is 0 */
	struct fanout_ask *next;
};

/* False: it could not be sent now. */
static bool ask_send(struct fanout_ask *ask, struct peer_pages_body *body)
{
	struct peer_message message;
	uint8_t bytes[PEER_BODY_MAX];

	body->done_count = ask->done_count;
	memcpy(body->done, ask->done, sizeof(body->done));
	if (!peer_request(ask->peers, PEER_PAGES, ask->id, ask->session, ask->number + 1,
	                  ask->keys.request, bytes, peer_put_pages(body, bytes), &message) ||
	    fabric_send(ask->peers->fabric, ask->peer, message.bytes, message.length,
	                rm_now_ns() + ANSWER_NS))
		return false;
	ask->number++;
	ask->done_count = 0;
	return true;
}

/* The timer fires at the earliest of the times set. */
static void ask_set_timer(struct fanout_ask *ask, uint64_t at)
{
	if (!ask->timer.index || at < ask->timer.at)
		loop_timer(ask->peers->context->loop, &ask->timer, at);
}

/* Send as many wants as may be unanswered. */
static void ask_send_wants(struct fanout_ask *ask)
{
	struct fanout_want *want;

	while ((want = ask->first) && ask->asked_count < ASKED_MAX && !ask->stopped) {
		struct peer_pages_body body = { .layer = want->layer, .count = want->count,
		                               .page = want->page };

		if (!ask_send(ask, &body)) {
			ask_set_timer(ask, rm_now_ns() + AGAIN_NS);
			return;
		}
		ask->first = want->next;
		if (!ask->first)
			ask->last = &ask->first;
		want->number = ask->number;
		want->deadline = rm_now_ns() + ANSWER_NS;
		want->next = ask->asked;
		ask->asked = want;
		ask->asked_count++;
		ask_set_timer(ask, want->deadline);
	}
}

/* hold is 0, or the fabric is about to be closed. */
static void ask_free(struct fanout_ask *ask)
{
	struct peers *peers = ask->peers;
	struct fanout_ask **link = &peers->asks;

	while (*link != ask)
		link = &(*link)->next;
	*link = ask->next;
	loop_timer_cancel(peers->context->loop, &ask->timer);
	fabric_peer_put(peers->fabric, ask->peer);
	sodium_memzero(ask, sizeof(*ask));
	free(ask);
}

/* A call of granted() has returned; it may have ended the ask. */
static void ask_release(struct fanout_ask *ask)
{
	assert(ask->hold > 0);
	if (!--ask->hold && ask->ended)
		ask_free(ask);
}

/* Fail all wants, sent or not. granted() may end the ask. */
static void ask_fail_all(struct fanout_ask *ask)
{
	struct fanout_want *want;

	/* One at a time from the head: granted() may end the ask, which empties both lists. */
	ask->stopped = true;
	ask->hold++;
	while ((want = ask->asked ? ask->asked : ask->first)) {
		if (ask->asked)
			ask->asked = want->next;
		else
			ask->first = want->next;
		want->granted(want, -EHOSTUNREACH, 0, 0);
	}
	ask->last = &ask->first;
	ask->asked_count = 0;
	ask_release(ask);
}

static void ask_tick(struct timer *timer)
{
	struct fanout_ask *ask = container_of(timer, struct fanout_ask, timer);
	uint64_t now = rm_now_ns(), next = UINT64_MAX;
	const struct fanout_want *want;
	bool late = false;

	for (want = ask->asked; want; want = want->next) {
		late |= want->deadline <= now;
		next = want->deadline < next ? want->deadline : next;
	}
	if (late || ask->stopped) {
		ask_fail_all(ask);
		return;
	}
	if (next != UINT64_MAX)
		ask_set_timer(ask, next);
	ask_send_wants(ask);
}

struct fanout_ask *fanout_ask_new(struct peer_session *session, const struct rm_fabric_addr *helper)
{
	struct peers *peers = session->peers;
	struct fanout_ask *ask = calloc(1, sizeof(*ask));
	char why[200];

	if (!ask)
		return NULL;
	if (fabric_peer(peers->fabric, helper, &ask->peer, why, sizeof(why))) {
		free(ask);
		return NULL;
	}
	ask->peers = peers;
	memcpy(ask->id, session->handle.id, RM_ID_BYTES);
	ask->keys = session->keys;
	randombytes_buf(&ask->session, sizeof(ask->session));
	ask->last = &ask->first;
	ask->timer.fire = ask_tick;
	ask->next = peers->asks;
	peers->asks = ask;
	return ask;
}

void fanout_ask_for(struct fanout_ask *ask, struct fanout_want *want)
{
	want->next = NULL;
	*ask->last = want;
	ask->last = &want->next;
	if (ask->stopped)
		ask_set_timer(ask, rm_now_ns());
	else
		ask_send_wants(ask);
}

void fanout_ask_done(struct fanout_ask *ask, uint64_t number)
{
	struct peer_pages_body body = { .count = 0 };

	if (ask->done_count == PEER_DONE_MAX)
		return;                 /* no message gets through: the helper closes it in time */
	ask->done[ask->done_count++] = number;
	/* Numbers go along with the next want. If none comes, they are sent by themselves. */
	if (!ask->stopped && ask->done_count > PEER_DONE_MAX / 2)
		ask_send(ask, &body);
}

void fanout_ask_stop(struct fanout_ask *ask)
{
	ask->stopped = true;
	ask_set_timer(ask, rm_now_ns());
}

struct fabric_peer *fanout_ask_peer(struct fanout_ask *ask)
{
	return ask->peer;
}

/* If the last message is lost, the helper closes our keys when its session expires. */
void fanout_ask_end(struct fanout_ask *ask)
{
	struct peer_pages_body body = { .leave = true };

	if (!ask->stopped)
		ask_send(ask, &body);
	ask->stopped = ask->ended = true;
	ask->asked = ask->first = NULL;
	loop_timer_cancel(ask->peers->context->loop, &ask->timer);
	/* Freed now, unless granted() is on the stack: then when it returns. */
	ask->hold++;
	ask_release(ask);
}

/* The helper has answered a want. granted() may end the ask. */
static void ask_answered(struct fanout_ask *ask, uint64_t number,
                         const struct peer_granted_body *body)
{
	struct fanout_want **at = &ask->asked, *want;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	want = *at;
	if (!want)
		return;
	assert(ask->asked_count > 0);
	*at = want->next;
	ask->asked_count--;
	ask->hold++;
	want->granted(want, body->here ? 0 : -ENODATA, body->base, body->key);
	if (!ask->ended)
		ask_send_wants(ask);
	ask_release(ask);
}

bool fanout_ask_answer(struct peers *peers, const void *message,
                       const struct peer_envelope *envelope)
{
	const struct peer_head *head = &envelope->head;
	uint8_t body[FABRIC_MESSAGE_MAX];
	struct peer_granted_body granted;
	struct fanout_ask *ask = peers->asks;
	size_t size = 0;

	while (ask && (ask->session != head->session || memcmp(ask->id, head->id, RM_ID_BYTES)))
		ask = ask->next;
	if (!ask)
		return false;
	/* Whoever forges this bare refusal only makes us read from the publisher's host. */
	if (!peer_type_sealed(head->type))
		fanout_ask_stop(ask);
	else if (head->type == PEER_GRANTED &&
	         !peer_open(message, envelope, ask->keys.reply, body, &size) &&
	         !peer_get_granted(body, size, &granted))
		ask_answered(ask, head->number, &granted);
	return true;
}

void fanout_asks_free(struct peers *peers)
{
	while (peers->asks)
		ask_free(peers->asks);
}
