/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_try_admit.c - readers of another host's publication: each is counted there, none twice,
 * and none above its limit
 */
#include "peer_hosts.h"

#include <errno.h>
#include <string.h>

/* A recorded PEER_ADMIT once more, as a network that doubles messages would have it. */
static void admit_message(struct host *host, struct peer_session *session, uint64_t number,
                          unsigned count)
{
	struct peer_admit_body body = { .count = count };
	struct peer_message message;
	uint8_t bytes[4];

	EXPECT(peer_request(host->peers, PEER_ADMIT, session->handle.id, session->session,
	                    number, session->keys.request, bytes, peer_put_admit(&body, bytes),
	                    &message));
	peer_send(host->peers, session->peer, &message, 500 * MS);
	run(host, 100 * MS);
}

/* Each reader is counted there, once, and refused as a first one would be. */
void try_admit(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;
	unsigned before, admitted, answers;
	uint64_t number;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	before = host->attaches;
	admitted = shared->admitted[SMALL];
	admit(host, session, 1);
	EXPECT(!host->error && host->admitted == 1 && shared->admitted[SMALL] == admitted + 1);
	admit(host, session, PEER_ADMIT_MAX);
	EXPECT(!host->error && host->admitted == PEER_ADMIT_MAX);
	admitted += 1 + PEER_ADMIT_MAX;
	EXPECT(shared->admitted[SMALL] == admitted && shared->attached[SMALL] == 1);
	/* Repeated: answered again, not counted again; an older one is not even answered. */
	number = session->admission.number;
	answers = host->admissions;
	admit_message(host, session, number, PEER_ADMIT_MAX);
	admit_message(host, session, number, PEER_ADMIT_MAX);
	admit_message(host, session, number - 1, 5);
	EXPECT(shared->admitted[SMALL] == admitted && host->admissions == answers);
	/* No more after the other host has unpublished it; the session goes on. */
	shared->unpublished = true;
	admit(host, session, 1);
	EXPECT(host->error == -ENOENT && strchr(host->why, ':') &&
	       strstr(host->why, "unpublished"));
	admit_message(host, session, session->admission.number, 1);
	EXPECT(shared->admitted[SMALL] == admitted && shared->attached[SMALL] == 1);
	EXPECT(!read_layers(host, session) && host->attaches == before && !host->losses);
	shared->unpublished = false;
	/* The lease ran out: the session comes back first. */
	wait_expired(SMALL);
	admit(host, session, 2);
	EXPECT(!host->error && host->admitted == 2 && shared->attached[SMALL] == 1);
	EXPECT(host->attaches == before + 1);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
}

/* A server that has admitted nobody yet: two readers, and another host has one of them. */
void try_admit_limit(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;

	make_handle(&handle, BIG, addr);
	session = attach(host, &handle);
	EXPECT(!host->error && shared->admitted[BIG] == 1);
	admit(host, session, 3);
	EXPECT(!host->error && host->admitted == 1 && shared->admitted[BIG] == 2);
	admit(host, session, 2);
	EXPECT(host->error == -ENOENT && strstr(host->why, "used up"));
	EXPECT(!read_layers(host, session) && shared->attached[BIG] == 1);
	peer_detach(session);
	wait_attached(host, BIG, 0);
}
