/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge.c - which blocks of the caches are made huge, and when: see README
 *
 * Only dense blocks are, so that a cache takes little more memory than its data. Those that are
 * fetched whole are made just ahead of their reads. Those of a lazy attachment have to be made
 * before the process has its userfaultfd: once a mapping of the file is registered for absent
 * pages, the kernel refuses a block that has any. These take memory before anybody touches it,
 * so they have a budget.
 *
 * Worker thread only; does not allocate.
 */
#include <errno.h>
#include <time.h>

#include "../../common/channel.h"
#include "internal.h"

#define DENSE_PAGES (CACHE_BLOCK_PAGES / 4 * 3) /* of data: the cache grows by a third at most */
#define LAZY_BYTES ((uint64_t)64 << 20) /* of huge pages not filled yet, of all caches together */
#define LAZY_SHARE 4                    /* of what may be held at all: at most a quarter */
#define LAZY_NS 6000000ull              /* of CPU time, at one attach */
#define PAUSE_NS 100000000ull           /* after the kernel has refused one */

uint64_t huge_dense(const struct remotes *remotes)
{
	return remotes->context->options.huge == RM_HUGE_ON ? 1 : DENSE_PAGES;
}

bool huge_wanted(const struct remotes *remotes)
{
	return remotes->context->options.huge != RM_HUGE_OFF && rm_huge_fits();
}

uint64_t remotes_huge(const struct remotes *remotes, uint64_t *refused)
{
	uint64_t blocks = 0;

	for (const struct remote *remote = remotes->first; remote; remote = remote->next)
		for (uint32_t i = 0; remote->caches && i < remote->table.layer_count; i++)
			blocks += remote->caches[i].huge_blocks;
	*refused = remotes->huge_refused;
	return blocks * RM_HUGE;
}

/* Does a process map this layer's file with a userfaultfd, or is about to? */
static bool layer_registered(const struct remote *remote, uint32_t layer)
{
	const struct remote_user *user = remote->users;

	while (user && (user->done ||
	                !remote_shares(remote, layer, user->attachment->generation)))
		user = user->next;
	return user;
}

/*
 * Make one block huge. 0; -EINVAL: it does not fit, see cache_block_fits(); -ENOSPC: there is no
 * room for it; or another -errno, after which it is useless to try the next one.
 */
static int block_make(struct remote *remote, uint32_t layer, uint64_t block)
{
	struct cache *cache = &remote->caches[layer];
	struct block_claim claim;
	int error;

	if (!cache_block_fits(cache, block, huge_dense(remote->remotes)))
		return -EINVAL;
	claim.absent = cache_block_absent(cache, block);
	claim.extra = CACHE_BLOCK_PAGES - cache_block_data(cache, block);
	error = claim_block(remote, &claim);
	if (error)
		return error;
	/* A registration that pins pages, kept for the next read, would be in the way. */
	if (remote->fabric)
		fabric_forget(remote->fabric, cache->map + block * RM_HUGE, RM_HUGE);
	error = cache_make_huge(cache, block);
	if (!error)
		return 0;
	claim_unblock(remote, &claim);
	remote->remotes->huge_refused++;
	remote->remotes->huge_pause_ns = rm_now_ns() + PAUSE_NS;
	return error == -EINVAL ? -EBUSY : error;
}

static bool huge_paused(const struct remotes *remotes)
{
	return !huge_wanted(remotes) || rm_now_ns() < remotes->huge_pause_ns;
}

void huge_ahead(struct remote *remote, uint32_t layer, uint64_t page, uint64_t count)
{
	uint64_t block = page / CACHE_BLOCK_PAGES, last = (page + count - 1) / CACHE_BLOCK_PAGES;
	int error = 0;

	if (huge_paused(remote->remotes) || layer_registered(remote, layer))
		return;
	for (; block <= last && (!error || error == -EINVAL); block++)
		error = block_make(remote, layer, block);
}

/* Bytes of huge pages of all caches that are not filled yet. */
static uint64_t huge_unfilled(const struct remotes *remotes)
{
	uint64_t pages = 0;

	for (const struct remote *remote = remotes->first; remote; remote = remote->next)
		for (uint32_t i = 0; remote->caches && i < remote->table.layer_count; i++)
			pages += remote->caches[i].unfilled;
	return pages * RM_PAGE;
}

/* How many blocks may be made for a lazy attachment. */
static uint64_t lazy_blocks(const struct remotes *remotes)
{
	uint64_t most = limit_room(remotes->context) / LAZY_SHARE, unfilled;

	most = most < LAZY_BYTES ? most : LAZY_BYTES;
	unfilled = huge_unfilled(remotes);
	return unfilled < most ? (most - unfilled) / RM_HUGE : 0;
}

/* Of this thread: others that want its core do not count. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of one layer, at most *left blocks, until this time. False: no further one may be made. */
static bool layer_make_huge(struct remote *remote, uint32_t layer, uint64_t *left, uint64_t until)
{
	uint64_t blocks = remote->caches[layer].mapped / RM_HUGE;
	int error = 0;

	if (layer_registered(remote, layer))
		return true;
	for (uint64_t block = 0; block < blocks; block++) {
		if (!*left || cpu_ns() >= until)
			return false;
		error = block_make(remote, layer, block);
		if (error && error != -EINVAL)
			return false;
		*left -= !error;
	}
	return true;
}

void huge_for_lazy(struct remote *remote)
{
	uint64_t until = cpu_ns() + LAZY_NS, left;

	if (huge_paused(remote->remotes))
		return;
	left = lazy_blocks(remote->remotes);
	for (uint32_t i = 0; i < remote->table.layer_count; i++)
		if (!layer_make_huge(remote, i, &left, until))
			return;
}

void huge_for_inherited(struct remote *remote, uint32_t layer, const uint64_t *had)
{
	const struct cache *cache = &remote->caches[layer];
	uint64_t blocks = cache->mapped / RM_HUGE, from, to, start, count;
	int error = 0;

	if (huge_paused(remote->remotes))
		return;
	for (uint64_t block = 0; block < blocks && (!error || error == -EINVAL); block++) {
		from = block * CACHE_BLOCK_PAGES;
		to = from + CACHE_BLOCK_PAGES < cache->pages ? from + CACHE_BLOCK_PAGES : cache->pages;
		if (rm_bit_run(had, from, to, true, &start, &count))
			error = block_make(remote, layer, block);
	}
}
