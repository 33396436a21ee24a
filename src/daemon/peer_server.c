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

#include "../common/say.h"
#include "peer_internal.h"

/* ---- answering ---- */

static void reply(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                  const struct peer_keys *keys, const void *body, size_t size)
{
	struct fabric *fabric = peers->fabric;
	struct rm_fabric_addr addr = *fabric_addr(fabric);
	struct peer_head head = {
		.type = type,
		.session = to->head.session,
		.number = to->head.number,
	};
	struct peer_message message;
	struct fabric_peer *peer;
	char why[128];

	memcpy(head.id, to->head.id, RM_ID_BYTES);
	message.length = peer_seal(&head, keys ? keys->reply : NULL, body, size, message.bytes);
	/* Whoever could send to us speaks our protocol: only the address is its own. */
	addr.length = to->head.address_length;
	memset(addr.name, 0, sizeof(addr.name));
	memcpy(addr.name, to->head.address, addr.length);
	if (fabric_peer(fabric, &addr, &peer, why, sizeof(why)))
		return;
	peer_send(peers, peer, &message, keys ? peers->times.answer : PEER_BARE_NS);
	fabric_peer_put(fabric, peer);
}

/* The sender's address is only claimed here: a flood must not make us flood somebody else. */
static void reply_bare(struct peers *peers, const struct peer_envelope *to, enum peer_type type)
{
	uint64_t second = rm_now_ns() / PEER_SECOND;

	if (peers->bare_second != second) {
		peers->bare_second = second;
		peers->bare_count = 0;
	}
	if (peers->bare_count++ < PEER_BARE_RATE)
		reply(peers, to, type, NULL, "", 0);
}

static void refuse(struct peers *peers, const struct peer_envelope *to,
                   const struct peer_keys *keys, int error, const char *text)
{
	struct peer_refused_body body = { .error = (uint32_t)-error };
	uint8_t bytes[PEER_BODY_MAX];

	rm_format(body.text, sizeof(body.text), "%s", text);
	reply(peers, to, PEER_REFUSED, keys, bytes, peer_put_refused(&body, bytes));
}

/* ---- sessions ---- */

/* Close its keys and forget it; the store's count is for the caller to lower. */
static void served_free(struct peer_served *served)
{
	struct peers *peers = served->peers;
	struct peer_served **link = &peers->served;

	while (*link != served)
		link = &(*link)->next;
	*link = served->next;
	peers->served_count--;
	loop_timer_cancel(peers->worker->loop, &served->expiry);
	grant_close(served);
	sodium_memzero(served, sizeof(*served));
	free(served);
}

/* The publication may be dropped by this: keys are closed before its memory goes. */
static void served_end(struct peer_served *served)
{
	struct publication *publication = served->publication;

	served_free(served);
	store_release(publication, true);
}

static void expire(struct timer *timer)
{
	struct peer_served *served = container_of(timer, struct peer_served, expiry);
	struct worker *worker = served->peers->worker;
	char id[9];

	rm_short_id(served->publication->id, id);
	worker_log(worker, "a host that had publication %s attached stopped renewing its lease", id);
	served_end(served);
}

static void renewed(struct peer_served *served)
{
	loop_timer(served->peers->worker->loop, &served->expiry,
	           rm_now_ns() + served->peers->times.expire);
}

static int reply_attached(struct peer_served *served, const struct peer_envelope *to)
{
	uint64_t room[PEER_BODY_MAX / 8];
	uint8_t bytes[PEER_BODY_MAX];
	struct peer_attached_body body = {
		.table_size = served->publication->table.size,
		.region_count = served->region_count,
	};
	size_t size = peer_blob_size(body.table_size, body.region_count);
	int error;

	body.is_inline = size && size <= PEER_BODY_MAX - 16;
	if (body.is_inline) {
		grant_fill(served, (uint8_t *)room, size);
		body.data = (const uint8_t *)room;
	} else {
		error = grant_blob(served, size);
		if (error)
			return error;
		body.base = served->blob_region.base;
		body.key = served->blob_region.key;
		memcpy(body.nonce, served->blob_nonce, PEER_NONCE_BYTES);
	}
	reply(served->peers, to, PEER_ATTACHED, &served->keys, bytes,
	      peer_put_attached(&body, bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}

static struct peer_served *served_find(struct peers *peers, const struct publication *publication,
                                       uint64_t session)
{
	struct peer_served *served;

	for (served = peers->served; served; served = served->next)
		if (served->session == session && served->publication == publication)
			break;
	return served;
}

static struct peer_served *served_of_host(struct peers *peers,
                                          const struct publication *publication,
                                          const uint8_t host[RM_ID_BYTES])
{
	struct peer_served *served;

	for (served = peers->served; served; served = served->next)
		if (served->publication == publication && !memcmp(served->host, host, RM_ID_BYTES))
			break;
	return served;
}

/* Admitted by the store already. On failure the caller undoes that. */
static int served_new(struct peers *peers, struct publication *publication,
                      const struct peer_keys *keys, const struct peer_envelope *envelope,
                      const uint8_t host[RM_ID_BYTES], struct peer_served **out)
{
	struct peer_served *served = calloc(1, sizeof(*served));
	int error;

	if (!served)
		return -ENOMEM;
	served->peers = peers;
	served->publication = publication;
	served->keys = *keys;
	served->session = envelope->head.session;
	served->number = served->first = envelope->head.number;
	memcpy(served->host, host, RM_ID_BYTES);
	served->expiry.fire = expire;
	served->next = peers->served;
	peers->served = served;
	peers->served_count++;
	error = grant_open(served);
	if (error) {
		served_free(served);
		return error;
	}
	renewed(served);
	publication->served_bytes += served->bytes;
	*out = served;
	return 0;
}

/* ---- requests ---- */

static const char *refusal(int error)
{
	switch (error) {
	case -ENOENT:
		return "the publication is gone: unpublished, expired, or all its readers are "
		       "used up";
	case -EFBIG:
		return "its pages with data lie too scattered to be registered: publish less at once";
	case -EAGAIN:
		return "too many hosts have its publications attached";
	default:
		return rm_errno_text(-error);
	}
}

/*
 * A host whose worker was replaced comes with a new session and says that it was admitted:
 * the same reader, not one more, while its old session is still here. After our own restart
 * nobody is here, and it is believed. A host that lost its session comes for a new reader.
 */
static int admit(struct peers *peers, struct publication *publication,
                 const struct peer_keys *keys, const struct peer_envelope *envelope,
                 const struct peer_attach_body *body, struct peer_served **out)
{
	struct peer_served *old = served_of_host(peers, publication, body->host);
	bool again = body->again && (old || peers->worker->restarts);
	int error;

	if (!old && peers->served_count >= PEER_SERVED_MAX)
		return -EAGAIN;
	error = store_admit(publication, publication->secret, true, again);
	if (error)
		return error;
	error = served_new(peers, publication, keys, envelope, body->host, out);
	if (error)
		store_release(publication, true);
	else if (old)
		served_end(old);
	return error;
}

static void refuse_attach(struct peers *peers, const struct publication *publication,
                          const struct peer_keys *keys, const struct peer_envelope *envelope,
                          int error)
{
	const char *text = publication->revoked ? "the publication was revoked on its host"
	                                        : refusal(error);
	char memlock[PEER_TEXT_MAX], id[9];

	if (error == -ENOMEM) {
		fabric_memlock_text(peers->fabric, memlock, sizeof(memlock));
		rm_short_id(publication->id, id);
		worker_log(peers->worker, "publication %s cannot be served: %s", id, memlock);
		text = memlock;
	}
	refuse(peers, envelope, keys, error, text);
}

static void on_attach(struct peers *peers, struct publication *publication,
                      const struct peer_keys *keys, const struct peer_envelope *envelope,
                      const uint8_t *bytes, size_t size)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);
	struct peer_attach_body body;
	int error = 0;

	if (peer_get_attach(bytes, size, &body))
		return;
	if (served && envelope->head.number < served->number)
		return;                 /* late: the session has moved on */
	if (!served)
		error = admit(peers, publication, keys, envelope, &body, &served);
	if (!error) {
		served->number = envelope->head.number;
		renewed(served);
		error = reply_attached(served, envelope);
	}
	if (error)
		refuse_attach(peers, publication, keys, envelope, error);
}

static void on_renew(struct peers *peers, struct publication *publication,
                     const struct peer_keys *keys, const struct peer_envelope *envelope,
                     const uint8_t *bytes, size_t size)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);
	struct peer_renew_body body;

	if (peer_get_renew(bytes, size, &body))
		return;
	if (!served) {
		reply(peers, envelope, PEER_NOT_HELD, keys, "", 0);
		return;
	}
	/* A recorded renewal, played back, keeps no lease alive. */
	if (envelope->head.number <= served->number)
		return;
	served->number = envelope->head.number;
	renewed(served);
	if (body.have_table)
		grant_blob_close(served);
	reply(peers, envelope, PEER_RENEWED, keys, "", 0);
}

/* The session holds the publication: each is only counted. */
static uint32_t admit_more(struct publication *publication, uint32_t wanted)
{
	uint32_t count = 0;

	while (count < wanted && !store_admit(publication, publication->secret, true, false)) {
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
		reply(peers, envelope, PEER_NOT_HELD, keys, "", 0);
		return;
	}
	if (number < served->more_number)
		return;
	if (number > served->more_number) {
		served->more_number = number;
		served->more_count = admit_more(publication, body.count);
		renewed(served);
	}
	body.count = served->more_count;
	if (body.count)
		reply(peers, envelope, PEER_ADMITTED, keys, out, peer_put_admit(&body, out));
	else
		refuse(peers, envelope, keys, -ENOENT, refusal(-ENOENT));
}

static void on_detach(struct peers *peers, struct publication *publication,
                      const struct peer_keys *keys, const struct peer_envelope *envelope)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);

	reply(peers, envelope, PEER_DETACHED, keys, "", 0);
	if (served && envelope->head.number > served->number)
		served_end(served);     /* after which publication may be gone */
}

void served_request(struct peers *peers, const void *message, const struct peer_envelope *envelope)
{
	struct publication *publication = store_find(peers->worker->store, envelope->head.id);
	uint8_t body[FABRIC_MESSAGE_MAX];
	struct peer_keys keys;
	size_t size = 0;

	if (!publication) {
		reply_bare(peers, envelope, PEER_GONE);
		return;
	}
	peer_keys_derive(publication->secret, &keys);
	if (peer_open(message, envelope, keys.request, body, &size))
		reply_bare(peers, envelope, PEER_DENIED);
	else if (envelope->head.type == PEER_ATTACH)
		on_attach(peers, publication, &keys, envelope, body, size);
	else if (envelope->head.type == PEER_RENEW)
		on_renew(peers, publication, &keys, envelope, body, size);
	else if (envelope->head.type == PEER_ADMIT)
		on_admit(peers, publication, &keys, envelope, body, size);
	else
		on_detach(peers, publication, &keys, envelope);
	sodium_memzero(&keys, sizeof(keys));
}

/* From the store, which sees to its counts itself. */
void peers_drop(struct worker *worker, struct publication *publication)
{
	struct peer_served *served, *next;
	struct peers *peers;

	for (peers = worker->nets; peers; peers = peers->next) {
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
