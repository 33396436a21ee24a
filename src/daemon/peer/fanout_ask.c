/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_asker.c - pages asked of another reader's host
 *
 * A read cannot see whether a page is there, so each run of pages is asked for by a message
 * before it is read, and its key given back with a later one. A helper that is slow to have
 * them says so; one that says nothing is given up for good, and its pages are read from the
 * publisher's host.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ASKED_MAX 8             /* a peer may have 16 messages on their way to it */
#define ANSWER_NS (3 * PEER_SECOND)
#define AGAIN_NS 1000000ull     /* a message could not be sent: when to try again */

struct peer_asker {
	struct peers *peers;
	struct fabric_peer *peer;
	uint8_t id[RM_ID_BYTES];
	struct peer_keys keys;
	uint64_t session, number;
	struct peer_ask *asked;        /* unanswered */
	unsigned asked_count;
	struct peer_ask *first, **last;        /* to be asked */
	uint64_t done[PEER_DONE_MAX];
	unsigned done_count;
	struct timer timer;
	bool stopped;
	unsigned hold;                  /* callbacks under way: do not free */
	bool ended;
	struct peer_asker *next;
};

static bool say(struct peer_asker *asker, struct peer_pages_body *body)
{
	struct peer_message message;
	uint8_t bytes[PEER_BODY_MAX];

	body->done_count = asker->done_count;
	memcpy(body->done, asker->done, sizeof(body->done));
	if (!peer_request(asker->peers, PEER_PAGES, asker->id, asker->session, asker->number + 1,
	                  asker->keys.request, bytes, peer_put_pages(body, bytes), &message) ||
	    fabric_send(asker->peers->fabric, asker->peer, message.bytes, message.length,
	                rm_now_ns() + ANSWER_NS))
		return false;
	asker->number++;
	asker->done_count = 0;
	return true;
}

static void set_timer(struct peer_asker *asker, uint64_t at)
{
	if (!asker->timer.index || at < asker->timer.at)
		loop_timer(asker->peers->context->loop, &asker->timer, at);
}

static void pump(struct peer_asker *asker)
{
	struct peer_ask *want;

	while ((want = asker->first) && asker->asked_count < ASKED_MAX && !asker->stopped) {
		struct peer_pages_body body = { .layer = want->layer, .count = want->count,
		                               .page = want->page };

		if (!say(asker, &body)) {
			set_timer(asker, rm_now_ns() + AGAIN_NS);
			return;
		}
		asker->first = want->next;
		if (!asker->first)
			asker->last = &asker->first;
		want->number = asker->number;
		want->deadline = rm_now_ns() + ANSWER_NS;
		want->next = asker->asked;
		asker->asked = want;
		asker->asked_count++;
		set_timer(asker, want->deadline);
	}
}

static void asker_free(struct peer_asker *asker)
{
	struct peers *peers = asker->peers;
	struct peer_asker **link = &peers->askers;

	while (*link != asker)
		link = &(*link)->next;
	*link = asker->next;
	loop_timer_cancel(peers->context->loop, &asker->timer);
	fabric_peer_put(peers->fabric, asker->peer);
	sodium_memzero(asker, sizeof(*asker));
	free(asker);
}

static void unhold(struct peer_asker *asker)
{
	if (!--asker->hold && asker->ended)
		asker_free(asker);
}

/* All that was asked, or was to be: granted() may end the asker. */
static void fail_all(struct peer_asker *asker)
{
	struct peer_ask *want;

	asker->stopped = true;
	asker->hold++;
	while ((want = asker->asked ? asker->asked : asker->first)) {
		if (asker->asked)
			asker->asked = want->next;
		else
			asker->first = want->next;
		want->granted(want, -EHOSTUNREACH, 0, 0);
	}
	asker->last = &asker->first;
	asker->asked_count = 0;
	unhold(asker);
}

static void tick(struct timer *timer)
{
	struct peer_asker *asker = container_of(timer, struct peer_asker, timer);
	uint64_t now = rm_now_ns(), next = UINT64_MAX;
	const struct peer_ask *want;
	bool late = false;

	for (want = asker->asked; want; want = want->next) {
		late |= want->deadline <= now;
		next = want->deadline < next ? want->deadline : next;
	}
	if (late || asker->stopped) {
		fail_all(asker);
		return;
	}
	if (next != UINT64_MAX)
		set_timer(asker, next);
	pump(asker);
}

struct peer_asker *peer_asker_new(struct peer_session *session, const struct rm_fabric_addr *helper)
{
	struct peers *peers = session->peers;
	struct peer_asker *asker = calloc(1, sizeof(*asker));
	char why[200];

	if (!asker)
		return NULL;
	if (fabric_peer(peers->fabric, helper, &asker->peer, why, sizeof(why))) {
		free(asker);
		return NULL;
	}
	asker->peers = peers;
	memcpy(asker->id, session->handle.id, RM_ID_BYTES);
	asker->keys = session->keys;
	randombytes_buf(&asker->session, sizeof(asker->session));
	asker->last = &asker->first;
	asker->timer.fire = tick;
	asker->next = peers->askers;
	peers->askers = asker;
	return asker;
}

void peer_ask(struct peer_asker *asker, struct peer_ask *want)
{
	want->next = NULL;
	*asker->last = want;
	asker->last = &want->next;
	if (asker->stopped)
		set_timer(asker, rm_now_ns());
	else
		pump(asker);
}

void peer_asked(struct peer_asker *asker, uint64_t number)
{
	struct peer_pages_body body = { .count = 0 };

	if (asker->done_count == PEER_DONE_MAX)
		return;                 /* no message gets through: it notices by itself */
	asker->done[asker->done_count++] = number;
	/* They go along with what is asked; without that, by themselves. */
	if (!asker->stopped && asker->done_count > PEER_DONE_MAX / 2)
		say(asker, &body);
}

void peer_asker_stop(struct peer_asker *asker)
{
	asker->stopped = true;
	set_timer(asker, rm_now_ns());
}

struct fabric_peer *peer_asker_peer(struct peer_asker *asker)
{
	return asker->peer;
}

/* If the goodbye is lost, its keys over there end when nothing is heard of it for long. */
void peer_asker_end(struct peer_asker *asker)
{
	struct peer_pages_body body = { .leave = true };

	if (!asker->stopped)
		say(asker, &body);
	asker->stopped = asker->ended = true;
	asker->asked = asker->first = NULL;
	loop_timer_cancel(asker->peers->context->loop, &asker->timer);
	asker->hold++;
	unhold(asker);
}

static void answered(struct peer_asker *asker, uint64_t number,
                     const struct peer_granted_body *body)
{
	struct peer_ask **at = &asker->asked, *want;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	want = *at;
	if (!want)
		return;
	*at = want->next;
	asker->asked_count--;
	asker->hold++;
	want->granted(want, body->here ? 0 : -ENODATA, body->base, body->key);
	if (!asker->ended)
		pump(asker);
	unhold(asker);
}

bool asker_answer(struct peers *peers, const void *message, const struct peer_envelope *envelope)
{
	const struct peer_head *head = &envelope->head;
	uint8_t body[FABRIC_MESSAGE_MAX];
	struct peer_granted_body granted;
	struct peer_asker *asker = peers->askers;
	size_t size = 0;

	while (asker && (asker->session != head->session || memcmp(asker->id, head->id, RM_ID_BYTES)))
		asker = asker->next;
	if (!asker)
		return false;
	/* Who forges this bare one gains that the publisher's host is read instead. */
	if (!peer_type_sealed(head->type))
		peer_asker_stop(asker);
	else if (head->type == PEER_GRANTED &&
	         !peer_open(message, envelope, asker->keys.reply, body, &size) &&
	         !peer_get_granted(body, size, &granted))
		answered(asker, head->number, &granted);
	return true;
}

void askers_free(struct peers *peers)
{
	while (peers->askers)
		asker_free(peers->askers);
}
