/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served.c - what other hosts hold of this host's publications
 *
 * For each other host and publication there is one session. It has keys of its own, so that they
 * can be closed for it alone. It ends when that host detaches, does not renew, or the publication
 * is dropped. The sessions of a worker that died are gone with its keys; readers then ask again.
 *
 * Worker thread only.
 */
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "served.h"

/* ---- answering ---- */

/*
 * The peer that sent a request; NULL: its address cannot be used. A host that could send to us has
 * our provider and protocol, so only the address is taken from the message.
 */
static struct fabric_peer *envelope_peer(struct peers *peers, const struct peer_envelope *to)
{
	struct rm_fabric_addr addr = *fabric_addr(peers->fabric);
	struct fabric_peer *peer;
	char why[128];

	addr.length = to->head.address_length;
	memset(addr.name, 0, sizeof(addr.name));
	memcpy(addr.name, to->head.address, addr.length);
	return fabric_peer(peers->fabric, &addr, &peer, why, sizeof(why)) ? NULL : peer;
}

/* Send an answer to the request that to is the envelope of. */
static void envelope_reply(struct peers *peers, struct fabric_peer *peer,
                           const struct peer_envelope *to, enum peer_type type,
                           const struct peer_keys *keys, const void *body, size_t size,
                           uint64_t patience)
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
	struct fabric_peer *peer = envelope_peer(peers, to);

	if (!peer)
		return;
	envelope_reply(peers, peer, to, type, keys, body, size,
	               keys ? peers->times.answer : PEER_BARE_NS);
	fabric_peer_put(peers->fabric, peer);
}

bool served_gift(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                 const struct peer_keys *keys, const struct peer_part *parts, unsigned count)
{
	struct fabric_peer *peer = envelope_peer(peers, to);
	bool room = peer && fabric_room(peers->fabric, peer, count + PEER_PARTS_LEFT);
	unsigned i;

	for (i = 0; room && i < count; i++)
		envelope_reply(peers, peer, to, type, keys, parts[i].body, parts[i].size,
		               PEER_BARE_NS);
	if (peer)
		fabric_peer_put(peers->fabric, peer);
	return room;
}

/* The sender's address is not proved: a flood of requests must not make us flood another host. */
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

const char *served_refusal(int error)
{
	switch (error) {
	case -ENOENT:
		return "the publication is gone: unpublished, expired, or all its readers are "
		       "used up";
	case -EFBIG:
		return "its pages with data lie too scattered to be registered: publish less at "
		       "once";
	case -EAGAIN:
		return "too many hosts have its publications attached";
	default:
		return rm_errno_text(-error);
	}
}

/* ---- sessions ---- */

/* glibc keeps freed memory. Give it back to the system after many sessions, or after the last. */
static void memory_trim(struct peers *peers)
{
	if (++peers->ended < PEER_TRIM && (peers->served_count || peers->ended < PEER_TRIM / 8))
		return;
	peers->ended = 0;
	malloc_trim(0);
}

void served_free(struct peer_served *served)
{
	struct peers *peers = served->peers;
	struct peer_served **link = &peers->served;

	while (*link != served)
		link = &(*link)->next;
	assert(peers->served_count > 0);
	*link = served->next;
	peers->served_count--;
	loop_timer_cancel(peers->context->loop, &served->expiry);
	loop_timer_cancel(peers->context->loop, &served->granting.timer);
	helper_forget(served);
	grant_blob_close(served);
	grant_close(served);
	sodium_memzero(served, sizeof(*served));
	free(served);
	memory_trim(peers);
}

/* store_release() may drop the publication, so keys are closed before that. */
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

/*
 * Closing keys stops hosts that read here. A helper, and hosts that read from one, would learn of
 * the end only when they renew. So they are told, by an answer to their last request.
 */
static void served_tell_gone(const struct peer_served *served)
{
	struct peer_envelope to = { .head.session = served->session,
	                            .head.number = served->number };

	memcpy(to.head.id, served->publication->id, RM_ID_BYTES);
	to.head.address_length = served->address_length;
	memcpy(to.head.address, served->address, served->address_length);
	served_reply(served->peers, &to, PEER_GONE, NULL, "", 0);
}

/* The store calls this, and lowers its counts itself. */
void peers_drop(struct nets *nets, struct publication *publication)
{
	struct peer_served *served, *next;
	struct peers *peers;

	for (peers = nets->first; peers; peers = peers->next) {
		for (served = peers->served; served; served = served->next)
			if (served->publication == publication &&
			    (served->helper || served->helped))
				served_tell_gone(served);
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
