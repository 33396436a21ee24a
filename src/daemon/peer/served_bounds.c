/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served_bounds.c - limits on what other hosts hold here: of one publication, from one address, in
 * all
 *
 * A session takes memory for each of its regions, and a holder of a handle can ask for any number
 * of sessions, from any address that it claims. At a limit, the oldest session that was never
 * heard of again is ended. A reader that exists renews its lease, asks for keys, and asks anew for
 * a session that it lost. If there is no such session, the new one is refused.
 *
 * Worker thread only. Allocates nothing.
 */
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "served.h"

#define TOLD_NS (60 * PEER_SECOND)

enum scope { OF_ADDRESS, OF_PUBLICATION, OF_ALL, SCOPES };

static const struct {
	unsigned sessions;
	uint64_t regions;               /* a registered one takes some 400 bytes */
} most[SCOPES] = {
	[OF_ADDRESS] = { PEER_SERVED_MAX / 8, PEER_SERVED_REGIONS_MAX / 4 },
	[OF_PUBLICATION] = { PEER_SERVED_MAX / 2, PEER_SERVED_REGIONS_MAX / 2 },
	[OF_ALL] = { PEER_SERVED_MAX, PEER_SERVED_REGIONS_MAX },
};

struct tally {
	unsigned sessions;
	uint64_t regions;
	struct peer_served *oldest;     /* the oldest never heard of again; NULL: none */
};

static void tally_add(struct tally *tally, struct peer_served *served,
                      const struct peer_served *own)
{
	tally->sessions++;
	tally->regions += served->region_count;
	/* the list has the newest first */
	if (served != own && !served->heard)
		tally->oldest = served;
}

/* Count all sessions in each scope of own, but for old, which own replaces. */
static void tally_all(const struct peer_served *own, const struct peer_served *old,
                      struct tally tallies[SCOPES])
{
	struct peer_served *served;

	memset(tallies, 0, SCOPES * sizeof(*tallies));
	for (served = own->peers->served; served; served = served->next) {
		if (served == old)
			continue;
		tally_add(&tallies[OF_ALL], served, own);
		if (served->publication == own->publication)
			tally_add(&tallies[OF_PUBLICATION], served, own);
		if (!memcmp(served->network, own->network, sizeof(own->network)))
			tally_add(&tallies[OF_ADDRESS], served, own);
	}
}

/* Once a minute at most: other hosts must not be able to fill the log. */
static void peers_log_crowded(struct peers *peers)
{
	uint64_t now = rm_now_ns();

	if (peers->crowded && now < peers->crowded + TOLD_NS)
		return;
	peers->crowded = now;
	log_line("more is asked for by other hosts than they may hold here: those "
	         "that were not heard of again go first (publish with readers, and do not give "
	         "handles away)");
}

int bounds_hold(struct peer_served *served, const struct peer_served *old)
{
	struct tally tallies[SCOPES];
	unsigned scope;

	for (;;) {
		tally_all(served, old, tallies);
		for (scope = 0; scope < SCOPES; scope++)
			if (tallies[scope].sessions > most[scope].sessions ||
			    tallies[scope].regions > most[scope].regions)
				break;
		if (scope == SCOPES)
			return 0;
		peers_log_crowded(served->peers);
		if (!tallies[scope].oldest)
			return -EAGAIN;
		served_end(tallies[scope].oldest);
	}
}

