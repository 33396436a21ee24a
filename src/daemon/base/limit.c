/* SPDX-License-Identifier: BSD-2-Clause */
/* limit.c - see limit.h. Worker thread only; does not allocate. */
#include <errno.h>

#include "context.h"
#include "../../common/cgroup.h"
#include "../../common/channel.h"
#include "../../common/say.h"

#define LOOK_NS UINT64_C(100000000)
#define MARGIN_LEAST (UINT64_C(16) << 20)       /* an open fabric is 6 to 12 MiB */
#define MARGIN_MOST (UINT64_C(512) << 20)

/* ---- the cgroup ---- */

static uint64_t margin_of(uint64_t limit)
{
	uint64_t margin = limit / 8;

	if (margin < MARGIN_LEAST)
		return MARGIN_LEAST;
	return margin < MARGIN_MOST ? margin : MARGIN_MOST;
}

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

/* What is left of it; what is promised is taken. */
static uint64_t cgroup_room(const struct limit *limit)
{
	if (limit->free_bytes == RM_CGROUP_NONE)
		return UINT64_MAX;
	return limit->free_bytes > limit->promised ? limit->free_bytes - limit->promised : 0;
}

/* Are bytes within it, if so many come free at once? Looks only where it has to. */
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

/* Publications and caches, where what is both is counted twice: quick, and never too low. */
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

static bool option_admits(struct context *context, uint64_t bytes)
{
	uint64_t limit = context->options.limit, held = held_at_most(context);

	if (!limit || (held <= limit && bytes <= limit - held))
		return true;
	held = limit_held(context);
	return held <= limit && bytes <= limit - held;
}

/* Bytes that come free. */
static uint64_t give_way(struct context *context)
{
	const struct limit_holders *holders = &context->limit.holders;

	if (holders->let_go)
		holders->let_go(holders->arg);
	return holders->evict ? holders->evict(holders->arg) : 0;
}

bool limit_admits(struct context *context, uint64_t bytes)
{
	if (option_admits(context, bytes))
		return true;
	give_way(context);
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

static void words_of_option(struct context *context, uint64_t bytes)
{
	rm_format(context->limit.why, sizeof(context->limit.why), "rmmapd may hold %llu bytes "
	          "(RMMAP_LIMIT) and holds %llu: there is no room for %llu more; detach or unpublish "
	          "something, or raise the limit", (unsigned long long)context->options.limit,
	          (unsigned long long)limit_held(context), (unsigned long long)bytes);
}

static void words_of_cgroup(struct context *context, uint64_t bytes)
{
	struct rm_cgroup cgroup;

	rm_cgroup_read("", &cgroup);
	rm_format(context->limit.why, sizeof(context->limit.why), "the cgroup of rmmapd may have %llu "
	          "bytes of memory and has %llu, and keeps %llu back: there is no room for %llu more; "
	          "raise its limit (memory.max), or fetch less (RMMAP_FETCH=lazy)",
	          (unsigned long long)cgroup.limit, (unsigned long long)cgroup.used,
	          (unsigned long long)margin_of(cgroup.limit), (unsigned long long)bytes);
}

static int refuse(struct context *context, uint64_t bytes)
{
	if (!option_admits(context, bytes))
		words_of_option(context, bytes);
	else
		words_of_cgroup(context, bytes);
	return -ENOSPC;
}

int limit_promise(struct context *context, uint64_t bytes)
{
	struct limit *limit = &context->limit;
	uint64_t freed;

	if (!option_admits(context, bytes) || !cgroup_admits(limit, bytes, 0)) {
		freed = give_way(context);
		/* The keeper closes its descriptors of them a moment later. */
		if (!option_admits(context, bytes) || !cgroup_admits(limit, bytes, freed))
			return refuse(context, bytes);
	}
	limit->caches += bytes;
	limit->promised += bytes;
	return 0;
}

void limit_make(struct context *context, uint64_t bytes)
{
	struct limit *limit = &context->limit;

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
	context->limit.caches -= made + promised;
	context->limit.promised -= promised;
}
