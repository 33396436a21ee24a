/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_peers.c - when peer.c drops who is not named any more, and closes a connection that is stuck
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_provider.h"

/* A peer that ends no piece though reads were given up: the connection is closed, once. */
START_TEST(stuck)
{
	struct fabric_read read;
	uint64_t at;

	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "tcp;ofi_rxm");
	ask(&read, 0, 8);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);
	result_count = 0;
	fabric_cancel(&it.fabric, &it.peer);
	ck_assert(result_count == 1 && results[0] == -ECANCELED && it.peer.pieces == 2);
	at = it.fabric.idle_at;
	ck_assert(at == it.peer.stuck_since + FABRIC_PEER_STUCK_NS);
	fabric_peers_expire(&it.fabric, at - 1);
	complete(0);                    /* one ends: it is not stuck, from now on */
	ck_assert_uint_ge(it.peer.stuck_since + FABRIC_PEER_STUCK_NS, at);
	at = it.peer.stuck_since + FABRIC_PEER_STUCK_NS;
	fabric_peers_expire(&it.fabric, at - 1);
	ck_assert_uint_eq(it.removed, 0);
	ck_assert_uint_eq(it.fabric.idle_at, at);
	fabric_peers_expire(&it.fabric, at);
	ck_assert(it.removed == 1 && it.peer.address == FI_ADDR_NOTAVAIL);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	fabric_piece_done(&it.fabric, it.reads[1].context, -FI_ECANCELED);
	ck_assert(!it.peer.pieces && !it.peer.stuck_since && it.peer.broken);
	end();
	/* other providers keep them */
	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "net");
	ask(&read, 0, 1);
	fabric_reads_post(&it.fabric);
	fabric_cancel(&it.fabric, &it.peer);
	ck_assert(!it.peer.stuck_since && it.fabric.idle_at == UINT64_MAX);
	complete(0);
	end();
}
END_TEST

static struct fabric_peer *add_peer(void)
{
	struct fabric_peer *peer = calloc(1, sizeof(*peer));

	peer->address = 7;
	peer->users = 1;
	peer->next = it.fabric.peers;
	it.fabric.peers = peer;
	return peer;
}

static void begin_peers(const char *provider)
{
	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, provider);
	it.info->domain_attr->name = strdup("rxe0");
}

/* Of a device, who was not heard of for so long is dropped, and with it the connection. */
START_TEST(idle_peers)
{
	struct fabric_peer *first, *second, *used;
	uint64_t later;

	begin_peers("verbs;ofi_rxm");
	first = add_peer();
	second = add_peer();
	used = add_peer();
	fabric_peer_put(&it.fabric, first);
	fabric_peer_put(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, first->idle_since + FABRIC_PEER_IDLE_NS);
	later = first->idle_since + FABRIC_PEER_IDLE_NS;
	second->idle_since += 5;
	fabric_peers_expire(&it.fabric, later - 1);
	ck_assert_uint_eq(it.removed, 0);
	fabric_peers_expire(&it.fabric, later);
	ck_assert_uint_eq(it.removed, 1);
	ck_assert(it.fabric.peers == used && used->next == second && second->next == &it.peer);
	ck_assert_uint_eq(it.fabric.idle_at, second->idle_since + FABRIC_PEER_IDLE_NS);
	/* named again, or with something under way, it stays; then its time begins anew */
	second->users++;
	fabric_peers_expire(&it.fabric, UINT64_MAX - 1);
	ck_assert_uint_eq(it.removed, 1);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	second->sends = 1;
	fabric_peer_put(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	second->sends = 0;
	fabric_peer_reap(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, second->idle_since + FABRIC_PEER_IDLE_NS);
	fabric_peers_expire(&it.fabric, it.fabric.idle_at);
	ck_assert(it.removed == 2 && used->next == &it.peer);
	free(used);
	end();
	/* elsewhere who is gone hangs up: only too many are dropped, those without an address too */
	begin_peers("tcp;ofi_rxm");
	first = add_peer();
	fabric_peer_put(&it.fabric, first);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	first->address = FI_ADDR_NOTAVAIL;
	for (later = 0; later < FABRIC_IDLE_PEERS; later++)
		fabric_peer_put(&it.fabric, add_peer());
	ck_assert_uint_eq(it.removed, 0);
	fabric_peer_put(&it.fabric, add_peer());
	ck_assert_uint_eq(it.removed, 1);
	while ((first = it.fabric.peers) != &it.peer) {
		it.fabric.peers = first->next;
		free(first);
	}
	end();
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ stuck, 0 }, { idle_peers, 0 },
	};

	return unit_run("peers", tests, COUNT(tests));
}
