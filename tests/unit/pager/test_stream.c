/* SPDX-License-Identifier: BSD-2-Clause */
/* test_stream - scans are recognised: up, down, at a distance, several at a time; chance is not */
#include "../unit.h"

#include "../../../src/daemon/pager/stream.h"

#define PAGES 100000

static struct streams streams;
static uint8_t here[PAGES];             /* 1: fetched; left for a fault: 2, of a lone batch: 3 */
static uint64_t faults, fetched, proven;

static void take(const struct stream_plan *plan)
{
	uint64_t page = plan->first;

	ck_assert_uint_gt(plan->count, 0);
	for (uint64_t i = 0; i < plan->count; i++, page += (uint64_t)plan->step) {
		ck_assert_uint_lt(page, PAGES);
		fetched += !here[page];
		if (!here[page])
			here[page] = page != plan->mark ? 1 : plan->lone ? 3 : 2;
	}
	proven += plan->proven_count;
}

/* As the pager does. */
static void touch(uint64_t page)
{
	struct stream_plan plan;

	if (here[page] == 1)
		return;
	faults++;
	if (here[page] == 3) {
		here[page] = 1;
		ck_assert_uint_gt(streams_lone_used(&streams), 0);
		return;
	}
	if (here[page] == 2) {
		here[page] = 1;
		if (streams_touch(&streams, page, PAGES, &plan))
			take(&plan);
		return;
	}
	streams_fault(&streams, page, PAGES, &plan);
	take(&plan);
	ck_assert_int_ne(here[page], 0);
}

static void begin(void)
{
	memset(&streams, 0, sizeof(streams));
	memset(here, 0, sizeof(here));
	faults = fetched = proven = 0;
}

START_TEST(upwards)
{
	begin();
	for (uint64_t page = 0; page < PAGES; page++)
		touch(page);
	ck_assert_uint_lt(faults, 2 * PAGES / STREAM_MAX);
	ck_assert_uint_eq(fetched, PAGES);
	/* all but the last batches is known to have been used, and none of it twice */
	ck_assert_uint_gt(proven, PAGES - 2 * STREAM_MAX);
	ck_assert_uint_le(proven, PAGES);
}
END_TEST

START_TEST(downwards)
{
	begin();
	for (uint64_t page = PAGES; page--;)
		touch(page);
	ck_assert_uint_lt(faults, 2 * PAGES / STREAM_MAX);
	ck_assert_uint_gt(proven, PAGES - 2 * STREAM_MAX);
	ck_assert_uint_le(proven, PAGES);
}
END_TEST

/* The next batch is asked for before the last one is used up. */
START_TEST(ahead_of_the_reader)
{
	struct stream_plan plan;

	begin();
	for (uint64_t page = 0; page < 5000; page++)
		touch(page);
	for (uint64_t page = 5000; page < 20000; page++) {
		bool mark = here[page] > 1;

		ck_assert_int_ne(here[page], 0);        /* nobody waits any more */
		touch(page);
		if (mark)
			ck_assert_int_ne(here[page + STREAM_MAX / 2], 0);
	}
	/* a page on its way in the second half, and in the first */
	begin();
	for (uint64_t page = 0; !here[1000]; page++)
		touch(page);
	ck_assert(!streams_touch(&streams, 3 * PAGES / 4, PAGES, &plan));
}
END_TEST

static const int64_t distances[] = { 32, 100, 513, 4096, -32, -100, -4096 };

START_TEST(at_a_distance)
{
	int64_t step = distances[_i];
	uint64_t count = 0;

	begin();
	for (int64_t page = step > 0 ? 5 : PAGES - 5; page >= 0 && page < PAGES; page += step) {
		touch((uint64_t)page);
		count++;
	}
	/* the first three are lone, and bring their neighbours */
	ck_assert_uint_le(fetched, count + 3 * STREAM_LONE);
	ck_assert_uint_le(faults, 8 + count / 8);
}
END_TEST

START_TEST(several_at_a_time)
{
	uint64_t scans[] = { 0, 20000, 40000, 99999 };

	begin();
	for (uint64_t i = 0; i < 15000; i++) {
		for (unsigned j = 0; j < 3; j++)
			touch(scans[j] + i);
		touch(scans[3] - i);
		if (i % 100 == 0)
			touch(60000 + i);
	}
	ck_assert_uint_lt(faults, 4 * 2 * 15000 / STREAM_MAX + 4 * 8 + 150);
}
END_TEST

/* Nobody is taken for a scan who touches pages by chance. */
START_TEST(by_chance)
{
	uint64_t state = 88172645463325252u;

	begin();
	for (unsigned i = 0; i < 500; i++)
		touch(unit_random(&state) % PAGES);
	ck_assert_uint_le(fetched, faults * STREAM_LONE * 5 / 4);
}
END_TEST

/* Few neighbours come where they are not used, and all of them again once they are. */
START_TEST(neighbours)
{
	uint64_t state = 88172645463325252u;
	unsigned i;

	begin();
	for (i = 0; i < 1000; i++)
		touch(unit_random(&state) % PAGES);
	ck_assert_uint_lt(fetched, 8 * faults);
	/* each page in the end, by chance: a fault for every eight, say, and the marks */
	for (; fetched < PAGES * 9 / 10; i++)
		touch(unit_random(&state) % PAGES);
	ck_assert_uint_lt(faults, PAGES / 8 + PAGES / 32);
	ck_assert_uint_eq(streams.lone_pages, STREAM_LONE);
}
END_TEST

/* Faults anywhere, in any order: a plan always has the page, and stays among the pages. */
START_TEST(anything)
{
	uint64_t state = 1 + (unsigned)_i, page = 0;

	begin();
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t r = unit_random(&state);

		switch (r % 5) {
		case 0: page = r >> 8; break;
		case 1: page++; break;
		case 2: page--; break;
		case 3: page += 100; break;
		default: page -= 1000; break;
		}
		page %= PAGES;
		touch(page);
	}
}
END_TEST

/* Pages that come in blocks of 512: the next batch is asked for while blocks are on their way. */
static void reach_upwards_or_down(bool down)
{
	struct stream_plan plan = { 0 };
	uint64_t at = down ? 64 * 512 - 1 : 0, block, low;

	memset(&streams, 0, sizeof streams);
	/* until the batch is as long as it gets, each begins where the last one ended */
	while (plan.count < STREAM_BLOCKS_MAX) {
		streams.most = STREAM_BLOCKS_MAX;
		streams_fault(&streams, at, 64 * 512, &plan);
		ck_assert(plan.stream && plan.count);
		at = down && plan.lone ? plan.first - 1 :
		     plan.first + (uint64_t)plan.step * plan.count;
	}
	/* end it where a block does */
	stream_resize(&plan, down ? (plan.first + 1) % 512 + 2048 : 512 - plan.first % 512 + 2048);
	ck_assert_uint_eq(plan.stream->count, plan.count);
	at = plan.first + (uint64_t)plan.step * plan.count;
	block = down ? at / 512 + 4 : at / 512 - 4;
	ck_assert(!streams_reach(&streams, 63 * 512 * !down, 63 * 512 * !down + 512, 64 * 512, &plan));
	low = block * 512;
	ck_assert(!streams_reach(&streams, low, low + 512, 64 * 512, &plan));
	low = (down ? block - 1 : block + 1) * 512;
	ck_assert(streams_reach(&streams, low, low + 512, 64 * 512, &plan));
	ck_assert(plan.first == at && plan.count == STREAM_BLOCKS_MAX);
	ck_assert(plan.step == (down ? -1 : 1));
	ck_assert(plan.proven_count >= 512 && plan.proven_count <= 2048);
	/* once for each batch */
	ck_assert(!streams_reach(&streams, low, low + 512, 64 * 512, &plan));
}

START_TEST(blocks)
{
	reach_upwards_or_down(false);
	reach_upwards_or_down(true);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ upwards, 0 }, { downwards, 0 }, { ahead_of_the_reader, 0 },
		{ at_a_distance, COUNT(distances) }, { several_at_a_time, 0 }, { by_chance, 0 },
		{ neighbours, 0 }, { blocks, 0 },
		{ anything, 10 },
	};

	return unit_run("stream", tests, COUNT(tests));
}
