/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_grant.c - what another host may read here: layers, and the table if it is long
 *
 * All is registered when a host attaches, for a while in each turn of the loop, as far as there
 * is room and it takes no longer than the host should wait. Whatever has no key then gets one
 * when it is asked for, and for that those that were asked for longest ago are given up. Their
 * readers see that reads fail, and ask again.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/memlock.h"
#include "../../common/say.h"
#include "internal.h"

#define REGION_LEAST ((uint64_t)1 << 20)
#define SLICE_NS 2000000u       /* registering in one turn; one region takes what it takes */
#define OFFER_NS (2 * PEER_SECOND)      /* for a host that attaches: less than it waits */
#define GRANT_NS 200000000u     /* for one that wants keys, if it can be answered with some */
#define KEEP_NS 500000000u      /* a key lasts so long, or two hosts that need the same room
                                   would take it from each other before they had read anything */
#define LOOK_MAX 1024           /* registrations looked at for one to give up */
#define TOLD_NS (60 * PEER_SECOND)

int grant_map(struct stored_layer *layer)
{
	void *map;

	if (layer->map)
		return 0;
	map = mmap(NULL, layer->length, PROT_READ, MAP_SHARED, layer->fd, 0);
	if (map == MAP_FAILED)  /* older kernels refuse shared maps of what is sealed */
		map = mmap(NULL, layer->length, PROT_READ, MAP_PRIVATE, layer->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	layer->map = map;
	return 0;
}

/*
 * Each run of pages with data that it shows, cut after so many: a hole is never registered,
 * since a device would make it pages. How many there are; written to regions if that is not NULL.
 */
static uint64_t cut(const struct publication *publication, uint64_t most,
                    struct served_region *regions)
{
	const struct rm_table *table = &publication->table;
	uint64_t at, start, count, total = 0;
	uint32_t i;

	for (i = 0; i < publication->layer_count; i++) {
		at = 0;
		while (rm_bit_run(publication->visible[i], at, table->layers[i].length / RM_PAGE, true,
		                  &start, &count)) {
			count = count < most ? count : most;
			if (regions)
				regions[total].wire = (struct peer_region){
					.layer = i,
					.offset = start * RM_PAGE,
					.length = count * RM_PAGE,
				};
			total++;
			at = start + count;
		}
	}
	return total;
}

/*
 * Kernels before 6.2 pin only what could be written, by a private copy: not a shared mapping of
 * a descriptor that is read-only. In its place, at the same addresses, since others may have
 * registered it with a fabric that pins nothing.
 */
static int layer_map_private(struct stored_layer *layer)
{
	void *map = mmap(layer->map, layer->length, PROT_READ, MAP_PRIVATE | MAP_FIXED, layer->fd,
	                 0);

	return map == MAP_FAILED ? -errno : 0;
}

/* ---- keys, and which of them are given up ---- */

static void link_newest(struct served_region *region)
{
	struct peers *peers = region->served->peers;

	region->since = rm_now_ns();
	region->newer = NULL;
	region->older = peers->newest;
	if (peers->newest)
		peers->newest->newer = region;
	else
		peers->oldest = region;
	peers->newest = region;
}

static void unlink_region(struct served_region *region)
{
	struct peers *peers = region->served->peers;

	if (region->newer)
		region->newer->older = region->older;
	else
		peers->newest = region->older;
	if (region->older)
		region->older->newer = region->newer;
	else
		peers->oldest = region->newer;
}

static void give_up(struct served_region *region)
{
	struct fabric *fabric = region->served->peers->fabric;
	uint8_t *map;

	if (region->wire.keyless)
		return;
	map = region->served->publication->layers[region->wire.layer]->map;
	unlink_region(region);
	fabric_unregister(fabric, &region->region);
	/* What was copied to be pinned, see layer_map_private(), is not needed any more. */
	if (fabric_device(fabric))
		madvise(map + region->wire.offset, region->wire.length, MADV_DONTNEED);
	region->wire.keyless = true;
	region->wire.base = region->wire.key = 0;
}

static bool wanted(const struct peer_served *served, const struct served_region *region)
{
	const struct peer_granting *granting = &served->granting;
	unsigned i;

	for (i = 0; i < granting->want_count && region->served == served; i++)
		if ((uint64_t)(region - served->regions) - granting->wants[i].first <
		    granting->wants[i].count)
			return true;
	return false;
}

/*
 * Give up the one that was asked for longest ago. Not one that this request wants; and not
 * another session's that has just got it. A session that asks has no read under way where it
 * does not ask. False: there is none, until *when at least.
 */
static bool make_room(struct peers *peers, const struct peer_served *asks, uint64_t *when)
{
	struct served_region *region = peers->oldest;
	uint64_t now = rm_now_ns();
	unsigned looked;

	*when = now + KEEP_NS / 10;
	for (looked = 0; region && looked < LOOK_MAX; region = region->newer, looked++) {
		if (wanted(asks, region))
			continue;
		if (region->served == asks || now >= region->since + KEEP_NS) {
			give_up(region);
			return true;
		}
		if (region->since + KEEP_NS < *when)
			*when = region->since + KEEP_NS;
	}
	return false;
}

bool peers_make_room(struct peers *peers)
{
	if (!peers->oldest)
		return false;
	give_up(peers->oldest);
	return true;
}

static void tell_pressed(struct peers *peers)
{
	uint64_t now = rm_now_ns();
	char memlock[PEER_TEXT_MAX];

	if (peers->pressed && now < peers->pressed + TOLD_NS)
		return;
	peers->pressed = now;
	fabric_memlock_text(peers->fabric, memlock, sizeof(memlock));
	log_line("not all that other hosts have attached can be registered at "
	         "once: what they read takes turns, and comes more slowly: %s", memlock);
}

static int register_region(struct peer_served *served, struct served_region *region)
{
	struct fabric *fabric = served->peers->fabric;
	struct stored_layer *layer = served->publication->layers[region->wire.layer];
	int error = grant_map(layer);
	uint8_t *at = layer->map;

	if (error)
		return error;
	at += region->wire.offset;
	error = fabric_register(fabric, at, region->wire.length, &region->region);
	if (error == -EFAULT) {
		error = layer_map_private(layer);
		if (!error)
			error = fabric_register(fabric, at, region->wire.length, &region->region);
	}
	if (error)
		return error;
	region->wire.base = region->region.base;
	region->wire.key = region->region.key;
	region->wire.keyless = false;
	link_newest(region);
	return 0;
}

/* The less may be locked, the smaller are the pieces in which it takes turns. */
static uint64_t region_pages(void)
{
	uint64_t limit = rm_memlock_limit(), most = FABRIC_REGION_MAX;

	while (most > REGION_LEAST && most > limit / 16)
		most /= 2;
	return most / RM_PAGE;
}

int grant_open(struct peer_served *served)
{
	uint64_t most = region_pages(), total = cut(served->publication, most, NULL), i;

	if (total > PEER_REGIONS_MAX)
		return -EFBIG;
	served->regions = calloc(total + 1, sizeof(*served->regions));
	if (!served->regions)
		return -ENOMEM;
	served->region_count = (uint32_t)cut(served->publication, most, served->regions);
	for (i = 0; i < total; i++) {
		served->regions[i].served = served;
		served->regions[i].wire.keyless = true;
		served->publication->served_bytes += served->regions[i].wire.length;
	}
	return 0;
}

/* ---- one request ---- */

/* All of it, in order; nothing is given up for what nobody asked for. */
static int offer(struct peer_served *served, uint64_t end, uint64_t *when)
{
	struct peer_granting *granting = &served->granting;
	struct served_region *region;
	uint64_t now = rm_now_ns();
	int error;

	for (; granting->next < served->region_count; granting->next++) {
		region = &served->regions[granting->next];
		if (now >= end || now >= granting->since + OFFER_NS)
			break;
		error = region->wire.keyless ? register_region(served, region) : 0;
		if (error == -ENOMEM) {
			tell_pressed(served->peers);
			return 0;
		}
		if (error)
			return error;
		now = rm_now_ns();
	}
	*when = now;
	return granting->next == served->region_count || now >= granting->since + OFFER_NS
	       ? 0 : -EAGAIN;
}

/* This one, whatever has to be given up for it. 0, -EAGAIN, -ENOMEM (waited), other. */
static int grant_region(struct peer_served *served, struct served_region *region,
                        uint64_t *when)
{
	struct peers *peers = served->peers;
	int error;

	if (!region->wire.keyless) {
		unlink_region(region);
		link_newest(region);
		return 0;
	}
	do {
		error = register_region(served, region);
		if (error == -ENOMEM)
			tell_pressed(peers);
	} while (error == -ENOMEM && make_room(peers, served, when));
	if (error != -ENOMEM || rm_now_ns() >= served->granting.since + peers->times.room)
		return error;
	return -EAGAIN;
}

/* The next wanted region; false at the end. */
static bool next_wanted(const struct peer_served *served, unsigned *want, uint32_t *next,
                        uint32_t *out)
{
	const struct peer_granting *granting = &served->granting;
	const struct peer_want *range;

	for (; *want < granting->want_count; (*want)++, *next = 0) {
		range = &granting->wants[*want];
		if (*next >= range->count || range->first + *next >= served->region_count)
			continue;
		*out = range->first + (*next)++;
		return true;
	}
	return false;
}

/* What was asked for; what is granted already need not wait for the rest. */
static int grant(struct peer_served *served, uint64_t end, uint64_t *when)
{
	struct peer_granting *granting = &served->granting;
	unsigned want = granting->want;
	uint32_t next = granting->next, i;
	int error;

	while (granting->granted < PEER_KEYS_MAX && next_wanted(served, &want, &next, &i)) {
		error = grant_region(served, &served->regions[i], when);
		if (error)
			return granting->granted && (error == -EAGAIN || error == -ENOMEM)
			       ? 0 : error;
		granting->granted++;
		granting->want = want;
		granting->next = next;
		*when = rm_now_ns();
		if (*when >= granting->since + GRANT_NS)
			return 0;
		if (*when >= end)
			return -EAGAIN;
	}
	return 0;
}

int grant_step(struct peer_served *served, uint64_t *when)
{
	uint64_t end;

	*when = rm_now_ns();
	end = *when + SLICE_NS;
	return served->granting.want_count ? grant(served, end, when)
	                                   : offer(served, end, when);
}

uint32_t grant_wanted(const struct peer_served *served, uint8_t *memory, uint32_t most)
{
	uint32_t next = 0, count = 0, i;
	unsigned want = 0;

	while (count < most && next_wanted(served, &want, &next, &i))
		if (!served->regions[i].wire.keyless)
			peer_put_region(&served->regions[i].wire,
			                memory + count++ * (size_t)PEER_REGION_BYTES);
	return count;
}

/* ---- the table ---- */

void grant_release(struct peer_served *served)
{
	uint32_t i;

	for (i = 0; i < served->region_count; i++)
		give_up(&served->regions[i]);
}

void grant_close(struct peer_served *served)
{
	grant_release(served);
	free(served->regions);
	served->regions = NULL;
	served->region_count = 0;
}
