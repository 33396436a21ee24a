/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block.c - 2 MiB of an attachment that the process can map by one fault; give.c gives them
 *
 * A block is a huge page of the cache that lies whole, and at a congruent address, in a segment.
 * The kernel maps it as one if its range is not registered any more and none of its pages is
 * mapped. So a block that comes whole is left alone until all of it is here, and then its range
 * is unregistered. Until its first page is touched it stays registered: that fault tells that the
 * walk has come so far.
 *
 * Worker thread only. Allocates as lazy_fetch() does.
 */
#include "../../common/channel.h"
#include "internal.h"

#define PATIENCE_NS 5000000ull          /* a page that is here waits so long for its block */
#define FAULTS_LEAST 8                  /* before a block is fetched because of its faults */
#define TRIP_NS 100000                  /* of a fault, until one was measured */

static uint64_t block_addr(const struct rm_segment *s, uint64_t page)
{
	return rm_huge_down(s->addr + page * RM_PAGE);
}

/* Does the block that has this page lie in the segment, and does it in the file? */
static bool block_lies_in(const struct rm_segment *s, uint64_t page)
{
	uint64_t addr = block_addr(s, page);

	return !((s->addr - s->offset) % RM_HUGE) && addr >= s->addr &&
	       s->length - (addr - s->addr) >= RM_HUGE;
}

uint8_t *block_state(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	return &lazy->blocks[(lazy->first[segment] + block) / LAZY_BLOCK];
}

void block_foreign(struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);

	if (block_lies_in(s, page))
		*block_state(lazy, segment, (block_addr(s, page) - s->addr) / RM_PAGE) |= BLOCK_FOREIGN;
}

bool block_find(const struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t *block)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);

	if (!remote_is_huge(lazy->remote, s->layer, s->offset / RM_PAGE + page) ||
	    !block_lies_in(s, page) || !lazy_shares(lazy, s->layer))
		return false;
	*block = (block_addr(s, page) - s->addr) / RM_PAGE;
	return !(*block_state(lazy, segment, *block) & (BLOCK_FOREIGN | BLOCK_GIVEN));
}

bool block_numbers(const struct lazy *lazy, uint64_t number, uint64_t *low, uint64_t *high)
{
	uint32_t segment = lazy_segment(lazy, number);
	uint64_t block;

	if (number >= lazy->pages ||
	    !block_find(lazy, segment, number - lazy->first[segment], &block))
		return false;
	*low = lazy->first[segment] + block;
	*high = *low + LAZY_BLOCK;
	return true;
}

bool block_untouched(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t number = lazy->first[segment] + block, start, count;

	return !rm_bit_run(lazy->mapped, number, number + LAZY_BLOCK, true, &start, &count);
}

uint64_t block_absent(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	uint64_t page = s->offset / RM_PAGE + block;

	return remote_missing(lazy->remote, s->layer, page, page + LAZY_BLOCK);
}

uint64_t block_waited_since(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t addr = lazy_segment_at(lazy, segment)->addr + block * RM_PAGE, since = 0;

	for (const struct lazy_fault *fault = lazy->faults; fault; fault = fault->next)
		if (fault->addr - addr < RM_HUGE && (!since || fault->at_ns < since))
			since = fault->at_ns;
	return since;
}

/* Is each absent page of the block in a batch of this attachment, which will tell? */
static bool block_comes(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t page = block, end = block + LAZY_BLOCK;
	const struct lazy_batch *batch;

	while (page < end) {
		if (lazy_available(lazy, segment, page)) {
			page++;
			continue;
		}
		batch = lazy->batches;
		while (batch && (batch->segment != segment || page - batch->page >= batch->count))
			batch = batch->next;
		if (!batch)
			return false;
		page = batch->page + batch->count;
	}
	return true;
}

bool block_held(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t since;

	if (!block_untouched(lazy, segment, block) || !block_comes(lazy, segment, block))
		return false;
	since = block_waited_since(lazy, segment, block);
	return !since || rm_now_ns() - since < PATIENCE_NS;
}

void block_fetch(struct lazy *lazy, uint32_t segment, uint64_t block, enum rm_ahead why)
{
	for (uint64_t i = 0; i < LAZY_BLOCK && !lazy->finished; i += LAZY_BLOCK_PART)
		lazy_fetch(lazy, segment, block + i, LAZY_BLOCK_PART, why, LAZY_NOBODY);
}

bool block_is_worth(struct lazy *lazy, uint32_t segment, uint64_t block)
{
	uint64_t trip = lazy->ahead.budget.trip_ns ? lazy->ahead.budget.trip_ns : TRIP_NS, absent;
	uint8_t *state = block_state(lazy, segment, block);

	if ((*state & BLOCK_FAULTS) < BLOCK_FAULTS)
		++*state;
	absent = block_absent(lazy, segment, block);
	return (*state & BLOCK_FAULTS) >= FAULTS_LEAST &&
	       (*state & BLOCK_FAULTS) * trip >= absent * BUDGET_PAGE_NS &&
	       absent && !block_comes(lazy, segment, block);
}
