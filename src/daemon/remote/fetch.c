/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch.c - reads of remote pages: pieces under way, who waits, reading again
 *
 * A page is in flight from the first request until it is present or given up, also while its
 * piece is held back for fresh keys. A waiter is settled when no page of its range is in
 * flight any more, however often a read failed and was repeated. Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/reserve.h"
#include "../base/container.h"

#define PIECE_PAGES 256                 /* 1 MiB */
#define AROUND_PAGES 64                 /* registered together, where the device needs that */
#define TRY_NS 3000000000ull            /* one attempt; leaves time for another one */
#define GIVE_UP_NS 5000000000ull        /* all attempts at one piece together */
#define ATTEMPTS 4

_Static_assert(sizeof(struct piece) <= RESERVE_BLOCK, "a piece fits the reserve");

/* Call done() of the settled waiters. They may call anything here; the caller holds the remote. */
static void waiters_tell(struct remote *remote)
{
	struct page_wait *waiter;
	struct cache *cache;
	int error;

	while ((waiter = remote->fetch.settled)) {
		remote->fetch.settled = waiter->next;
		cache = &remote->caches[waiter->layer];
		/*
		 * The result is what is here now. A waiter whose piece failed has all pages if
		 * another read brought them meanwhile. -EIO: a piece of it was settled before it
		 * was in the list, see remote_fetch().
		 */
		error = waiter->error ? waiter->error : remote->error ? remote->error : -EIO;
		if (!cache_absent(cache, waiter->page, waiter->page + waiter->count))
			error = 0;
		waiter->done(waiter, error);
	}
}

static bool waiter_in_flight(const struct remote *remote, const struct page_wait *waiter)
{
	uint64_t start, count;

	return cache_wanted(&remote->caches[waiter->layer], waiter->page,
	                    waiter->page + waiter->count, 1, true, &start, &count);
}

/* The pages of this piece are present, or (error) given up. Frees the piece. */
static void piece_settle(struct piece *piece, int error)
{
	struct remote *remote = piece->remote;
	struct cache *cache = &remote->caches[piece->layer];
	struct page_wait **at = &remote->fetch.waiters, *waiter;
	uint64_t absent;

	if (!error) {
		absent = cache_absent(cache, piece->page, piece->page + piece->count);
		assert(remote->absent >= absent);
		remote->absent -= absent;
		cache_mark_present(cache, piece->page, piece->count);
		fetch_count(remote, piece->counters, 1, piece->count);
	}
	cache_mark_inflight(cache, piece->page, piece->count, false);
	if (error)
		claim_return(remote, piece->claimed);
	while ((waiter = *at)) {
		if (waiter->layer != piece->layer || waiter->page >= piece->page + piece->count ||
		    piece->page >= waiter->page + waiter->count) {
			at = &waiter->next;
			continue;
		}
		if (error)
			waiter->error = error;
		if (waiter_in_flight(remote, waiter)) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = remote->fetch.settled;
		remote->fetch.settled = waiter;
	}
	process_counters_unref(piece->counters);
	reserve_free(piece);
	waiters_tell(remote);
}

/* Give up the held pieces whose deadline has passed. */
static void held_timer_fired(struct timer *timer)
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
	/*
	 * List and timer are in order before anybody is told: done() may start reads that are
	 * held.
	 */
	remote->fetch.held_end = at;
	if (next != UINT64_MAX)
		loop_timer(remote->remotes->context->loop, timer, next);
	remote_hold(remote);
	while ((piece = late)) {
		late = piece->next;
		piece_settle(piece, -ETIMEDOUT);
	}
	remote_unhold(remote);
}

/* Hold a piece until keys come. First come, first served: the longest wait gets keys first. */
static void piece_hold(struct piece *piece)
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
 * Ask for keys if pieces are held. This waits until no read is under way: the other host may take
 * back keys that we do not ask for, and a read with a key that was taken back ends an RDMA
 * connection.
 */
static void keys_want(struct remote *remote)
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
		/*
		 * Extend a range that has the region or ends before it. A region before FIRST
		 * gives a difference that is larger than any count, since it is unsigned.
		 */
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

static void piece_read_done(struct fabric_read *read, int error)
{
	struct piece *piece = container_of(read, struct piece, read);
	struct remote *remote = piece->remote;
	bool from_helper = piece->from_helper;

	/* The end of the hold frees a dying remote, if this was its last read. */
	remote_hold(remote);
	assert(remote->fetch.outstanding > 0);
	remote->fetch.outstanding--;
	if (from_helper)
		/* Before the piece is settled or read elsewhere, which ends its want. */
		remote->source->over(piece, error);
	piece->from_helper = false;
	if (error == -ENOMEM)   /* of this host: fresh keys would not help */
		fabric_memlock_text(remote->fabric, remote->why, sizeof(remote->why));
	if (!error || error == -ENOMEM)
		piece_settle(piece, error);
	else if (remote->dying || remote->state == REMOTE_LOST)
		piece_settle(piece, remote->error ? remote->error : error);
	else if (from_helper)
		fetch_direct(piece);
	else if (piece->attempts >= ATTEMPTS || rm_now_ns() >= piece->deadline)
		piece_settle(piece, error);
	else {
		piece_hold(piece);
		remote_renew(remote);
	}
	keys_want(remote);
	remote_unhold(remote);
}

/* Read the piece from this address of the peer's memory. */
static void piece_post_read(struct piece *piece, struct fabric_peer *peer, uint64_t from,
                            uint64_t key, uint64_t deadline)
{
	struct remote *remote = piece->remote;
	struct cache *cache = &remote->caches[piece->layer];
	uint64_t start, count;

	/* All pages of a huge block exist, and a device pins them as one. */
	if (cache_is_huge(cache, piece->page)) {
		start = piece->page - piece->page % CACHE_BLOCK_PAGES;
		count = CACHE_BLOCK_PAGES;
	} else {
		cache_run(cache, piece->page, AROUND_PAGES, &start, &count);
	}
	piece->read = (struct fabric_read){
		.peer = peer,
		.to = cache->map + piece->page * RM_PAGE,
		.length = piece->count * RM_PAGE,
		.around = cache->map + start * RM_PAGE,
		.around_length = count * RM_PAGE,
		.from = from,
		.key = key,
		.deadline = deadline,
		.low_priority = piece->later,
		.done = piece_read_done,
	};
	remote->fetch.outstanding++;
	fabric_read(remote->fabric, &piece->read);
}

/* Read the piece from the publisher's host, or hold it while its region has no key. */
static void piece_post(struct piece *piece)
{
	struct remote *remote = piece->remote;
	uint64_t offset = piece->page * RM_PAGE, length = piece->count * RM_PAGE;
	const struct peer_region *region = fetch_region(remote, piece->layer, offset);
	uint64_t deadline = rm_now_ns() + TRY_NS;

	if (!region || region->offset + region->length < offset + length) {
		piece_settle(piece, -EPROTO);   /* a renewal brought other regions */
		return;
	}
	if (region->keyless) {
		/* Its host has just answered, so it is alive, and served others: begin anew. */
		piece->deadline = rm_now_ns() + GIVE_UP_NS;
		piece_hold(piece);
		return;
	}
	if (piece->read.key != region->key)
		piece->attempts = 0;    /* the last key was taken back, which is no failure */
	piece->attempts++;
	piece_post_read(piece, peer_of(remote->session), region->base + (offset - region->offset),
	                region->key, deadline < piece->deadline ? deadline : piece->deadline);
}

void fetch_from_helper(struct piece *piece, struct fabric_peer *peer, uint64_t base, uint64_t key,
                   uint64_t deadline)
{
	piece->from_helper = true;
	piece_post_read(piece, peer, base, key, deadline);
}

void fetch_direct(struct piece *piece)
{
	struct remote *remote = piece->remote;

	piece->deadline = rm_now_ns() + GIVE_UP_NS;
	if (remote->session && !remote->renewing) {
		piece_post(piece);
		keys_want(remote);
	} else {
		piece_hold(piece);
		remote_renew(remote);
	}
}

/*
 * Memory for a piece of this many pages, and for the pages. 0 or -errno, of which -EAGAIN is as
 * in remote_fetch().
 */
static int piece_make(struct remote *remote, const struct page_wait *waiter, uint64_t page,
                      uint64_t count, struct piece **out)
{
	uint64_t claimed = cache_small(&remote->caches[waiter->layer], page, count);
	int error = claim_pages(remote, claimed);

	if (error)
		return error;
	error = cache_populate(&remote->caches[waiter->layer], page, count);
	*out = error ? NULL : reserve_zalloc(sizeof(**out), waiter->vital);
	if (*out) {
		(*out)->claimed = claimed;
		return 0;
	}
	claim_return(remote, claimed);
	if (error)
		return error;
	return waiter->vital ? -EAGAIN : -ENOMEM;
}

/*
 * Start one piece with the first of these pages. *count is how many there are, and then how many
 * it took: a piece lies in one region. 0 or -errno, as piece_make().
 */
static int piece_start(struct remote *remote, struct attachment *for_whom,
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
	error = piece_make(remote, waiter, page, *count, &piece);
	if (error)
		return error;
	piece->remote = remote;
	if (for_whom)
		piece->counters = process_counters_ref(for_whom->counters);
	piece->layer = layer;
	piece->later = waiter->low_priority;
	piece->page = page;
	piece->count = *count;
	/* Before the piece goes anywhere: it may be settled at once, which clears the marks. */
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
	if (waiter->whole && !waiter->error)
		huge_ahead(remote, waiter->layer, page, waiter->count);
	while (!waiter->error && cache_wanted(cache, page, end, PIECE_PAGES, false, &start, &count)) {
		waiter->error = piece_start(remote, for_whom, waiter, start, &count);
		page = start + count;
	}
	/*
	 * It joins the list only after its last piece was started. Otherwise a piece that is
	 * settled at once would have done() called while the loop above still uses the waiter.
	 */
	if (waiter_in_flight(remote, waiter)) {
		waiter->next = remote->fetch.waiters;
		remote->fetch.waiters = waiter;
	} else {
		waiter->next = remote->fetch.settled;
		remote->fetch.settled = waiter;
		waiters_tell(remote);
	}
	remote_unhold(remote);
}

/* True if the waiter was in this list. */
static bool waiter_unlink(struct page_wait **at, struct page_wait *waiter)
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
	if (!waiter_unlink(&remote->fetch.waiters, waiter))
		waiter_unlink(&remote->fetch.settled, waiter);
}

void fetch_init(struct remote *remote)
{
	remote->fetch.held_timer.fire = held_timer_fired;
	remote->fetch.held_end = &remote->fetch.held;
}

/* Empty the list of held pieces. The caller settles or posts each of them. */
static struct piece *held_take(struct remote *remote)
{
	struct piece *held = remote->fetch.held;

	remote->fetch.held = NULL;
	remote->fetch.held_end = &remote->fetch.held;
	loop_timer_cancel(remote->remotes->context->loop, &remote->fetch.held_timer);
	return held;
}

void fetch_renewed(struct remote *remote)
{
	struct piece *piece, *held = held_take(remote);

	remote_hold(remote);
	while ((piece = held)) {
		held = piece->next;
		piece_post(piece);
	}
	keys_want(remote);
	remote_unhold(remote);
}

static void pieces_settle(struct piece *piece, int error)
{
	struct piece *next;

	for (; piece; piece = next) {
		next = piece->next;
		piece_settle(piece, error);
	}
}

void fetch_fail(struct remote *remote, int error)
{
	/*
	 * Taken off both lists first: done() may start further reads, and these must not be
	 * settled with the error of the present ones.
	 */
	struct piece *held = held_take(remote), *waiting = remote->source->stop(remote);

	remote_hold(remote);
	pieces_settle(held, error);
	pieces_settle(waiting, error);
	remote_unhold(remote);
}
