/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_try_keys.c - the keys that a host's pages are read with: too few at a time, slow to
 * make, and not needed where the pages come with the answer
 */
#include "peer_hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/common/channel.h"

/* Ask again for these keys; what the other side answered, 0 or -errno. */
static int want(struct host *host, struct peer_session *session, unsigned first, unsigned count)
{
	unsigned before = host->attaches;

	host->keys = 0;
	host->want = (struct peer_want){ first, count };
	peer_again(session);
	while (host->attaches == before)
		EXPECT(run(host, PATIENCE));
	host->want.count = 0;
	return host->error;
}

static unsigned keyless(const struct host *host)
{
	unsigned i, count = 0;

	for (i = 0; i < host->region_count; i++)
		count += host->regions[i].keyless;
	return count;
}

/* There is room for three of the six regions: what was asked for longest ago makes room. */
void try_room(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session, *other;
	struct peer_region first[REGIONS];
	unsigned tries;

	shared->limit = 3 * RM_PAGE;
	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error && keyless(host) == 3 && host->regions[3].keyless);
	EXPECT(!read_region(host, session, 0) && !read_region(host, session, 2));
	/* its own, where it does not ask for them */
	EXPECT(!want(host, session, 3, 1) && host->keys == 1 && keyless(host) == 2);
	EXPECT(!read_region(host, session, 3) && !read_region(host, session, 1));
	EXPECT(read_region(host, session, 0) < 0);
	/* again: a fresh key; what is asked for and there stays as it is */
	memcpy(first, host->regions, sizeof(first));
	EXPECT(!want(host, session, 0, 1) && host->keys == 1);
	EXPECT(host->regions[0].key != first[0].key && !read_region(host, session, 0));
	EXPECT(!want(host, session, 3, 1) && host->regions[3].key == first[3].key);
	/* more than there is room for: some of it */
	EXPECT(!want(host, session, 0, 6) && host->keys == 3);
	EXPECT(!read_region(host, session, 0) && !read_region(host, session, 2));
	/* another host needs one: of the first's, after a while */
	memcpy(first, host->regions, sizeof(first));
	memset(host->context.host, 9, sizeof(host->context.host));
	other = attach(host, &handle);
	EXPECT(!host->error && keyless(host) == 6);
	EXPECT(!want(host, other, 4, 2) && host->keys && !read_region(host, other, 4));
	memcpy(host->regions, first, sizeof(first));
	EXPECT(read_region(host, session, 2) < 0 && !read_region(host, session, 0));
	peer_detach(other);
	wait_attached(host, SMALL, 1);
	/* who has read all of it keeps no key */
	host->complete = true;
	for (tries = 0; read_region(host, session, 0) == 0; tries++) {
		EXPECT(tries < 300);
		run(host, 200 * MS);
	}
	host->complete = false;
	EXPECT(!want(host, session, 0, 3) && host->keys == 3 && !read_region(host, session, 2));
	/* not even one fits: that is said, and the session is over */
	shared->limit = 1;
	EXPECT(want(host, session, 5, 1) == -ENOMEM);
	printf("  no room: %s\n", host->why);
	EXPECT(strstr(host->why, "cannot register more") && strstr(host->why, "ulimit -l"));
	wait_attached(host, SMALL, 0);
	shared->limit = 0;
	memset(host->context.host, 2, sizeof(host->context.host));
	EXPECT(!read_layers(host, session = attach(host, &handle)));
	peer_detach(session);
	wait_attached(host, SMALL, 0);
}

/* Registering takes long: who asks for something else is answered meanwhile. */
void try_slow(struct host *host, const struct rm_fabric_addr *addr)
{
	static const struct peer_events events = { .attached = on_attached, .lost = on_lost };
	struct peer_session *session, *slow;
	struct rm_handle handle;
	unsigned before;
	char why[256];

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	before = host->attaches;
	memset(host->context.host, 9, sizeof(host->context.host));
	shared->slow_ms = 100;
	EXPECT(!peer_attach(host->peers, &handle, false, &events, host, &slow, why,
	                    sizeof(why)));
	admit(host, session, 1);
	EXPECT(host->admitted == 1 && host->attaches_then == before);
	while (host->attaches == before)
		EXPECT(run(host, PATIENCE));
	shared->slow_ms = 0;
	EXPECT(!host->error && !keyless(host) && !read_layers(host, slow));
	peer_detach(slow);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
	memset(host->context.host, 2, sizeof(host->context.host));
}

/*
 * The pages come before the answer, and nothing is registered. If one of their messages is lost
 * there are none, and nobody waits for it: the keys are asked for.
 */
void try_data(struct host *host, const struct rm_fabric_addr *addr)
{
	struct peer_session *session;
	struct rm_handle handle;
	unsigned parts, i;

	make_handle(&handle, SMALL, addr);
	host->parts = 0;
	session = attach_to(host, &handle, true);
	EXPECT(!host->error && host->data && host->region_count == REGIONS);
	expect_table(host, 20);
	parts = host->parts;
	EXPECT(parts > 1 && parts <= PEER_PARTS_MAX);
	for (i = 0; i < REGIONS; i++)
		EXPECT(host->regions[i].keyless);
	peer_detach(session);
	for (i = 1; i <= parts; i += parts - 1) {
		host->parts = 0;
		host->lose = i;
		session = attach_to(host, &handle, true);
		EXPECT(!host->error && !host->data && host->parts == parts);
		host->want = (struct peer_want){ 0, REGIONS };
		peer_again(session);
		EXPECT(run(host, 8000 * MS) && !host->error && host->keys == REGIONS);
		EXPECT(!read_layers(host, session) && host->parts == parts);
		host->want.count = host->lose = 0;
		peer_detach(session);
	}
	printf("  pages in %u messages\n", parts);
	wait_attached(host, SMALL, 0);
}
