/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * regions.c - what the other host sent of a publication: keys of its regions, pages
 *
 * All of it is checked against the table before it is used. Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int region_compare(const void *a, const void *b)
{
	const struct peer_region *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Does each visible page of layer i lie in a region? */
static bool layer_covered(const struct remote *remote, uint32_t i)
{
	const struct cache *cache = &remote->caches[i];
	uint64_t at = 0, start, count, end;
	const struct peer_region *region;

	while (rm_bit_run(cache->data, at, cache->pages, true, &start, &count)) {
		region = fetch_region(remote, i, start * RM_PAGE);
		if (!region)
			return false;
		end = (region->offset + region->length) / RM_PAGE;
		at = start + count < end ? start + count : end;
	}
	return true;
}

static bool region_fits(const struct remote *remote, const struct peer_region *region)
{
	uint64_t length;

	if (region->layer >= remote->table.layer_count)
		return false;
	length = remote->table.layers[region->layer].length;
	return region->length && !(region->length % RM_PAGE) && !(region->offset % RM_PAGE) &&
	       region->offset <= length && region->length <= length - region->offset;
}

int remote_regions(struct remote *remote, const struct peer_region *regions, unsigned count,
                   const char **why)
{
	struct peer_region *copy = calloc(count ? count : 1, sizeof(*copy));
	uint32_t i;

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, regions, count * sizeof(*copy));
	qsort(copy, count, sizeof(*copy), region_compare);
	/*
	 * Replaced before the checks, which search them. After a failure the caller loses the
	 * remote, and no read is started any more.
	 */
	free(remote->regions);
	remote->regions = copy;
	remote->region_count = count;
	*why = "the other host's rmmapd sent keys that do not fit its table";
	for (i = 0; i < count; i++)
		if (!region_fits(remote, &copy[i]))
			return -EPROTO;
	for (i = 0; i < remote->table.layer_count; i++)
		if (!layer_covered(remote, i))
			return -EPROTO;
	return 0;
}

int remote_keys(struct remote *remote, const struct peer_region *regions, unsigned count,
                const char **why)
{
	struct peer_region *known;
	unsigned i;

	*why = "the other host's rmmapd sent keys that do not fit its table";
	for (i = 0; i < count; i++) {
		known = fetch_region(remote, regions[i].layer, regions[i].offset);
		/* Only keys may change here: pieces under way were cut by these regions. */
		if (!known || known->offset != regions[i].offset ||
		    known->length != regions[i].length)
			return -EPROTO;
		*known = regions[i];
	}
	return 0;
}

/*
 * Take the absent pages of a run. Pages that are present have the same content, and processes may
 * have them mapped, so they are not written again. Pages in flight are left to their reads, which
 * count and mark them.
 */
static int pages_take(struct remote *remote, struct cache *cache, uint64_t start, uint64_t count,
                      const uint8_t *data)
{
	uint64_t at = start, end = start + count, first, n;
	int error;

	while (cache_wanted(cache, at, end, count, false, &first, &n)) {
		error = cache_populate(cache, first, n);
		if (error)
			return error;
		memcpy(cache->map + first * RM_PAGE, data + (first - start) * RM_PAGE, n * RM_PAGE);
		cache_mark_present(cache, first, n);
		assert(remote->absent >= n);
		remote->absent -= n;
		/* no claim before: a few messages' worth at most */
		claim_found(remote, cache_small(cache, first, n));
		fetch_count(remote, remote->users ? remote->users->attachment->counters : NULL, 0,
		            n);
		at = first + n;
	}
	return 0;
}

int remote_take(struct remote *remote, const uint8_t *data, size_t size, const char **why)
{
	uint64_t at, start, count;
	uint32_t i;
	int error;

	*why = "the other host's rmmapd sent pages that do not fit its table";
	if (size != remote->data_bytes)
		return -EPROTO;
	*why = NULL;
	for (i = 0; i < remote->table.layer_count; i++) {
		struct cache *cache = &remote->caches[i];

		for (at = 0; rm_bit_run(cache->data, at, cache->pages, true, &start, &count);
		     at = start + count) {
			error = pages_take(remote, cache, start, count, data);
			if (error)
				return error;
			data += count * RM_PAGE;
		}
	}
	return 0;
}
