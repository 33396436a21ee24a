/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve_attach.c - the publisher's side of PEER_ATTACH: a session, its keys, the answer
 *
 * Registering may take many turns of the loop, and others are answered between them: see
 * served_keys.c.
 *
 * Worker thread only. Allocates a session with malloc.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "served.h"

static void served_work(struct timer *timer);

/*
 * Answer with the wanted regions that have a key now. If there are none, or nothing was wanted,
 * answer with table and regions.
 */
static int served_reply_attached(struct peer_served *served)
{
	const struct peer_envelope *to = &served->granting.to;
	uint64_t room[PEER_BODY_MAX / 8];
	uint8_t bytes[PEER_BODY_MAX];
	struct peer_attached_body body = {
		.table_size = served->publication->table.size,
		.region_count = served->region_count,
	};
	size_t size = peer_blob_size(body.table_size, body.region_count);
	uint32_t granted = grant_wanted(served, (uint8_t *)room, PEER_KEYS_MAX);
	int error;

	if (served->helper) {
		body.helper_length = served->helper->address_length;
		memcpy(body.helper, served->helper->address, body.helper_length);
	}
	body.is_inline = size && size <= PEER_BODY_MAX - PEER_ATTACHED_MAX;
	if (granted) {
		body.table_size = 0;
		body.is_inline = true;
		body.region_count = granted;
		body.data = (const uint8_t *)room;
	} else if (body.is_inline) {
		memset(room, 0, size);
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
	served_reply(served->peers, to, PEER_ATTACHED, &served->keys, bytes,
	             peer_put_attached(&body, bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}

/* The newest session of this host and publication, from served on in the list. */
static struct peer_served *served_of_host(struct peer_served *served,
                                          const struct publication *publication,
                                          const uint8_t host[RM_ID_BYTES])
{
	for (; served; served = served->next)
		if (served->publication == publication && !memcmp(served->host, host, RM_ID_BYTES))
			break;
	return served;
}

/*
 * A new session, without keys. The store has admitted it; on failure the caller undoes that. old,
 * if not NULL, is the session whose place this one takes; it may have ended when this returns.
 */
static int served_new(struct peers *peers, struct publication *publication,
                      const struct peer_keys *keys, const struct peer_envelope *envelope,
                      const struct peer_attach_body *body, const struct peer_served *old,
                      struct peer_served **out)
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
	memcpy(served->host, body->host, RM_ID_BYTES);
	served->whole = body->whole;
	served->address_length = envelope->head.address_length;
	memcpy(served->address, envelope->head.address, served->address_length);
	fabric_network(served->address, served->address_length, served->network);
	served->expiry.fire = served_expire;
	served->granting.timer.fire = served_work;
	/* Into the list first: bounds_hold() counts it, and served_free() takes it out again. */
	served->next = peers->served;
	peers->served = served;
	peers->served_count++;
	error = grant_open(served);
	if (!error)
		error = bounds_hold(served, old);
	if (error) {
		served_free(served);
		return error;
	}
	helper_choose(served, body->again);
	*out = served;
	return 0;
}

/*
 * A host whose worker was replaced comes with a new session and says that it was admitted before.
 * It is the same reader, not one more, if its old session is still here. After a restart of our
 * own worker no session is here, and the host is trusted. A host that lost its session is a new
 * reader.
 */
static int served_admit(struct peers *peers, struct publication *publication,
                        const struct peer_keys *keys, const struct peer_envelope *envelope,
                        const struct peer_attach_body *body, struct peer_served **out)
{
	struct peer_served *old = served_of_host(peers->served, publication, body->host);
	bool again = body->again && (old || peers->context->restarts);
	int error;

	if (move_admits(peers->nets, publication, body->host))
		again = true;
	error = store_admit(publication, publication->secret, true, again);
	if (error)
		return error;
	error = served_new(peers, publication, keys, envelope, body, old, out);
	if (error) {
		store_unadmit(publication, true, again);
		return error;
	}
	store_admitted(publication);
	old = served_of_host((*out)->next, publication, body->host);
	if (old)
		served_end(old);        /* that host's worker, which had its keys, is gone */
	return 0;
}

static void served_refuse_attach(struct peers *peers, const struct publication *publication,
                                 const struct peer_keys *keys, const struct peer_envelope *envelope,
                                 int error)
{
	const char *text = publication->revoked ? "the publication was revoked on its host"
	                                        : served_refusal(error);
	char memlock[PEER_TEXT_MAX], id[9];

	if (error == -ENOMEM) {
		fabric_memlock_text(peers->fabric, memlock, sizeof(memlock));
		rm_short_id(publication->id, id);
		log_line("publication %s cannot be served: %s", id, memlock);
		text = memlock;
	}
	served_refuse(peers, envelope, keys, error, text);
}

/* The next turn of a request that registers. served may be gone when this returns. */
static void served_work(struct timer *timer)
{
	struct peer_served *served = container_of(timer, struct peer_served, granting.timer);
	struct peer_granting *granting = &served->granting;
	struct peers *peers = served->peers;
	uint64_t when;
	int error = grant_step(served, &when);

	if (error == -EAGAIN) {
		loop_timer(peers->context->loop, timer, when);
		return;
	}
	granting->active = false;
	if (!error)
		error = served_reply_attached(served);
	if (error) {
		served_refuse_attach(peers, served->publication, &served->keys, &granting->to,
		                     error);
		served_end(served);
	}
}

/*
 * Begin to answer. fresh: the session is new and gets all pages, in messages or by keys, as far as
 * there is room. Otherwise it gets the keys that it wants, or the table once more.
 */
static void served_begin(struct peer_served *served, const struct peer_envelope *envelope,
                         const struct peer_attach_body *body, bool fresh)
{
	struct peer_granting *granting = &served->granting;
	bool sent = fresh && body->small && data_send(served, envelope);

	loop_timer_cancel(served->peers->context->loop, &granting->timer);
	granting->active = true;
	granting->since = rm_now_ns();
	granting->to.head = envelope->head;
	granting->want_count = fresh ? 0 : body->want_count;
	memcpy(granting->wants, body->wants, sizeof(granting->wants));
	granting->want = 0;
	/*
	 * If nothing is to be registered it starts at the end, and grant_all() has done at once.
	 */
	granting->next = (fresh && !sent) || body->want_count ? 0 : served->region_count;
	granting->granted = 0;
	served_work(&granting->timer);
}

void served_attach(struct peers *peers, struct publication *publication,
                   const struct peer_keys *keys, const struct peer_envelope *envelope,
                   const uint8_t *bytes, size_t size)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);
	struct peer_attach_body body;
	bool fresh = !served;
	int error = 0;

	if (peer_get_attach(bytes, size, &body))
		return;
	if (served && envelope->head.number < served->number)
		return;                 /* late: a newer request was taken */
	if (served && served->granting.active && envelope->head.number == served->number)
		return;                 /* a repetition: the answer will come */
	if (served)
		served->heard = true;
	if (fresh)
		error = served_admit(peers, publication, keys, envelope, &body, &served);
	if (error) {
		served_refuse_attach(peers, publication, keys, envelope, error);
		return;
	}
	served->number = envelope->head.number;
	served_renewed(served);
	served_begin(served, envelope, &body, fresh);
}
