/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.c - the addresses that the endpoint talks to
 *
 * A peer lives as long as somebody uses it or something is under way with it, and then a while as
 * an idle one: its address, once removed from the provider's vector, takes the connection with it.
 *
 * Worker thread only. Allocates a peer with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "providers.h"

static bool fabric_peer_is(const struct rm_fabric_addr *a, const struct rm_fabric_addr *b)
{
	return a->length == b->length && !memcmp(a->name, b->name, a->length);
}

int fabric_peer(struct fabric *fabric, const struct rm_fabric_addr *addr,
                struct fabric_peer **out, char *why, size_t why_size)
{
	const struct rm_fabric_addr *ours = &fabric->addr;
	struct rm_fabric_addr name = *addr;
	struct fabric_peer *peer;

	if (strcmp(addr->provider, ours->provider) || addr->protocol != ours->protocol ||
	    addr->protocol_version != ours->protocol_version) {
		rm_format(why, why_size, "the other host's provider is %s (protocol %u.%u), this "
		          "host's is %s (protocol %u.%u): set RMMAP_FABRIC to the same on both",
		          addr->provider, addr->protocol, addr->protocol_version,
		          ours->provider, ours->protocol, ours->protocol_version);
		return -EPROTO;
	}
	/* The provider reads name[] as an address of our own kind, whatever is in it. */
	if (!fabric_same_kind(addr, ours)) {
		rm_format(why, why_size, "the other host's address is of another kind (%u) than "
		          "this host's (%u), such as IPv6 and IPv4: name one of the same kind in "
		          "RMMAP_FABRIC", addr->addr_format, ours->addr_format);
		return -EPROTO;
	}
	if (fabric_scoped(ours, &name, why, why_size))
		return -EPROTO;
	for (peer = fabric->peers; peer; peer = peer->next)
		if (fabric_peer_is(&peer->name, &name))
			break;
	if (!peer) {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return -ENOMEM;
		peer->name = name;
		peer->address = FI_ADDR_NOTAVAIL;
		peer->next = fabric->peers;
		fabric->peers = peer;
	}
	peer->users++;
	*out = peer;
	return 0;
}

unsigned fabric_tcp_address(const struct fabric *fabric, const struct fabric_peer *peer,
                            struct sockaddr_storage *address)
{
	union fabric_address name;

	memset(&name, 0, sizeof(name));
	memset(address, 0, sizeof(*address));
	memcpy(name.bytes, peer->name.name, peer->name.length);
	if (!provider_uses_tcp(fabric->addr.provider))
		return 0;
	memcpy(address, name.bytes, fabric_address_size(&name));
	return fabric_address_size(&name);
}

void fabric_peer_hear(struct fabric_peer *peer)
{
	peer->heard = true;
}

bool fabric_peer_heard(const struct fabric_peer *peer)
{
	return peer->heard;
}

/*
 * After a failure the provider may keep a dead connection under the address for good. So the
 * address is removed, which closes the connection (FI_AV_REMOVE_CLEANUP), and inserted anew, as
 * soon as nothing is under way with the old one.
 */
int fabric_peer_reach(struct fabric *fabric, struct fabric_peer *peer)
{
	if (peer->broken && !peer->pieces && !peer->posted_sends &&
	    peer->address != FI_ADDR_NOTAVAIL) {
		fi_av_remove(fabric->av, &peer->address, 1, 0);
		peer->address = FI_ADDR_NOTAVAIL;
	}
	if (peer->address != FI_ADDR_NOTAVAIL)
		return 0;
	if (fi_av_insert(fabric->av, peer->name.name, 1, &peer->address, 0, NULL) != 1) {
		peer->address = FI_ADDR_NOTAVAIL;
		return -EHOSTUNREACH;
	}
	peer->broken = false;
	return 0;
}

/* Have fabric_peers_expire() look at all peers at this time. */
static void peers_look_at(struct fabric *fabric, uint64_t at)
{
	if (at < fabric->idle_at) {
		fabric->idle_at = at;
		fabric->asked = true;   /* the timer is to be set */
	}
}

static bool fabric_peer_idle(const struct fabric_peer *peer)
{
	return !peer->users && !peer->first && !peer->pieces && !peer->sends;
}

/* Forget an idle peer: this closes its connection. */
static void fabric_peer_drop(struct fabric *fabric, struct fabric_peer **link)
{
	struct fabric_peer *peer = *link;

	assert(fabric_peer_idle(peer) && !peer->posted && !peer->again);
	*link = peer->next;
	fabric->asked = true;
	if (peer->address != FI_ADDR_NOTAVAIL)
		fi_av_remove(fabric->av, &peer->address, 1, 0);
	free(peer);
}

/*
 * An idle peer's address stays for a while: the connection goes with it, and with the connection
 * goes what was just sent and has not arrived. If there are too many idle peers, the one that was
 * inserted first goes.
 */
void fabric_peer_reap(struct fabric *fabric, struct fabric_peer *peer)
{
	struct fabric_peer **link, **oldest = NULL;
	unsigned count = 0;

	if (!fabric_peer_idle(peer))
		return;
	if (fabric_device(fabric)) {
		peer->idle_since = rm_now_ns();
		peers_look_at(fabric, peer->idle_since + FABRIC_PEER_IDLE_NS);
	}
	for (link = &fabric->peers; *link; link = &(*link)->next) {
		if (!fabric_peer_idle(*link))
			continue;
		oldest = link;
		count++;
	}
	if (count <= FABRIC_IDLE_PEERS)
		return;
	fabric_peer_drop(fabric, oldest);
}

/*
 * Pieces of reads that were given up are still under way; if the peer has stopped, for ever. They
 * count, so that a few such peers would leave no pieces for others, and their memory cannot be
 * used. Over ofi_rxm, closing the connection ends them. Other providers were seen to keep them,
 * and a device gives up by itself.
 */
void fabric_peer_stuck(struct fabric *fabric, struct fabric_peer *peer)
{
	uint64_t now = rm_now_ns();

	peer->stuck_since = 0;
	if (!peer->pieces || !provider_layered(fabric->addr.provider) || fabric_device(fabric))
		return;
	peer->stuck_since = now;
	peers_look_at(fabric, now + FABRIC_PEER_STUCK_NS);
}

/* True: not yet, look at it again. Otherwise its connection is closed here if it was due. */
static bool fabric_peer_still_stuck(struct fabric *fabric, struct fabric_peer *peer, uint64_t now)
{
	if (!peer->stuck_since)
		return false;
	if (now < peer->stuck_since + FABRIC_PEER_STUCK_NS)
		return true;
	peer->stuck_since = 0;
	if (peer->address != FI_ADDR_NOTAVAIL)
		fi_av_remove(fabric->av, &peer->address, 1, 0);
	peer->address = FI_ADDR_NOTAVAIL;
	return false;
}

/*
 * An RDMA connection does not notice that the other side is gone, or was cut off and has given the
 * connection up. While it stands here, ofi_rxm refuses that host's next one. Hosts that are there
 * renew their leases, so their peers do not stay idle for that long.
 */
void fabric_peers_expire(struct fabric *fabric, uint64_t now)
{
	struct fabric_peer *peer, **link = &fabric->peers;

	if (now < fabric->idle_at)
		return;
	fabric->idle_at = UINT64_MAX;
	while ((peer = *link)) {
		if (fabric_peer_still_stuck(fabric, peer, now))
			peers_look_at(fabric, peer->stuck_since + FABRIC_PEER_STUCK_NS);
		if (fabric_peer_idle(peer) && fabric_device(fabric)) {
			if (now >= peer->idle_since + FABRIC_PEER_IDLE_NS) {
				fabric_peer_drop(fabric, link);
				continue;
			}
			peers_look_at(fabric, peer->idle_since + FABRIC_PEER_IDLE_NS);
		}
		link = &peer->next;
	}
}

void fabric_peer_put(struct fabric *fabric, struct fabric_peer *peer)
{
	assert(peer->users > 0);
	peer->users--;
	fabric_peer_reap(fabric, peer);
}
