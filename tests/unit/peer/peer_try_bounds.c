/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_try_bounds.c - who holds a handle asks for sessions without end: they are bounded, and
 * a reader that was heard of keeps its own
 */
#include "peer_hosts.h"

#include <sodium.h>
#include <string.h>

#define MOST (PEER_SERVED_MAX / 8)      /* of one address */

/* As a host that nobody has heard of, and will not again. */
static void ask_as_another(struct host *host, const struct peer_session *session)
{
	struct peer_attach_body body = { .again = false };
	struct peer_message message;
	uint8_t bytes[PEER_BODY_MAX];
	uint64_t stranger;

	randombytes_buf(body.host, sizeof(body.host));
	randombytes_buf(&stranger, sizeof(stranger));
	EXPECT(peer_request(host->peers, PEER_ATTACH, session->handle.id, stranger, 1,
	                    session->keys.request, bytes, peer_put_attach(&body, bytes),
	                    &message));
	peer_send(host->peers, session->peer, &message, 500 * MS);
}

/* One message and another may be lost: until there have been enough. */
void try_bounds(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;
	unsigned attaches, admitted, i;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	admit(host, session, 1);
	EXPECT(!host->error);
	attaches = host->attaches;
	admitted = shared->admitted[SMALL];
	for (i = 0; shared->admitted[SMALL] < admitted + MOST + 100; i++) {
		EXPECT(i < 20000);
		ask_as_another(host, session);
		if (i % 8 == 7)
			run(host, 2 * MS);
		EXPECT(shared->attached[SMALL] <= MOST + 1);    /* it is looked at from outside */
	}
	EXPECT(shared->attached[SMALL] >= MOST - 1);
	admit(host, session, 1);
	EXPECT(!host->error && host->attaches == attaches && !host->losses);
	EXPECT(!read_layers(host, session));
	peer_detach(session);
	wait_expired(SMALL);
}
