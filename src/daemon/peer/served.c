/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_server.c - what other hosts hold of this host's publications
 *
 * For each other host and publication one session: the layers' extents registered under
 * keys of its own, so that they can be closed for it alone. It ends when that host
 * detaches, does not renew, or the publication is dropped; what a dead worker had
 * promised is gone with its keys, and readers then ask again.
 *
 * Nothing is done for whoever cannot seal a request with the publication's secret, but
 * for two short refusals, and of those only so many a second.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "internal.h"

/* ---- answering ---- */

/* Whoever could send to us speaks our protocol: only the address is its own. */
static struct fabric_peer *asker(struct peers *peers, const struct peer_envelope *to)
{
	struct rm_fabric_addr addr = *fabric_addr(peers->fabric);
	struct fabric_peer *peer;
	char why[128];

	addr.length = to->head.address_length;
	memset(addr.name, 0, sizeof(addr.name));
	memcpy(addr.name, to->head.address, addr.length);
	return fabric_peer(peers->fabric, &addr, &peer, why, sizeof(why)) ? NULL : peer;
}

static void reply(struct peers *peers, struct fabric_peer *peer, const struct peer_envelope *to,
                  enum peer_type type, const struct peer_keys *keys, const void *body,
                  size_t size, uint64_t patience)
{
	struct peer_head head = {
		.type = type,
		.session = to->head.session,
		.number = to->head.number,
	};
	struct peer_message message;

	memcpy(head.id, to->head.id, RM_ID_BYTES);
	message.length = peer_seal(&head, keys ? keys->reply : NULL, body, size, message.bytes);
	peer_send(peers, peer, &message, patience);
}

void served_reply(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                  const struct peer_keys *keys, const void *body, size_t size)
{
	struct fabric_peer *peer = asker(peers, to);

	if (!peer)
		return;
	reply(peers, peer, to, type, keys, body, size, keys ? peers->times.answer : PEER_BARE_NS);
	fabric_peer_put(peers->fabric, peer);
}

bool served_gift(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                 const struct peer_keys *keys, const struct peer_part *parts, unsigned count)
{
	struct fabric_peer *peer = asker(peers, to);
	bool room = peer && fabric_room(peers->fabric, peer, count + PEER_PARTS_LEFT);
	unsigned i;

	for (i = 0; room && i < count; i++)
		reply(peers, peer, to, type, keys, parts[i].body, parts[i].size, PEER_BARE_NS);
	if (peer)
		fabric_peer_put(peers->fabric, peer);
	return room;
}

/* The sender's address is only claimed here: a flood must not make us flood somebody else. */
void served_reply_bare(struct peers *peers, const struct peer_envelope *to, enum peer_type type)
{
	uint64_t second = rm_now_ns() / PEER_SECOND;

	if (peers->bare_second != second) {
		peers->bare_second = second;
		peers->bare_count = 0;
	}
	if (peers->bare_count++ < PEER_BARE_RATE)
		served_reply(peers, to, type, NULL, "", 0);
}

void served_refuse(struct peers *peers, const struct peer_envelope *to,
                   const struct peer_keys *keys, int error, const char *text)
{
	struct peer_refused_body body = { .error = (uint32_t)-error };
	uint8_t bytes[PEER_BODY_MAX];

	rm_format(body.text, sizeof(body.text), "%s", text);
	served_reply(peers, to, PEER_REFUSED, keys, bytes, peer_put_refused(&body, bytes));
}

/* ---- sessions ---- */

/* Close its keys and forget it; the store's count is for the caller to lower. */
void served_free(struct peer_served *served)
{
	struct peers *peers = served->peers;
	struct peer_served **link = &peers->served;

	while (*link != served)
		link = &(*link)->next;
	*link = served->next;
	peers->served_count--;
	loop_timer_cancel(peers->context->loop, &served->expiry);
	loop_timer_cancel(peers->context->loop, &served->granting.timer);
	helper_forget(served);
	grant_close(served);
	sodium_memzero(served, sizeof(*served));
	free(served);
	bounds_ended(peers);
}

/* The publication may be dropped by this: keys are closed before its memory goes. */
void served_end(struct peer_served *served)
{
	struct publication *publication = served->publication;

	served_free(served);
	store_release(publication, true);
}

void served_expire(struct timer *timer)
{
	struct peer_served *served = container_of(timer, struct peer_served, expiry);
	char id[9];

	rm_short_id(served->publication->id, id);
	log_line("a host that had publication %s attached stopped renewing its lease", id);
	served_end(served);
}

void served_renewed(struct peer_served *served)
{
	loop_timer(served->peers->context->loop, &served->expiry,
	           rm_now_ns() + served->peers->times.expire);
}

struct peer_served *served_find(struct peers *peers, const struct publication *publication,
                                uint64_t session)
{
	struct peer_served *served;

	for (served = peers->served; served; served = served->next)
		if (served->session == session && served->publication == publication)
			break;
	return served;
}

/* ---- requests ---- */

static void on_renew(struct peers *peers, struct publication *publication,
                     const struct peer_keys *keys, const struct peer_envelope *envelope,
                     const uint8_t *bytes, size_t size)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);
	struct peer_renew_body body;

	if (peer_get_renew(bytes, size, &body))
		return;
	if (!served) {
		served_reply(peers, envelope, PEER_NOT_HELD, keys, "", 0);
		return;
	}
	/* A recorded renewal, played back, keeps no lease alive. */
	if (envelope->head.number <= served->number)
		return;
	served->number = envelope->head.number;
	served->heard = true;
	served_renewed(served);
	if (body.have_table)
		grant_blob_close(served);
	served->whole |= body.complete;
	if (body.complete && !served->granting.active)
		grant_release(served);
	served_reply(peers, envelope, PEER_RENEWED, keys, "", 0);
}

/* The session holds the publication: each is only counted. */
static uint32_t admit_more(struct publication *publication, uint32_t wanted)
{
	uint32_t count = 0;

	while (count < wanted && !store_admit(publication, publication->secret, true, false)) {
		store_admitted(publication);
		store_release(publication, true);
		count++;
	}
	return count;
}

/*
 * A request that is repeated counts once and gets the same answer; one from before this
 * session was made (our worker was replaced) has to be asked anew.
 */
static void on_admit(struct peers *peers, struct publication *publication,
                     const struct peer_keys *keys, const struct peer_envelope *envelope,
                     const uint8_t *bytes, size_t size)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);
	uint64_t number = envelope->head.number;
	struct peer_admit_body body;
	uint8_t out[4];

	if (peer_get_admit(bytes, size, &body))
		return;
	if (!served || number <= served->first) {
		served_reply(peers, envelope, PEER_NOT_HELD, keys, "", 0);
		return;
	}
	if (number < served->more_number)
		return;
	if (number > served->more_number) {
		served->more_number = number;
		served->heard = true;
		served->more_count = move_admits(peers->nets, publication, served->host)
		                     ? 1 : admit_more(publication, body.count);
		served_renewed(served);
	}
	body.count = served->more_count;
	if (body.count)
		served_reply(peers, envelope, PEER_ADMITTED, keys, out, peer_put_admit(&body, out));
	else
		served_refuse(peers, envelope, keys, -ENOENT, served_refusal(-ENOENT));
}

static void on_detach(struct peers *peers, struct publication *publication,
                      const struct peer_keys *keys, const struct peer_envelope *envelope)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);

	served_reply(peers, envelope, PEER_DETACHED, keys, "", 0);
	if (served && envelope->head.number > served->number)
		served_end(served);     /* after which publication may be gone */
}

void served_request(struct peers *peers, const void *message, const struct peer_envelope *envelope)
{
	struct publication *publication = store_find(peers->nets->store, envelope->head.id);
	uint8_t body[FABRIC_MESSAGE_MAX];
	struct peer_keys keys;
	size_t size = 0;

	if (!publication) {
		served_reply_bare(peers, envelope, PEER_GONE);
		return;
	}
	peer_keys_derive(publication->secret, &keys);
	if (peer_open_request(message, envelope, keys.request, body, &size))
		served_reply_bare(peers, envelope, PEER_DENIED);
	else if (envelope->head.type == PEER_ATTACH)
		served_attach(peers, publication, &keys, envelope, body, size);
	else if (envelope->head.type == PEER_RENEW)
		on_renew(peers, publication, &keys, envelope, body, size);
	else if (envelope->head.type == PEER_ADMIT)
		on_admit(peers, publication, &keys, envelope, body, size);
	else
		on_detach(peers, publication, &keys, envelope);
	sodium_memzero(&keys, sizeof(keys));
}

/*
 * Closing keys stops who reads here. Who reads from a helper, and the helper, would learn of it
 * when they renew: they are told, as an answer to what they said last.
 */
static void tell_gone(const struct peer_served *served)
{
	struct peer_envelope to = { .head.session = served->session,
	                            .head.number = served->number };

	memcpy(to.head.id, served->publication->id, RM_ID_BYTES);
	to.head.address_length = served->address_length;
	memcpy(to.head.address, served->address, served->address_length);
	served_reply(served->peers, &to, PEER_GONE, NULL, "", 0);
}

/* From the store, which sees to its counts itself. */
void peers_drop(struct nets *nets, struct publication *publication)
{
	struct peer_served *served, *next;
	struct peers *peers;

	for (peers = nets->first; peers; peers = peers->next) {
		for (served = peers->served; served; served = served->next)
			if (served->publication == publication && (served->helper || served->helped))
				tell_gone(served);
		for (served = peers->served; served; served = next) {
			next = served->next;
			if (served->publication == publication)
				served_free(served);
		}
	}
}

void served_free_all(struct peers *peers)
{
	while (peers->served)
		served_free(peers->served);
}
