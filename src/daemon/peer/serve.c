/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - requests of other hosts for publications of this host
 *
 * Nothing is done for a host that cannot seal a request with the publication's secret, except two
 * short refusals, at most PEER_BARE_RATE in a second.
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <sodium.h>

#include "served.h"

static void serve_renew(struct peers *peers, struct publication *publication,
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
	/* A recorded renewal that is played back must not keep a lease alive. */
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

/* The session holds the publication, so further readers are only counted. Returns their number. */
static uint32_t publication_admit_more(struct publication *publication, uint32_t wanted)
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
 * A request that is repeated counts once and gets the same answer. A request from before this
 * session was made (our worker was replaced) is refused: the reader's host asks anew.
 */
static void serve_admit(struct peers *peers, struct publication *publication,
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
	if (number < served->admit_number)
		return;
	if (number > served->admit_number) {
		served->admit_number = number;
		served->heard = true;
		served->admit_count = move_admits(peers->nets, publication, served->host)
		                     ? 1 : publication_admit_more(publication, body.count);
		served_renewed(served);
	}
	body.count = served->admit_count;
	if (body.count)
		served_reply(peers, envelope, PEER_ADMITTED, keys, out, peer_put_admit(&body, out));
	else
		served_refuse(peers, envelope, keys, -ENOENT, served_refusal(-ENOENT));
}

static void serve_detach(struct peers *peers, struct publication *publication,
                         const struct peer_keys *keys, const struct peer_envelope *envelope)
{
	struct peer_served *served = served_find(peers, publication, envelope->head.session);

	served_reply(peers, envelope, PEER_DETACHED, keys, "", 0);
	if (served && envelope->head.number > served->number)
		served_end(served);     /* the publication may be gone now */
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
		serve_renew(peers, publication, &keys, envelope, body, size);
	else if (envelope->head.type == PEER_ADMIT)
		serve_admit(peers, publication, &keys, envelope, body, size);
	else
		serve_detach(peers, publication, &keys, envelope);
	sodium_memzero(&keys, sizeof(keys));
}
