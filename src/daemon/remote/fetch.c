/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch.c - reads of remote pages: pieces under way, who waits, reading again
 *
 * A page that was asked for is "in flight" from then on until it is present or given up,
 * also while its piece is held back for fresh keys. So a waiter is settled when no page of
 * its range is in flight any more, however often pages failed and were asked for again.
 * Worker thread; allocates.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/reserve.h"
#include "../base/container.h"

#define PIECE_PAGES 256                 /* 1 MiB */
#define AROUND_PAGES 64                 /* registered together, if the device wants that */
#define TRY_NS 3000000000ull            /* one read; leaves time for another one */
#define GIVE_UP_NS 5000000000ull        /* all attempts at a piece together */
#define ATTEMPTS 4

_Static_assert(sizeof(struct piece) <= RESERVE_BLOCK, "a piece fits the reserve");

/* Tell those who are settled. They may do anything, but the remote is held. */
static void tell(struct remote *remote)
{
	struct page_wait *waiter;
	struct cache *cache;
	int error;

	while ((waiter = remote->fetch.settled)) {
		remote->fetch.settled = waiter->next;
		cache = &remote->caches[waiter->layer];
		error = waiter->error ? waiter->error : remote->error ? remote->error : -EIO;
		if (!cache_absent(cache, waiter->page, waiter->page + waiter->count))
			error = 0;
		waiter->done(waiter, error);
	}
}

static bool in_flight(const struct remote *remote, const struct page_wait *waiter)
{
	uint64_t start, count;

	return cache_wanted(&remote->caches[waiter->layer], waiter->page,
	                    waiter->page + waiter->count, 1, true, &start, &count);
}

/* The pages of this piece are here or given up: it is freed. */
static void settle(struct piece *piece, int error)
{
	struct remote *remote = piece->remote;
	struct cache *cache = &remote->caches[piece->layer];
	struct page_wait **at = &remote->fetch.waiters, *waiter;

	if (!error) {
		remote->absent -= cache_absent(cache, piece->page, piece->page + piece->count);
		cache_mark_present(cache, piece->page, piece->count);
		fetch_count(remote, piece->counters, 1, piece->count);
	}
	cache_mark_inflight(cache, piece->page, piece->count, false);
	if (error)
		claim_return(remote, piece->count);
	while ((waiter = *at)) {
		if (waiter->layer != piece->layer || waiter->page >= piece->page + piece->count ||
		    piece->page >= waiter->page + waiter->count) {
			at = &waiter->next;
			continue;
		}
		if (error)
			waiter->error = error;
		if (in_flight(remote, waiter)) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = remote->fetch.settled;
		remote->fetch.settled = waiter;
	}
	process_counters_unref(piece->counters);
	reserve_free(piece);
	tell(remote);
}

static void held_expired(struct timer *timer)
{
	struct remote *remote = container_of(timer, struct remote, fetch.held_timer);
	struct piece **at = &remote->fetch.held, *piece, *late = NULL;
	uint64_t now = rm_now_ns(), next = UINT64_MAX;

	while ((piece = *at)) {
		if (piece->deadline > now) {
			next = piece->deadline < next ? piece->deadline : next;
			at = &piece->next;
			continue;
		}
		*at = piece->next;
		piece->next = late;
		late = piece;
	}
	remote->fetch.held_end = at;
	if (next != UINT64_MAX)
		loop_timer(remote->remotes->context->loop, timer, next);
	remote_hold(remote);
	while ((piece = late)) {
		late = piece->next;
		settle(piece, -ETIMEDOUT);
	}
	remote_unhold(remote);
}

/* In the order of coming: who waits longest gets keys first. */
static void hold_piece(struct piece *piece)
{
	struct remote *remote = piece->remote;
	struct timer *timer = &remote->fetch.held_timer;

	piece->next = NULL;
	*remote->fetch.held_end = piece;
	remote->fetch.held_end = &piece->next;
	if (!timer->index || piece->deadline < timer->at)
		loop_timer(remote->remotes->context->loop, timer, piece->deadline);
}

/*
 * Keys are asked for when no read is under way: what is not asked for by then may be given up
 * over there, and a read that meets that ends an RDMA connection.
 */
static void want_keys(struct remote *remote)
{
	if (remote->fetch.held && !remote->fetch.outstanding)
		remote_renew(remote);
}

unsigned fetch_wants(const struct remote *remote, struct peer_want *wants, unsigned most)
{
	const struct peer_region *region;
	const struct piece *piece;
	unsigned count = 0, i;
	uint32_t n;

	for (piece = remote->fetch.held; piece; piece = piece->next) {
		region = fetch_region(remote, piece->layer, piece->page * RM_PAGE);
		if (!region)
			continue;
		n = (uint32_t)(region - remote->regions);
		for (i = 0; i < count; i++)
			if (n - wants[i].first <= wants[i].count)
				break;
		if (i == count && count == most)
			break;
		if (i == count)
			wants[count++] = (struct peer_want){ n, 1 };
		else if (n - wants[i].first == wants[i].count)
			wants[i].count++;
	}
	return count;
}

static void read_done(struct fabric_read *read, int error)
{
	struct piece *piece = container_of(read, struct piece, read);
	struct remote *remote = piece->remote;
	bool relayed = piece->relayed;

	remote_hold(remote);
	remote->fetch.outstanding--;
	if (relayed)
		remote->source->over(piece, error);
	piece->relayed = false;
	if (error == -ENOMEM)   /* fresh keys are no help */
		fabric_memlock_text(remote->fabric, remote->why, sizeof remote->why);
	if (!error || error == -ENOMEM)
		settle(piece, error);
	else if (remote->dying || remote->state == REMOTE_LOST)
		settle(piece, remote->error ? remote->error : error);
	else if (relayed)
		fetch_direct(piece);
	else if (piece->attempts >= ATTEMPTS || rm_now_ns() >= piece->deadline)
		settle(piece, error);
	else {
		hold_piece(piece);
		remote_renew(remote);
	}
	want_keys(remote);
	remote_unhold(remote);
}

static void post_read(struct piece *piece, struct fabric_peer *peer, uint64_t from, uint64_t key,
                      uint64_t deadline)
{
	struct remote *remote = piece->remote;
	struct cache *cache = &remote->caches[piece->layer];
	uint64_t start, count;

	cache_run(cache, piece->page, AROUND_PAGES, &start, &count);
	piece->read = (struct fabric_read){
		.peer = peer,
		.to = cache->map + piece->page * RM_PAGE,
		.length = piece->count * RM_PAGE,
		.around = cache->map + start * RM_PAGE,
		.around_length = count * RM_PAGE,
		.from = from,
		.key = key,
		.deadline = deadline,
		.later = piece->later,
		.done = read_done,
	};
	remote->fetch.outstanding++;
	fabric_read(remote->fabric, &piece->read);
}

static void post(struct piece *piece)
{
	struct remote *remote = piece->remote;
	uint64_t offset = piece->page * RM_PAGE, length = piece->count * RM_PAGE;
	const struct peer_region *region = fetch_region(remote, piece->layer, offset);
	uint64_t deadline = rm_now_ns() + TRY_NS;

	if (!region || region->offset + region->length < offset + length) {
		settle(piece, -EPROTO); /* other regions after a renewal than before */
		return;
	}
	if (region->keyless) {
		/* Its host has just said so: it is there, and had others to serve. */
		piece->deadline = rm_now_ns() + GIVE_UP_NS;
		hold_piece(piece);
		return;
	}
	if (piece->read.key != region->key)
		piece->attempts = 0;    /* the last one was taken away, which is no failure */
	piece->attempts++;
	post_read(piece, peer_of(remote->session), region->base + (offset - region->offset),
	          region->key, deadline < piece->deadline ? deadline : piece->deadline);
}

void fetch_relayed(struct piece *piece, struct fabric_peer *peer, uint64_t base, uint64_t key,
                   uint64_t deadline)
{
	piece->relayed = true;
	post_read(piece, peer, base, key, deadline);
}

void fetch_direct(struct piece *piece)
{
	struct remote *remote = piece->remote;

	piece->deadline = rm_now_ns() + GIVE_UP_NS;
	if (remote->session && !remote->renewing) {
		post(piece);
		want_keys(remote);
	} else {
		hold_piece(piece);
		remote_renew(remote);
	}
}

/* Memory for a piece of so many pages, and for the pages. 0 or -errno, as remote_fetch(). */
static int make_piece(struct remote *remote, const struct page_wait *waiter, uint64_t page,
                      uint64_t count, struct piece **out)
{
	int error = claim_pages(remote, count);

	if (error)
		return error;
	/* All at once is cheaper than fault by fault while the data is copied in. */
	error = cache_populate(&remote->caches[waiter->layer], page, count);
	*out = error ? NULL : reserve_zalloc(sizeof **out, waiter->vital);
	if (*out)
		return 0;
	claim_return(remote, count);
	if (error)
		return error;
	return waiter->vital ? -EAGAIN : -ENOMEM;
}

/* One piece out of these pages; *count: how many it took. 0 or -errno, as remote_fetch(). */
static int start_piece(struct remote *remote, struct attachment *for_whom,
                       const struct page_wait *waiter, uint64_t page, uint64_t *count)
{
	uint32_t layer = waiter->layer;
	const struct peer_region *region = fetch_region(remote, layer, page * RM_PAGE);
	struct piece *piece;
	uint64_t most;
	int error;

	if (region) {
		most = (region->offset + region->length) / RM_PAGE - page;
		*count = *count < most ? *count : most;
	}
	error = make_piece(remote, waiter, page, *count, &piece);
	if (error)
		return error;
	piece->remote = remote;
	if (for_whom)
		piece->counters = process_counters_ref(for_whom->counters);
	piece->layer = layer;
	piece->later = waiter->later;
	piece->page = page;
	piece->count = *count;
	cache_mark_inflight(&remote->caches[layer], page, *count, true);
	if (!remote->source->take(piece))
		fetch_direct(piece);
	return 0;
}

void remote_fetch(struct remote *remote, struct attachment *for_whom, struct page_wait *waiter)
{
	struct cache *cache = &remote->caches[waiter->layer];
	uint64_t page = waiter->page, end = page + waiter->count, start, count;

	waiter->error = 0;
	remote_hold(remote);
	if (remote->state == REMOTE_LOST)
		waiter->error = remote->error;
	while (!waiter->error && cache_wanted(cache, page, end, PIECE_PAGES, false, &start, &count)) {
		waiter->error = start_piece(remote, for_whom, waiter, start, &count);
		page = start + count;
	}
	if (in_flight(remote, waiter)) {
		waiter->next = remote->fetch.waiters;
		remote->fetch.waiters = waiter;
	} else {
		waiter->next = remote->fetch.settled;
		remote->fetch.settled = waiter;
		tell(remote);
	}
	remote_unhold(remote);
}

static bool unlink_waiter(struct page_wait **at, struct page_wait *waiter)
{
	for (; *at; at = &(*at)->next) {
		if (*at == waiter) {
			*at = waiter->next;
			return true;
		}
	}
	return false;
}

void remote_forget(struct remote *remote, struct page_wait *waiter)
{
	if (!unlink_waiter(&remote->fetch.waiters, waiter))
		unlink_waiter(&remote->fetch.settled, waiter);
}

void fetch_init(struct remote *remote)
{
	remote->fetch.held_timer.fire = held_expired;
	remote->fetch.held_end = &remote->fetch.held;
}

static struct piece *take_held(struct remote *remote)
{
	struct piece *held = remote->fetch.held;

	remote->fetch.held = NULL;
	remote->fetch.held_end = &remote->fetch.held;
	loop_timer_cancel(remote->remotes->context->loop, &remote->fetch.held_timer);
	return held;
}

void fetch_renewed(struct remote *remote)
{
	struct piece *piece, *held = take_held(remote);

	remote_hold(remote);
	while ((piece = held)) {
		held = piece->next;
		post(piece);
	}
	want_keys(remote);
	remote_unhold(remote);
}

static void settle_all(struct piece *piece, int error)
{
	struct piece *next;

	for (; piece; piece = next) {
		next = piece->next;
		settle(piece, error);
	}
}

void fetch_fail(struct remote *remote, int error)
{
	struct piece *held = take_held(remote), *waiting = remote->source->stop(remote);

	remote_hold(remote);
	settle_all(held, error);
	settle_all(waiting, error);
	remote_unhold(remote);
}
