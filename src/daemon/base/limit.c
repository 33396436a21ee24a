/* SPDX-License-Identifier: BSD-2-Clause */
/* limit.c - the two bounds of rmmapd's memory: see limit.h. Worker thread only. */
#include <assert.h>
#include <errno.h>

#include "context.h"
#include "../../common/cgroup.h"
#include "../../common/channel.h"
#include "../../common/say.h"

#define LOOK_NS UINT64_C(100000000)             /* the cgroup's files are not read at each fault */
#define MARGIN_LEAST (UINT64_C(16) << 20)       /* an open fabric is 6 to 12 MiB */
#define MARGIN_MOST (UINT64_C(512) << 20)       /* an eighth of a large limit would be a waste */

/* ---- the cgroup ---- */

/* The part of a cgroup's limit that stays free for all that is not counted here. */
static uint64_t margin_of(uint64_t limit)
{
	uint64_t margin = limit / 8;

	if (margin < MARGIN_LEAST)
		return MARGIN_LEAST;
	return margin < MARGIN_MOST ? margin : MARGIN_MOST;
}

/* Read the cgroup's usage anew. */
static void cgroup_look(struct limit *limit)
{
	struct rm_cgroup cgroup;
	uint64_t room, margin;

	rm_cgroup_read("", &cgroup);
	room = rm_cgroup_room(&cgroup);
	margin = margin_of(cgroup.limit);
	if (room == RM_CGROUP_NONE)
		limit->free_bytes = RM_CGROUP_NONE;
	else
		limit->free_bytes = room > margin ? room - margin : 0;
	limit->look_ns = rm_now_ns() + LOOK_NS;
}

/* Bytes that the cgroup has left. Promised bytes count as taken: they will be used soon. */
static uint64_t cgroup_room(const struct limit *limit)
{
	if (limit->free_bytes == RM_CGROUP_NONE)
		return UINT64_MAX;
	return limit->free_bytes > limit->promised ? limit->free_bytes - limit->promised : 0;
}

/*
 * True if the cgroup has room for BYTES. FREED bytes were given up just now, and the kernel may
 * still count them. Reads the cgroup's files only if the last figures are too old or too low.
 */
static bool cgroup_admits(struct limit *limit, uint64_t bytes, uint64_t freed)
{
	uint64_t room;

	if (rm_now_ns() < limit->look_ns && cgroup_room(limit) >= bytes)
		return true;
	cgroup_look(limit);
	room = cgroup_room(limit);
	return room >= bytes || freed >= bytes - room;
}

/* ---- RMMAP_LIMIT ---- */

/*
 * An upper bound of limit_held(): memory that is both a publication's and a cache's counts twice.
 * This one is cheap; limit_held() compares the layers of all publications with all caches.
 */
static uint64_t held_at_most(const struct context *context)
{
	const struct limit_holders *holders = &context->limit.holders;

	return context->limit.caches +
	       (holders->published ? holders->published(holders->arg) : 0);
}

uint64_t limit_held(struct context *context)
{
	const struct limit_holders *holders = &context->limit.holders;
	uint64_t held = held_at_most(context), both;

	if (!holders->both)
		return held;
	both = holders->both(holders->arg);
	return held > both ? held - both : 0;
}

/* True if RMMAP_LIMIT allows BYTES more. The exact figure is only taken if it may matter. */
static bool option_admits(struct context *context, uint64_t bytes)
{
	uint64_t limit = context->options.limit, held = held_at_most(context);

	if (!limit || (held <= limit && bytes <= limit - held))
		return true;
	held = limit_held(context);
	return held <= limit && bytes <= limit - held;
}

/* Free all that nobody has attached: the bytes of caches that were freed. */
static uint64_t memory_release(struct context *context)
{
	const struct limit_holders *holders = &context->limit.holders;

	if (holders->release_holdings)
		holders->release_holdings(holders->arg);
	return holders->evict ? holders->evict(holders->arg) : 0;
}

bool limit_admits(struct context *context, uint64_t bytes)
{
	if (option_admits(context, bytes))
		return true;
	memory_release(context);
	return option_admits(context, bytes);
}

uint64_t limit_room(struct context *context)
{
	uint64_t limit = context->options.limit, room = UINT64_MAX, held;

	if (limit) {
		held = limit_held(context);
		room = held < limit ? limit - held : 0;
	}
	if (rm_now_ns() >= context->limit.look_ns)
		cgroup_look(&context->limit);
	return cgroup_room(&context->limit) < room ? cgroup_room(&context->limit) : room;
}

/* ---- pages of caches ---- */

/* Fill limit.why for a promise that RMMAP_LIMIT does not allow. */
static void why_option(struct context *context, uint64_t bytes)
{
	rm_format(context->limit.why, sizeof(context->limit.why), "rmmapd may hold %llu bytes "
	          "(RMMAP_LIMIT) and holds %llu: there is no room for %llu more; detach or unpublish "
	          "something, or raise the limit", (unsigned long long)context->options.limit,
	          (unsigned long long)limit_held(context), (unsigned long long)bytes);
}

/* Fill limit.why for a promise that the cgroup's limit does not allow. */
static void why_cgroup(struct context *context, uint64_t bytes)
{
	struct rm_cgroup cgroup;

	rm_cgroup_read("", &cgroup);
	rm_format(context->limit.why, sizeof(context->limit.why), "the cgroup of rmmapd may have %llu "
	          "bytes of memory and has %llu, and keeps %llu back: there is no room for %llu more; "
	          "raise its limit (memory.max), or fetch less (RMMAP_FETCH=lazy)",
	          (unsigned long long)cgroup.limit, (unsigned long long)cgroup.used,
	          (unsigned long long)margin_of(cgroup.limit), (unsigned long long)bytes);
}

static int promise_refuse(struct context *context, uint64_t bytes)
{
	if (!option_admits(context, bytes))
		why_option(context, bytes);
	else
		why_cgroup(context, bytes);
	return -ENOSPC;
}

int limit_promise(struct context *context, uint64_t bytes)
{
	struct limit *limit = &context->limit;
	uint64_t freed;

	if (!option_admits(context, bytes) || !cgroup_admits(limit, bytes, 0)) {
		freed = memory_release(context);
		/*
		 * The keeper has copies of the caches' descriptors, and closes them a moment later.
		 * Until then the cgroup's figures do not show that this memory is free.
		 */
		if (!option_admits(context, bytes) || !cgroup_admits(limit, bytes, freed))
			return promise_refuse(context, bytes);
	}
	limit->caches += bytes;
	limit->promised += bytes;
	return 0;
}

void limit_make(struct context *context, uint64_t bytes)
{
	struct limit *limit = &context->limit;

	assert(bytes <= limit->promised);
	limit->promised -= bytes;
	if (limit->free_bytes != RM_CGROUP_NONE)
		limit->free_bytes -= bytes < limit->free_bytes ? bytes : limit->free_bytes;
}

void limit_found(struct context *context, uint64_t bytes)
{
	context->limit.caches += bytes;
}

void limit_return(struct context *context, uint64_t made, uint64_t promised)
{
	struct limit *limit = &context->limit;

	assert(promised <= limit->promised && made + promised <= limit->caches);
	limit->caches -= made + promised;
	limit->promised -= promised;
	assert(limit->promised <= limit->caches);
}
