/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ahead.c - policy: what is fetched before anybody asks for it, and whether it was of use
 *
 * Pages that arrive are scanned for addresses of the publication (pointers.h). The pages that
 * these lead to are queued and fetched in that order, so breadth-first, as far as budget.h
 * allows. Neighbours that are queued are fetched with them. Ranges of rmmap_prefetch() go first
 * (asked.c).
 *
 * Prefetched pages are mapped at once. That saves a fault for each, but hides whether they are
 * used. So one page of 16, later of 64, is left unmapped, and its fault counts for all of them.
 * For pages of readahead, stream.h says which one is left.
 *
 * Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/container.h"

/* The state of a page, in one byte. */
#define WHY 3                           /* enum rm_ahead plus 1 of who brought it, until its use
                                           is known; 0: nobody did, or it is known */
#define QUEUED 4                        /* in the queue, and not fetched with a neighbour yet */
#define SCANNED 8                       /* for pointers */
#define LEFT 16                         /* left unmapped: a fault tells that it is used */
#define RARE 32                         /* with LEFT: it counts for 64 pages, not for 16 */
#define MARK 64                         /* with LEFT: a stream's mark; it counts for itself */
#define LONE 128                        /* with LEFT: the mark of a lone batch */

#define OFTEN_SHIFT 4
#define RARE_SHIFT 6
#define RARE_AFTER 1024                 /* pages that came for one reason */
#define MAPPED_MAX 64                   /* queued pages that one ahead_pump() maps */

/* A hash: looks random, and is the same each time for a page. */
static uint64_t page_draw(uint64_t number)
{
	number *= UINT64_C(0x9e3779b97f4a7c15);
	return (number ^ number >> 29) * UINT64_C(0xff51afd7ed558ccd);
}

static struct rm_ahead_counters *ahead_counters(const struct lazy *lazy, enum rm_ahead why)
{
	return &lazy->attachment->counters->sum.ahead[why];
}

/* Count pages fetched and pages used, for the process and for the publication. */
static void ahead_count(const struct lazy *lazy, enum rm_ahead why, uint64_t pages, uint64_t used)
{
	struct rm_ahead_counters *ours = ahead_counters(lazy, why);
	struct rm_ahead_counters *all = &remote_counters(lazy->remote)->ahead[why];

	ours->pages += pages;
	ours->used += used;
	all->pages += pages;
	all->used += used;
}

/* ---- is it used? ---- */

/* The state of a page that is fetched for this reason: is it one of the sample? */
static uint8_t ahead_state_new(const struct lazy *lazy, uint64_t number, enum rm_ahead why)
{
	bool rare = ahead_counters(lazy, why)->pages >= RARE_AFTER;
	uint8_t state = (uint8_t)(why + 1);

	if (!(page_draw(number) >> (64 - (rare ? RARE_SHIFT : OFTEN_SHIFT))))
		state |= rare ? LEFT | RARE : LEFT;
	return state;
}

uint64_t ahead_note(struct lazy *lazy, const struct lazy_batch *batch, uint64_t waited)
{
	const struct rm_segment *s = &remote_table(lazy->remote)->segments[batch->segment];
	uint64_t first = lazy->first[batch->segment], n = 0, page;
	uint8_t *state;

	for (page = batch->page; page < batch->page + batch->count; page++) {
		state = &lazy->ahead.state[first + page];
		if (first + page == waited ||
		    !remote_wanted(lazy->remote, s->layer, s->offset / RM_PAGE + page))
			continue;
		*state &= (uint8_t)~(WHY | RARE);
		*state |= batch->why != RM_AHEAD_SCAN ? ahead_state_new(lazy, first + page, batch->why) :
			  RM_AHEAD_SCAN + 1;
		n++;
	}
	ahead_count(lazy, batch->why, n, 0);
	if (!batch->waited) {
		lazy->ahead.flying++;
		lazy->ahead.flying_pages += batch->count;
	}
	return n;
}

void ahead_mark(struct lazy *lazy, uint64_t number, bool lone)
{
	lazy->ahead.state[number] |= lone ? LEFT | LONE : LEFT | MARK;
}

/* Pages that came for the reason in state were used. */
static void ahead_used(struct lazy *lazy, uint8_t state, uint64_t pages)
{
	enum rm_ahead why = (state & WHY) - 1;
	const struct rm_ahead_counters *counters = ahead_counters(lazy, why);

	/* One page may stand for more pages than there were. */
	if (pages > counters->pages - counters->used)
		pages = counters->pages - counters->used;
	ahead_count(lazy, why, 0, pages);
	if (why == RM_AHEAD_POINTER)
		budget_used(&lazy->ahead.budget, pages);
}

bool ahead_touched(struct lazy *lazy, uint64_t number)
{
	uint8_t *state = &lazy->ahead.state[number], was = *state;

	*state &= (uint8_t)~(WHY | LEFT | RARE | MARK | LONE);
	if (!(was & WHY))
		return was & LEFT;
	if (was & LONE)
		ahead_used(lazy, was, streams_lone_used(&lazy->ahead.streams));
	else if (was & LEFT && !(was & MARK))
		ahead_used(lazy, was, was & RARE ? 1 << RARE_SHIFT : 1 << OFTEN_SHIFT);
	else
		ahead_used(lazy, was, 1);       /* touched while it was under way */
	return was & LEFT;
}

void ahead_proven(struct lazy *lazy, const struct stream_plan *plan)
{
	uint64_t number = plan->proven, n = 0;
	uint8_t *state;

	for (uint64_t i = 0; i < plan->proven_count && number < lazy->pages; i++) {
		state = &lazy->ahead.state[number];
		if ((*state & WHY) == RM_AHEAD_SCAN + 1 && !(*state & LEFT)) {
			*state &= (uint8_t)~WHY;
			n++;
		}
		number += (uint64_t)plan->step;
	}
	if (n)
		ahead_used(lazy, RM_AHEAD_SCAN + 1, n);
}

/* How many of these pages are likely to be used, of which none will tell: as many as of others. */
static uint64_t ahead_share(const struct rm_ahead_counters *counters, uint64_t pages)
{
	uint64_t others = counters->pages > pages ? counters->pages - pages : 0;
	uint64_t share = others ? pages * counters->used / others : pages;

	share = share < pages ? share : pages;
	return share < counters->pages - counters->used ? share : counters->pages - counters->used;
}

void ahead_given(struct lazy *lazy, uint64_t number, bool touched)
{
	uint8_t *state = lazy->ahead.state + number, *end = state + LAZY_BLOCK;
	uint64_t pages[RM_AHEADS] = { 0 };
	enum rm_ahead why;

	for (; state < end; state++) {
		if (*state & WHY)
			pages[(*state & WHY) - 1]++;
		*state &= (uint8_t)~(WHY | QUEUED | LEFT | RARE | MARK | LONE);
	}
	for (why = 0; why < RM_AHEADS; why++) {
		if (touched && why != RM_AHEAD_POINTER)
			ahead_used(lazy, (uint8_t)(why + 1), pages[why]);
		else
			ahead_count(lazy, why, 0, ahead_share(ahead_counters(lazy, why), pages[why]));
	}
	/* Trust in pointers grows by a block no more than by any page that was left. */
	if (touched && pages[RM_AHEAD_POINTER])
		budget_used(&lazy->ahead.budget, 1 << RARE_SHIFT);
}

void ahead_missed(struct lazy *lazy, uint64_t number)
{
	if (lazy->ahead.state[number] & QUEUED)
		budget_missed(&lazy->ahead.budget);
}

/*
 * Is the page to be left unmapped? Not if a thread waits for it: another thread's fault may have
 * chosen it as a mark meanwhile.
 */
static bool page_is_left(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	uint64_t addr = remote_table(lazy->remote)->segments[segment].addr + page * RM_PAGE;

	return lazy->ahead.state[lazy->first[segment] + page] & LEFT && !lazy_waited_for(lazy, addr);
}

void ahead_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end)
{
	uint64_t run;

	for (; page < end; page = run + 1) {
		for (run = page; run < end && !page_is_left(lazy, segment, run); run++)
			;
		if (run > page)
			lazy_map(lazy, segment, page, run);
	}
}

/* ---- where do pages point to? ---- */

static void queue_push(struct lazy *lazy, uint64_t number)
{
	struct lazy_ahead *ahead = &lazy->ahead;

	if (ahead->queued == LAZY_QUEUE || ahead->state[number] & QUEUED)
		return;
	ahead->state[number] |= QUEUED;
	ahead->queue[(ahead->head + ahead->queued++) % LAZY_QUEUE] = number;
}

void ahead_scan(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *s = &table->segments[segment];
	struct lazy_ahead *ahead = &lazy->ahead;
	uint64_t number = lazy->first[segment] + page, other;
	uint8_t *state = &ahead->state[number];
	struct pointer found[POINTERS_MAX];
	unsigned count;

	if (lazy->attachment->prefetch != RM_PREFETCH_POINTER || *state & SCANNED ||
	    ahead->queued == LAZY_QUEUE || remote_complete(lazy->remote) ||
	    !rm_bit(rm_table_view_bitmap(table, s->layer), s->offset / RM_PAGE + page))
		return;
	if (!ahead->queue)
		ahead->queue = malloc(LAZY_QUEUE * sizeof(*ahead->queue));
	if (!ahead->queue)
		return;
	*state |= SCANNED;
	count = pointers_find(table, remote_data(lazy->remote, s->layer, s->offset / RM_PAGE + page),
	                      found);
	for (unsigned i = 0; i < count; i++) {
		other = lazy->first[found[i].segment] + found[i].page;
		/* The neighbours of a page that a stream brought come by the stream anyway. */
		if ((*state & WHY) != RM_AHEAD_POINTER + 1 &&
		    other - number + STREAM_LONE <= 2 * STREAM_LONE)
			continue;
		if (!rm_bit(lazy->mapped, other))
			queue_push(lazy, other);
	}
}

void ahead_arrived(struct lazy *lazy, const struct lazy_batch *batch, int error)
{
	const struct rm_ahead_counters *counters = ahead_counters(lazy, batch->why);
	uint64_t page;

	if (!batch->waited) {
		assert(lazy->ahead.flying > 0 && lazy->ahead.flying_pages >= batch->count);
		lazy->ahead.flying--;
		lazy->ahead.flying_pages -= batch->count;
	}
	if (error) {
		page = counters->pages - counters->used;
		ahead_count(lazy, batch->why, -(batch->ahead < page ? batch->ahead : page), 0);
		return;
	}
	if (batch->trip && batch->count <= STREAM_LONE)
		budget_trip(&lazy->ahead.budget, batch->took_ns);
	for (page = batch->page; page < batch->page + batch->count && !lazy->finished; page++)
		ahead_scan(lazy, batch->segment, page);
}

/* ---- fetching on ---- */

static bool page_is_absent(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct rm_segment *s = &remote_table(lazy->remote)->segments[segment];

	return remote_wanted(lazy->remote, s->layer, s->offset / RM_PAGE + page);
}

/*
 * Widen a page to the run of absent pages that is fetched with it: neighbours that are queued,
 * and, on a slow network, near ones, which cost little during a long round trip.
 */
static void queue_widen(const struct lazy *lazy, uint32_t segment, uint64_t max, uint64_t *page,
                        uint64_t *count)
{
	uint64_t pages = remote_table(lazy->remote)->segments[segment].length / RM_PAGE;
	uint64_t near = budget_window(&lazy->ahead.budget) / 8, low = *page, high = low + 1, block;
	const uint8_t *state = lazy->ahead.state + lazy->first[segment];

	near = near < STREAM_LONE ? near : STREAM_LONE;
	block = low - low % (near ? near : 1);
	while (high < pages && high - low < max && page_is_absent(lazy, segment, high) &&
	       (state[high] & QUEUED || high < block + near))
		high++;
	while (low && high - low < max && page_is_absent(lazy, segment, low - 1) &&
	       (state[low - 1] & QUEUED || low > block))
		low--;
	*page = low;
	*count = high - low;
}

/*
 * Fetch the block of this page whole, if pointers lead to a quarter of what is absent of it. False
 * if it is not so, or not affordable.
 */
static bool queue_follow_block(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	struct lazy_ahead *ahead = &lazy->ahead;
	uint64_t block, absent, queued = 0;
	uint8_t *state;

	if (!block_find(lazy, segment, page, &block))
		return false;
	absent = block_absent(lazy, segment, block);
	state = ahead->state + lazy->first[segment] + block;
	for (unsigned i = 0; i < LAZY_BLOCK; i++)
		queued += (state[i] & QUEUED) != 0;
	if (queued < absent / 4 || ahead->budget.credit < absent)
		return false;
	for (unsigned i = 0; i < LAZY_BLOCK; i++)
		state[i] &= (uint8_t)~QUEUED;
	budget_spend(&ahead->budget, absent);
	block_fetch(lazy, segment, block, RM_AHEAD_POINTER);
	return true;
}

/*
 * Take the queue's oldest page: fetch it with its neighbours, or map it if it is here by now.
 * *mapped counts the latter. False if nothing may be done now.
 */
static bool queue_follow(struct lazy *lazy, unsigned *mapped)
{
	struct lazy_ahead *ahead = &lazy->ahead;
	uint64_t max = budget_window(&ahead->budget), number, page, count;
	uint32_t segment;

	if (!ahead->queued || !ahead->budget.credit || ahead->flying >= AHEAD_FLYING_MAX ||
	    *mapped >= MAPPED_MAX)
		return false;
	/* Wait for half a window: otherwise each page that arrives asks for one more, never a run. */
	if (ahead->flying_pages > max / 2)
		return false;
	number = ahead->queue[ahead->head];
	ahead->head = (ahead->head + 1) % LAZY_QUEUE;
	ahead->queued--;
	segment = lazy_segment(lazy, number);
	page = number - lazy->first[segment];
	if (!(ahead->state[number] & QUEUED))   /* it was fetched with another one */
		return true;
	ahead->state[number] &= (uint8_t)~QUEUED;
	if (!page_is_absent(lazy, segment, page)) {
		if (lazy_available(lazy, segment, page) && !rm_bit(lazy->mapped, number)) {
			ahead_map(lazy, segment, page, page + 1);
			ahead_scan(lazy, segment, page);
			(*mapped)++;
		}
		return true;
	}
	if (queue_follow_block(lazy, segment, page))
		return true;
	max = max < ahead->budget.credit ? max : ahead->budget.credit;
	queue_widen(lazy, segment, max < LAZY_PART ? max : LAZY_PART, &page, &count);
	for (uint64_t i = 0; i < count; i++)
		ahead->state[lazy->first[segment] + page + i] &= (uint8_t)~QUEUED;
	budget_spend(&ahead->budget, count);
	lazy_fetch(lazy, segment, page, count, RM_AHEAD_POINTER, LAZY_NOBODY);
	return true;
}

int lazy_prefetch(struct lazy *lazy, uint64_t addr, uint64_t length)
{
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *s = table->segments;
	uint64_t end = length > RM_WINDOW_END - addr ? RM_WINDOW_END : addr + length, from, to;
	int error = 0;

	if (addr >= RM_WINDOW_END || lazy->attachment->prefetch == RM_PREFETCH_OFF)
		return 0;
	for (uint32_t i = 0; i < table->segment_count && !error; i++, s++) {
		from = addr > s->addr ? addr : s->addr;
		to = end < s->addr + s->length ? end : s->addr + s->length;
		if (from < to)
			error = asked_add(lazy, lazy->first[i] + (from - s->addr) / RM_PAGE,
			            lazy->first[i] + rm_page_up(to - s->addr) / RM_PAGE);
	}
	ahead_pump(lazy);
	return error;
}

void ahead_pump(struct lazy *lazy)
{
	struct lazy_ahead *ahead = &lazy->ahead;
	unsigned mapped = 0;

	/* A fetch that ends at once calls this from below, which must not recurse. */
	if (ahead->pumping)
		return;
	ahead->pumping = true;
	while (!lazy->finished && !lazy->dead && (asked_fetch(lazy) || queue_follow(lazy, &mapped)))
		;
	ahead->pumping = false;
}

void ahead_free(struct lazy *lazy)
{
	asked_free(lazy);
	free(lazy->ahead.state);
	free(lazy->ahead.queue);
}
