/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager_ahead.c - pages that point to others: what test_pager's worker fetches before it is
 * touched, and what it does not
 */
#include "pager_consumer.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "../../../src/daemon/pager/budget.h"
#include "../../../src/daemon/pager/stream.h"

#define CHAIN 7000                      /* pages of the last layer, one after the other */

static uint64_t link_of(uint64_t i)
{
	return FAKE_BASE + 6 * 1048576 + (i * 617 + 5) % 7680 * RM_PAGE;
}

static uint64_t *source_at(uint64_t addr)
{
	return (uint64_t *)(void *)(fake.source[2] + (addr - FAKE_BASE - 6 * 1048576));
}

static void fill_chain(void)
{
	for (uint64_t i = 0; i < CHAIN; i++)
		source_at(link_of(i))[2] = link_of(i + 1);
}

static void chase(enum rm_prefetch_mode mode, uint64_t from, uint64_t to)
{
	uint64_t addr;

	prefetch = mode;
	fake_fill = fill_chain;
	if (!worker)
		attach(can_poison, 0);
	for (addr = link_of(from); from < to; from++) {
		CHECK(word(addr) == wanted(addr));
		addr = word(addr + 16);
		CHECK(addr == link_of(from + 1));
	}
}

void test_chain(void)
{
	const struct rm_ahead_counters *pointer;
	uint64_t fetched;
	struct message m;

	chase(RM_PREFETCH_POINTER, 0, 1);
	m = settled();
	pointer = &m.counters.ahead[RM_AHEAD_POINTER];
	/* one page brought the next ones, as far as trust goes without a sign of use */
	CHECK(pointer->pages >= BUDGET_TRIPS * BUDGET_WINDOW_MIN || !m.served);
	CHECK(pointer->pages + STREAM_LONE >= m.counters.fetched_pages);
	CHECK(pointer->used == 0 && m.counters.faults == 1);
	fetched = m.counters.fetched_pages;
	chase(RM_PREFETCH_POINTER, 1, CHAIN);
	m = settled();
	CHECK(pointer->pages >= CHAIN / 2);
	CHECK(pointer->used > pointer->pages / 4 && pointer->used <= pointer->pages);
	/* where faults are slow, trust may have reached to the end at once */
	CHECK(m.counters.fetched_pages > fetched || fetched >= CHAIN);
	CHECK(m.counters.faults < CHAIN / 4);
}

void test_chain_without_pointers(void)
{
	struct message m;

	chase(RM_PREFETCH_SEQUENTIAL, 0, 300);
	m = settled();
	CHECK(m.counters.ahead[RM_AHEAD_POINTER].pages == 0);
	CHECK(m.counters.ahead[RM_AHEAD_SCAN].pages > 0);
	CHECK(m.counters.ahead[RM_AHEAD_SCAN].used <= m.counters.ahead[RM_AHEAD_SCAN].pages);
}

void test_nothing_ahead(void)
{
	struct message m;

	chase(RM_PREFETCH_OFF, 0, 300);
	m = settled();
	CHECK(!m.counters.ahead[RM_AHEAD_POINTER].pages && !m.counters.ahead[RM_AHEAD_SCAN].pages);
	CHECK(m.counters.faults == 300 && m.counters.fetched_pages == 300);
}

/* Every word an address: of everything, of itself, of what is just outside. */
static void fill_hostile(void)
{
	uint64_t random = 4711, low = FAKE_BASE - 4 * RM_PAGE, span = 80 * 1048576;

	for (uint64_t page = 0; page < fake.lengths[2] / RM_PAGE; page++) {
		uint64_t *words = (uint64_t *)(void *)(fake.source[2] + page * RM_PAGE);

		for (unsigned i = 1; i < RM_PAGE / 8 - 1; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			words[i] = low + (random >> 20) % span;
		}
		words[1] = FAKE_BASE + 6 * 1048576 + page * RM_PAGE;
		words[2] = FAKE_BASE - 1;
		words[3] = FAKE_BASE + 74 * 1048576;
		words[4] = UINT64_MAX;
	}
}

void test_hostile_pages(void)
{
	uint64_t at = FAKE_BASE + 20 * 1048576, window;
	struct message m;

	fake_fill = fill_hostile;
	attach(can_poison, 0);
	CHECK(word(at) == wanted(at));
	m = settled();
	/* the round trip was shorter than the fault */
	window = m.counters.fault_ns / BUDGET_PAGE_NS;
	window = window < BUDGET_WINDOW_MIN ? BUDGET_WINDOW_MIN : window;
	window = window > BUDGET_WINDOW_MAX ? BUDGET_WINDOW_MAX : window;
	CHECK(m.counters.fetched_pages <= STREAM_LONE + BUDGET_TRIPS * window);
	CHECK(m.counters.ahead[RM_AHEAD_POINTER].pages > 0);
	walk();
}

static void *touch(void *addr)
{
	CHECK(word((uintptr_t)addr) == wanted((uintptr_t)addr));
	return NULL;
}

/*
 * One thread waits for a page that is under way; a fault of another one in the same block
 * chooses just that page to be left, to see whether it is used. It is mapped all the same.
 */
void test_left_and_waited_for(void)
{
	uint64_t block = FAKE_BASE + 20 * 1048576, left = block + STREAM_LONE / 2 * RM_PAGE;
	pthread_t thread;

	attach(can_poison, 0);
	CHECK(!ask((struct message){ .command = AHEAD, .addr = left }, NULL, 0).error);
	CHECK(!pthread_create(&thread, NULL, touch, (void *)(uintptr_t)left));
	while (!look().counters.faults)
		usleep(1000);
	touch((void *)(uintptr_t)block);
	CHECK(!pthread_join(thread, NULL));
}
