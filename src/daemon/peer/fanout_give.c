/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fanout_give.c - passes pages of another host's publication on to another reader's host
 *
 * The host that asks must seal its request with the publication's secret. Pages that are here, or
 * will be because all pages are being fetched, are registered under a key of their own until that
 * host has read them. Others are refused at once. Nothing is kept here for another host: when this
 * host lets the publication go, or loses it, the keys are closed, and the other host reads from the
 * publisher's host.
 *
 * Worker thread only. Allocates its records with malloc; without memory a request is refused.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"

#define GIVES_MAX 256           /* sessions: one for each asking host and publication */
#define GRANTS_MAX 32           /* grants of one session, of 1 MiB at most each */
#define WAIT_NS (2 * PEER_SECOND)       /* pages that have not come by then are refused */

/* One run of pages that was asked for: waited for, or registered. */
struct fanout_grant {
	struct fanout_give *give;
	uint64_t number;                /* of the request; the asking host gives it back by this */
	struct page_wait waiter;
	bool waiting;                   /* waiter is with the page source, and the timer runs */
	struct timer timer;
	struct fabric_region region;    /* registered if not waiting */
	struct fanout_grant *next;
};

/* The session of one asking host. In peers->gives. */
struct fanout_give {
	struct peers *peers;
	struct remote *remote;
	struct peer_envelope to;        /* only the head is set: of the last request taken */
	struct peer_keys keys;
	struct fanout_grant *grants;
	unsigned count;                 /* their number; <= GRANTS_MAX */
	struct timer expiry;            /* it ends if no request comes for long */
	struct fanout_give *next;
};

static const struct page_source *give_source(const struct fanout_give *give)
{
	return give->peers->nets->source;
}

/* End the wait, or close the key. */
static void give_grant_free(struct fanout_grant *grant)
{
	struct fanout_give *give = grant->give;
	struct fanout_grant **link = &give->grants;

	while (*link != grant)
		link = &(*link)->next;
	assert(give->count > 0);
	*link = grant->next;
	give->count--;
	loop_timer_cancel(give->peers->context->loop, &grant->timer);
	if (grant->waiting)
		give_source(give)->forget(give->remote, &grant->waiter);
	fabric_unregister(give->peers->fabric, &grant->region);
	free(grant);
}

/* The session ends: all its keys are closed. */
static void give_free(struct fanout_give *give)
{
	struct peers *peers = give->peers;
	struct fanout_give **link = &peers->gives;

	while (*link != give)
		link = &(*link)->next;
	assert(peers->give_count > 0);
	*link = give->next;
	peers->give_count--;
	while (give->grants)
		give_grant_free(give->grants);
	loop_timer_cancel(peers->context->loop, &give->expiry);
	sodium_memzero(give, sizeof(*give));
	free(give);
}

static void give_expire(struct timer *timer)
{
	give_free(container_of(timer, struct fanout_give, expiry));
}

static void give_answer(struct fanout_give *give, uint64_t number,
                        const struct peer_granted_body *body)
{
	struct peer_envelope to = give->to;
	uint8_t bytes[32];

	to.head.number = number;
	served_reply(give->peers, &to, PEER_GRANTED, &give->keys, bytes,
	             peer_put_granted(body, bytes));
}

/* Answer that the pages are not here, and free the grant. */
static void give_grant_refuse(struct fanout_grant *grant)
{
	give_answer(grant->give, grant->number, &(struct peer_granted_body){ .here = false });
	give_grant_free(grant);
}

static void give_grant_late(struct timer *timer)
{
	give_grant_refuse(container_of(timer, struct fanout_grant, timer));
}

/* The pages are here, or (error) will not come: register them and answer. */
static void give_grant_arrived(struct page_wait *waiter, int error)
{
	struct fanout_grant *grant = container_of(waiter, struct fanout_grant, waiter);
	struct fanout_give *give = grant->give;
	struct peer_granted_body body = { .here = true };
	uint64_t length = waiter->count * RM_PAGE;

	assert(grant->waiting);
	grant->waiting = false;
	loop_timer_cancel(give->peers->context->loop, &grant->timer);
	if (!error)
		error = fabric_register(give->peers->fabric,
		                        give_source(give)->data(give->remote, waiter->layer,
		                                                waiter->page),
		                        length, &grant->region);
	if (error) {
		give_grant_refuse(grant);
		return;
	}
	body.base = grant->region.base;
	body.key = grant->region.key;
	give_source(give)->passed(give->remote, length);
	give_answer(give, grant->number, &body);
}

/* Pages are wanted: register them when they are here. */
static void give_grant_new(struct fanout_give *give, const struct peer_pages_body *body)
{
	struct fanout_grant *grant = give->count < GRANTS_MAX ? calloc(1, sizeof(*grant)) : NULL;

	if (!grant) {
		give_answer(give, give->to.head.number,
		            &(struct peer_granted_body){ .here = false });
		return;
	}
	grant->give = give;
	grant->number = give->to.head.number;
	grant->waiter.layer = body->layer;
	grant->waiter.page = body->page;
	grant->waiter.count = body->count;
	grant->waiter.done = give_grant_arrived;
	grant->timer.fire = give_grant_late;
	grant->next = give->grants;
	give->grants = grant;
	give->count++;
	grant->waiting = true;
	loop_timer(give->peers->context->loop, &grant->timer, rm_now_ns() + WAIT_NS);
	/*
	 * done() may be called from here, and may free the grant: it is only touched again after
	 * an error, which means that done() is not called.
	 */
	if (give_source(give)->fetch(give->remote, &grant->waiter)) {
		grant->waiting = false;
		give_grant_refuse(grant);
	}
}

/* Close the keys that the asking host does not need any more. */
static void give_take_back(struct fanout_give *give, const struct peer_pages_body *body)
{
	struct fanout_grant *grant, *next;
	uint32_t i;

	for (grant = give->grants; grant; grant = next) {
		next = grant->next;
		for (i = 0; i < body->done_count && body->done[i] != grant->number; i++)
			;
		if (i < body->done_count)
			give_grant_free(grant);
	}
}

/* NULL: too many sessions, or no memory. */
static struct fanout_give *give_new(struct peers *peers, struct remote *remote,
                                    const struct peer_keys *keys)
{
	struct fanout_give *give = peers->give_count < GIVES_MAX ? calloc(1, sizeof(*give)) : NULL;

	if (!give)
		return NULL;
	give->peers = peers;
	give->remote = remote;
	give->keys = *keys;
	give->expiry.fire = give_expire;
	give->next = peers->gives;
	peers->gives = give;
	peers->give_count++;
	return give;
}

/* An opened request: find or make the session, close what is given back, grant what is wanted. */
static void give_on_want(struct peers *peers, struct remote *remote, const struct peer_keys *keys,
                         const struct peer_envelope *envelope, const struct peer_pages_body *body)
{
	const struct peer_head *head = &envelope->head;
	struct fanout_give *give = peers->gives;

	while (give && (give->to.head.session != head->session || give->remote != remote))
		give = give->next;
	if (!give && !body->count)
		return;
	if (!give)
		give = give_new(peers, remote, keys);
	if (!give || head->number <= give->to.head.number)
		return;                 /* too many sessions, or a late or replayed request */
	give->to.head = *head;
	loop_timer(peers->context->loop, &give->expiry, rm_now_ns() + peers->times.expire);
	give_take_back(give, body);
	if (body->leave)
		give_free(give);
	else if (body->count)
		give_grant_new(give, body);
}

void fanout_give_request(struct peers *peers, const void *message,
                         const struct peer_envelope *envelope)
{
	const struct page_source *source = peers->nets->source;
	uint8_t body[FABRIC_MESSAGE_MAX];
	const uint8_t *secret = NULL;
	struct peer_pages_body wanted;
	struct remote *remote = NULL;
	struct peer_keys keys;
	size_t size = 0;

	if (source)
		remote = source->find(peers->nets->source_arg, peers->fabric, envelope->head.id,
		                      &secret);
	if (!remote) {
		served_reply_bare(peers, envelope, PEER_GONE);
		return;
	}
	peer_keys_derive(secret, &keys);
	if (peer_open_request(message, envelope, keys.request, body, &size))
		served_reply_bare(peers, envelope, PEER_DENIED);
	else if (!peer_get_pages(body, size, &wanted))
		give_on_want(peers, remote, &keys, envelope, &wanted);
	sodium_memzero(&keys, sizeof(keys));
}

void fanout_give_drop(struct nets *nets, struct remote *remote)
{
	struct fanout_give *give, *next;
	struct peers *peers;

	for (peers = nets->first; peers; peers = peers->next) {
		for (give = peers->gives; give; give = next) {
			next = give->next;
			if (give->remote == remote)
				give_free(give);
		}
	}
}

void fanout_gives_free(struct peers *peers)
{
	while (peers->gives)
		give_free(peers->gives);
}
