/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served_keys.c - which regions of layers another host may read here
 *
 * When a host attaches, all regions are registered, for a short time in each turn of the loop, as
 * far as there is room and until the host should not wait longer. A region without a key then gets
 * one when it is asked for. To make room, the keys that were asked for longest ago are closed.
 * Their readers see that reads fail, and ask again.
 *
 * Worker thread only. Allocates the regions of a session with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/huge.h"
#include "../../common/memlock.h"
#include "../../common/say.h"
#include "served.h"

#define REGION_LEAST ((uint64_t)1 << 20)        /* bytes */
#define SLICE_NS 2000000u       /* one turn of registering; a single region may take longer */
#define OFFER_NS (2 * PEER_SECOND)      /* all turns for a host that attaches: less than it waits */
#define GRANT_NS 200000000u     /* all turns for wanted keys, if at least one is granted */
#define KEEP_NS 500000000u      /* a key lasts at least this long: two hosts that need the same
                                   room must not take it from each other before they have read */
#define LOOK_MAX 1024           /* registrations that are looked at to find one to close */
#define TOLD_NS (60 * PEER_SECOND)

int grant_map(struct stored_layer *layer)
{
	void *map;

	if (layer->map)
		return 0;
	map = rm_huge_map(layer->length, PROT_READ, MAP_SHARED, layer->fd);
	if (!map)               /* older kernels refuse a shared mapping of a sealed file */
		map = rm_huge_map(layer->length, PROT_READ, MAP_PRIVATE, layer->fd);
	if (!map)
		return -errno;
	layer->map = map;
	return 0;
}

/*
 * Pages of the next region, from start on, where the run has so many. A long one ends at 2 MiB of
 * the layer: a device may have its huge pages as such.
 */
static uint64_t region_pages(uint64_t start, uint64_t count, uint64_t most)
{
	uint64_t over = (start + most) % (RM_HUGE / RM_PAGE);

	if (count <= most)
		return count;
	return over < most ? most - over : most;
}

/*
 * Cut each run of visible pages with data into regions of at most most pages. Holes are never
 * registered, since a device would make pages of them. Returns the number of regions, and writes
 * them to regions if that is not NULL.
 */
static uint64_t regions_cut(const struct publication *publication, uint64_t most,
                            struct served_region *regions)
{
	const struct rm_table *table = &publication->table;
	uint64_t at, start, count, total = 0;
	uint32_t i;

	for (i = 0; i < publication->layer_count; i++) {
		at = 0;
		while (rm_bit_run(publication->visible[i], at, table->layers[i].length / RM_PAGE, true,
		                  &start, &count)) {
			count = region_pages(start, count, most);
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
 * Replace layer->map by a private mapping. Kernels before 6.2 pin only what could be written, if
 * need be by a private copy; a shared mapping of a read-only descriptor cannot be. The addresses
 * stay the same, since the mapping may be registered with a fabric that pins nothing.
 */
static int layer_map_private(struct stored_layer *layer)
{
	void *map = mmap(layer->map, layer->length, PROT_READ, MAP_PRIVATE | MAP_FIXED, layer->fd,
	                 0);

	return map == MAP_FAILED ? -errno : 0;
}

/* ---- keys, and which of them are closed ---- */

/* Make the region the last one to be given up. */
static void region_link_newest(struct served_region *region)
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

static void region_unlink(struct served_region *region)
{
	struct peers *peers = region->served->peers;

	assert(!region->wire.keyless && peers->newest && peers->oldest);
	if (region->newer)
		region->newer->older = region->older;
	else
		peers->newest = region->older;
	if (region->older)
		region->older->newer = region->newer;
	else
		peers->oldest = region->newer;
}

/* Close the region's key, if it has one. */
static void region_give_up(struct served_region *region)
{
	struct fabric *fabric = region->served->peers->fabric;
	uint8_t *map;

	if (region->wire.keyless)
		return;
	map = region->served->publication->layers[region->wire.layer]->map;
	region_unlink(region);
	fabric_unregister(fabric, &region->region);
	/* Drop the private copies that pinning may have made: see layer_map_private(). */
	if (fabric_device(fabric))
		madvise(map + region->wire.offset, region->wire.length, MADV_DONTNEED);
	region->wire.keyless = true;
	region->wire.base = region->wire.key = 0;
}

/* Is it one that the current request of served wants? */
static bool region_wanted(const struct peer_served *served, const struct served_region *region)
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
 * Close the key that was asked for longest ago, but none that this request wants, and none that
 * another session got within KEEP_NS. A session that asks has no reads under way in regions that it
 * does not ask for, so its own keys may go at once. False: there is none before *when.
 */
static bool peers_make_room_for(struct peers *peers, const struct peer_served *asks, uint64_t *when)
{
	struct served_region *region = peers->oldest;
	uint64_t now = rm_now_ns();
	unsigned looked;

	*when = now + KEEP_NS / 10;
	for (looked = 0; region && looked < LOOK_MAX; region = region->newer, looked++) {
		if (region_wanted(asks, region))
			continue;
		if (region->served == asks || now >= region->since + KEEP_NS) {
			region_give_up(region);
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
	region_give_up(peers->oldest);
	return true;
}

/* Once a minute at most. */
static void peers_log_pressed(struct peers *peers)
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

/* Give the region a key. 0 or -errno; -ENOMEM: no room. */
static int region_register(struct peer_served *served, struct served_region *region)
{
	struct fabric *fabric = served->peers->fabric;
	struct stored_layer *layer = served->publication->layers[region->wire.layer];
	int error = grant_map(layer);
	uint8_t *at = layer->map;

	assert(region->wire.keyless);
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
	region_link_newest(region);
	return 0;
}

/* The largest region: the less memory may be locked, the smaller, so that more can take turns. */
static uint64_t region_pages_max(void)
{
	uint64_t limit = rm_memlock_limit(), most = FABRIC_REGION_MAX;

	while (most > REGION_LEAST && most > limit / 16)
		most /= 2;
	return most / RM_PAGE;
}

int grant_open(struct peer_served *served)
{
	uint64_t most = region_pages_max(), total = regions_cut(served->publication, most, NULL), i;

	if (total > PEER_REGIONS_MAX)
		return -EFBIG;
	served->regions = calloc(total + 1, sizeof(*served->regions));
	if (!served->regions)
		return -ENOMEM;
	served->region_count = (uint32_t)regions_cut(served->publication, most, served->regions);
	for (i = 0; i < total; i++) {
		served->regions[i].served = served;
		served->regions[i].wire.keyless = true;
		served->publication->served_bytes += served->regions[i].wire.length;
	}
	return 0;
}

/* ---- one request ---- */

/* Register all regions, in order. No key is closed for one that nobody asked for. */
static int grant_all(struct peer_served *served, uint64_t end, uint64_t *when)
{
	struct peer_granting *granting = &served->granting;
	struct served_region *region;
	uint64_t now = rm_now_ns();
	int error;

	for (; granting->next < served->region_count; granting->next++) {
		region = &served->regions[granting->next];
		if (now >= end || now >= granting->since + OFFER_NS)
			break;
		error = region->wire.keyless ? region_register(served, region) : 0;
		if (error == -ENOMEM) {
			peers_log_pressed(served->peers);
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

/* Register this region, and close other keys for it if need be. Returns as grant_step(). */
static int grant_region(struct peer_served *served, struct served_region *region,
                        uint64_t *when)
{
	struct peers *peers = served->peers;
	int error;

	if (!region->wire.keyless) {
		region_unlink(region);
		region_link_newest(region);
		return 0;
	}
	do {
		error = region_register(served, region);
		if (error == -ENOMEM)
			peers_log_pressed(peers);
	} while (error == -ENOMEM && peers_make_room_for(peers, served, when));
	if (error != -ENOMEM || rm_now_ns() >= served->granting.since + peers->times.room)
		return error;
	return -EAGAIN;
}

/* Set *out to the next wanted region, and advance *want and *next. False: there is none. */
static bool grant_next_wanted(const struct peer_served *served, unsigned *want, uint32_t *next,
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

/* Register the wanted regions. If one has to wait, those granted already are answered first. */
static int grant_wants(struct peer_served *served, uint64_t end, uint64_t *when)
{
	struct peer_granting *granting = &served->granting;
	unsigned want = granting->want;
	uint32_t next = granting->next, i;
	int error;

	while (granting->granted < PEER_KEYS_MAX && grant_next_wanted(served, &want, &next, &i)) {
		error = grant_region(served, &served->regions[i], when);
		if (error)
			return granting->granted && (error == -EAGAIN || error == -ENOMEM)
			       ? 0 : error;
		granting->granted++;
		assert(granting->granted <= PEER_KEYS_MAX);
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
	return served->granting.want_count ? grant_wants(served, end, when)
	                                   : grant_all(served, end, when);
}

uint32_t grant_wanted(const struct peer_served *served, uint8_t *memory, uint32_t most)
{
	uint32_t next = 0, count = 0, i;
	unsigned want = 0;

	while (count < most && grant_next_wanted(served, &want, &next, &i))
		if (!served->regions[i].wire.keyless)
			peer_put_region(&served->regions[i].wire,
			                memory + count++ * (size_t)PEER_REGION_BYTES);
	return count;
}

/* ---- the end of keys ---- */

void grant_release(struct peer_served *served)
{
	uint32_t i;

	for (i = 0; i < served->region_count; i++)
		region_give_up(&served->regions[i]);
}

void grant_close(struct peer_served *served)
{
	grant_release(served);
	free(served->regions);
	served->regions = NULL;
	served->region_count = 0;
}
