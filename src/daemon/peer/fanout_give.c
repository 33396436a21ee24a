/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_relay.c - pages of another host's publication, passed on to another reader's host
 *
 * Who asks must seal his request with the publication's secret. Pages that are here, or will
 * be, since all are being fetched, are registered for him under a key of their own until he
 * has read them; others are refused at once. Nothing is kept for anybody: when this host lets
 * the publication go, or has lost it, the keys are closed, and the other host reads from the
 * publisher's.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define RELAYS_MAX 256          /* hosts and publications */
#define GRANTS_MAX 32           /* of each, waiting or registered: of 1 MiB at most */
#define WAIT_NS (2 * PEER_SECOND)       /* pages that have not come by then: no */

struct peer_grant {
	struct peer_relay *relay;
	uint64_t number;
	struct page_wait waiter;    /* for these pages */
	bool waiting;
	struct timer timer;
	struct fabric_region region;
	struct peer_grant *next;
};

struct peer_relay {             /* one asker's session */
	struct peers *peers;
	struct remote *remote;
	struct peer_envelope to;        /* its last request's head */
	struct peer_keys keys;
	struct peer_grant *grants;
	unsigned count;
	struct timer expiry;
	struct peer_relay *next;
};

static const struct page_source *source_of(const struct peer_relay *relay)
{
	return relay->peers->nets->source;
}

static void grant_free(struct peer_grant *grant)
{
	struct peer_relay *relay = grant->relay;
	struct peer_grant **link = &relay->grants;

	while (*link != grant)
		link = &(*link)->next;
	*link = grant->next;
	relay->count--;
	loop_timer_cancel(relay->peers->context->loop, &grant->timer);
	if (grant->waiting)
		source_of(relay)->forget(relay->remote, &grant->waiter);
	fabric_unregister(relay->peers->fabric, &grant->region);
	free(grant);
}

static void relay_free(struct peer_relay *relay)
{
	struct peers *peers = relay->peers;
	struct peer_relay **link = &peers->relays;

	while (*link != relay)
		link = &(*link)->next;
	*link = relay->next;
	peers->relay_count--;
	while (relay->grants)
		grant_free(relay->grants);
	loop_timer_cancel(peers->context->loop, &relay->expiry);
	sodium_memzero(relay, sizeof(*relay));
	free(relay);
}

static void expire(struct timer *timer)
{
	relay_free(container_of(timer, struct peer_relay, expiry));
}

static void answer(struct peer_relay *relay, uint64_t number, const struct peer_granted_body *body)
{
	struct peer_envelope to = relay->to;
	uint8_t bytes[32];

	to.head.number = number;
	served_reply(relay->peers, &to, PEER_GRANTED, &relay->keys, bytes,
	             peer_put_granted(body, bytes));
}

static void refuse(struct peer_grant *grant)
{
	answer(grant->relay, grant->number, &(struct peer_granted_body){ .here = false });
	grant_free(grant);
}

static void too_late(struct timer *timer)
{
	refuse(container_of(timer, struct peer_grant, timer));
}

static void arrived(struct page_wait *waiter, int error)
{
	struct peer_grant *grant = container_of(waiter, struct peer_grant, waiter);
	struct peer_relay *relay = grant->relay;
	struct peer_granted_body body = { .here = true };
	uint64_t length = waiter->count * RM_PAGE;

	grant->waiting = false;
	loop_timer_cancel(relay->peers->context->loop, &grant->timer);
	if (!error)
		error = fabric_register(relay->peers->fabric,
		                        source_of(relay)->data(relay->remote, waiter->layer,
		                                               waiter->page),
		                        length, &grant->region);
	if (error) {
		refuse(grant);
		return;
	}
	body.base = grant->region.base;
	body.key = grant->region.key;
	source_of(relay)->passed(relay->remote, length);
	answer(relay, grant->number, &body);
}

static void want(struct peer_relay *relay, const struct peer_pages_body *body)
{
	struct peer_grant *grant = relay->count < GRANTS_MAX ? calloc(1, sizeof(*grant)) : NULL;

	if (!grant) {
		answer(relay, relay->to.head.number, &(struct peer_granted_body){ .here = false });
		return;
	}
	grant->relay = relay;
	grant->number = relay->to.head.number;
	grant->waiter.layer = body->layer;
	grant->waiter.page = body->page;
	grant->waiter.count = body->count;
	grant->waiter.done = arrived;
	grant->timer.fire = too_late;
	grant->next = relay->grants;
	relay->grants = grant;
	relay->count++;
	grant->waiting = true;
	loop_timer(relay->peers->context->loop, &grant->timer, rm_now_ns() + WAIT_NS);
	if (source_of(relay)->fetch(relay->remote, &grant->waiter)) {
		grant->waiting = false;
		refuse(grant);
	}
}

static void give_back(struct peer_relay *relay, const struct peer_pages_body *body)
{
	struct peer_grant *grant, *next;
	uint32_t i;

	for (grant = relay->grants; grant; grant = next) {
		next = grant->next;
		for (i = 0; i < body->done_count && body->done[i] != grant->number; i++)
			;
		if (i < body->done_count)
			grant_free(grant);
	}
}

static struct peer_relay *relay_new(struct peers *peers, struct remote *remote,
                                    const struct peer_keys *keys)
{
	struct peer_relay *relay = peers->relay_count < RELAYS_MAX ? calloc(1, sizeof(*relay)) : NULL;

	if (!relay)
		return NULL;
	relay->peers = peers;
	relay->remote = remote;
	relay->keys = *keys;
	relay->expiry.fire = expire;
	relay->next = peers->relays;
	peers->relays = relay;
	peers->relay_count++;
	return relay;
}

static void on_want(struct peers *peers, struct remote *remote, const struct peer_keys *keys,
                    const struct peer_envelope *envelope, const struct peer_pages_body *body)
{
	const struct peer_head *head = &envelope->head;
	struct peer_relay *relay = peers->relays;

	while (relay && (relay->to.head.session != head->session || relay->remote != remote))
		relay = relay->next;
	if (!relay && !body->count)
		return;
	if (!relay)
		relay = relay_new(peers, remote, keys);
	if (!relay || head->number <= relay->to.head.number)
		return;                 /* the other side gives up, or it was played back */
	relay->to.head = *head;
	loop_timer(peers->context->loop, &relay->expiry, rm_now_ns() + peers->times.expire);
	give_back(relay, body);
	if (body->leave)
		relay_free(relay);
	else if (body->count)
		want(relay, body);
}

void relay_request(struct peers *peers, const void *message, const struct peer_envelope *envelope)
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
		on_want(peers, remote, &keys, envelope, &wanted);
	sodium_memzero(&keys, sizeof(keys));
}

void peers_relay_drop(struct nets *nets, struct remote *remote)
{
	struct peer_relay *relay, *next;
	struct peers *peers;

	for (peers = nets->first; peers; peers = peers->next) {
		for (relay = peers->relays; relay; relay = next) {
			next = relay->next;
			if (relay->remote == remote)
				relay_free(relay);
		}
	}
}

void relays_free(struct peers *peers)
{
	while (peers->relays)
		relay_free(peers->relays);
}
