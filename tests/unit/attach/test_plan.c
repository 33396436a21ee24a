/* SPDX-License-Identifier: BSD-2-Clause */
/* test_plan.c - which pages are mapped, shared, left to own content, or refused */
#include "../../../src/lib/attach/internal.h"       /* before check.h, which has a macro fail() */

#include "../unit.h"

#define BASE RM_WINDOW_BASE
#define HEAP 77u                        /* whose memory it all is */
#define PAGES(n) ((uint64_t)(n) << RM_PAGE_SHIFT)

static struct rm_layer_desc layers[2] = { { .id = "layer zero" }, { .id = "layer one" } };
static struct rm_segment segments[2];
static struct rm_table table = { .layers = layers, .segments = segments, .layer_count = 2 };
static struct array own, all_mapped, runs;
static uint64_t left;
static struct conflict conflict;

static struct mapped *holding_at(size_t i)
{
	return (struct mapped *)all_mapped.data + i;
}

static void drop_holdings(void)
{
	for (size_t i = 0; i < all_mapped.count; i++) {
		array_free(&holding_at(i)->runs);
		array_free(&holding_at(i)->stretches);
	}
	array_free(&all_mapped);
	all_mapped = (struct array){ .item = sizeof(struct mapped) };
}

static void reset(void)
{
	array_free(&own);
	drop_holdings();
	array_free(&runs);
	own = (struct array){ .item = sizeof(struct heap_range) };
	runs = (struct array){ .item = sizeof(struct run) };
	table.segment_count = 1;
	segments[0] = (struct rm_segment){ .addr = BASE + PAGES(10), .length = PAGES(10) };
	segments[1] = (struct rm_segment){ .addr = BASE + PAGES(20), .length = PAGES(5),
	                                   .offset = PAGES(3), .layer = 1 };
	segments[0].heap = segments[1].heap = HEAP;
}

static void add_own(uint64_t from, uint64_t to)
{
	struct heap_range *range = array_add(&own);

	range->base = BASE + PAGES(from);
	range->top = BASE + PAGES(to);
	range->heap = HEAP;
}

static struct mapped *holding_of(uint64_t owner)
{
	struct mapped *mapped;

	for (size_t i = 0; i < all_mapped.count; i++)
		if (holding_at(i)->owner == owner)
			return holding_at(i);
	mapped = array_add(&all_mapped);
	*mapped = (struct mapped){
		.owner = owner, .table = table,
		.runs.item = sizeof(struct run), .stretches.item = sizeof(struct stretch),
	};
	return mapped;
}

static void add_piece(uint64_t from, uint64_t to, uint64_t offset, unsigned layer, uint64_t owner)
{
	struct mapped *mapped = holding_of(owner);
	struct run *run = array_add(&mapped->runs);

	*run = (struct run){ .addr = BASE + PAGES(from), .length = PAGES(to - from),
	                     .offset = PAGES(offset), .layer = layer };
	mapped->stretches.count = 0;
	ck_assert_int_eq(plan_stretches(&mapped->runs, &mapped->stretches), 0);
}

static int plan_with(const struct mapped *published)
{
	runs.count = 0;
	return plan_attach(&table, &own, &all_mapped, published, &runs, &left, &conflict);
}

static int plan(void)
{
	return plan_with(NULL);
}

static void is_run(size_t i, uint64_t from, uint64_t to, uint64_t offset, bool shared)
{
	const struct run *run = (const struct run *)runs.data + i;

	ck_assert_uint_lt(i, runs.count);
	ck_assert_uint_eq(run->addr, BASE + PAGES(from));
	ck_assert_uint_eq(run->length, PAGES(to - from));
	ck_assert_uint_eq(run->offset, PAGES(offset));
	ck_assert_int_eq(run->shared, shared);
}

START_TEST(nothing_in_the_way)
{
	reset();
	table.segment_count = 2;
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, 2);
	is_run(0, 10, 20, 0, false);
	is_run(1, 20, 25, 3, false);
	ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(own_content_stands)
{
	reset();
	add_own(2, 4);
	add_own(12, 14);
	add_own(18, 30);
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, 2);
	is_run(0, 10, 12, 0, false);
	is_run(1, 14, 18, 4, false);
	ck_assert_uint_eq(left, 4);
	ck_assert(plan_own(&own, BASE + PAGES(13)));
	ck_assert(!plan_own(&own, BASE + PAGES(14)));
	ck_assert(!plan_own(&own, BASE + PAGES(40)));
}
END_TEST

START_TEST(own_content_of_another_program)
{
	reset();
	add_own(2, 4);
	add_own(12, 14);
	((struct heap_range *)own.data)[1].heap = HEAP + 1;
	ck_assert_int_eq(plan(), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(12));
	ck_assert_uint_eq(conflict.owner, 0);
	((struct heap_range *)own.data)[1].heap = HEAP;
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(left, 2);
}
END_TEST

START_TEST(all_of_it_own)
{
	reset();
	add_own(0, 100);
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, 0);
	ck_assert_uint_eq(left, 10);
}
END_TEST

START_TEST(a_diamond)
{
	reset();
	add_piece(8, 12, 0, 1, 7);      /* of another layer, at 10 to 12: refused below */
	ck_assert_int_eq(plan(), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(10));
	ck_assert_uint_eq(conflict.owner, 7);
	drop_holdings();
	add_piece(12, 15, 2, 0, 7);     /* the same place of the same layer */
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, 3);
	is_run(0, 10, 12, 0, false);
	is_run(1, 12, 15, 2, true);
	is_run(2, 15, 20, 5, false);
	drop_holdings();
	add_piece(12, 15, 3, 0, 7);     /* another place of it */
	ck_assert_int_eq(plan(), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(12));
}
END_TEST

START_TEST(own_before_attached)
{
	reset();
	add_own(12, 15);
	add_piece(11, 13, 1, 0, 7);
	add_piece(14, 16, 4, 0, 8);
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, 4);
	is_run(0, 10, 11, 0, false);
	is_run(1, 11, 12, 1, true);
	is_run(2, 15, 16, 5, true);
	is_run(3, 16, 20, 6, false);
	ck_assert_uint_eq(left, 3);
}
END_TEST

/* What is attached was changed here, and published; somebody hands that on to here. */
START_TEST(own_changes_come_back)
{
	struct mapped published;

	reset();
	add_piece(15, 18, 33, 1, 9);
	published = *holding_at(0);
	all_mapped.count = 0;
	add_piece(10, 20, 10, 1, 7);
	add_piece(20, 30, 20, 1, 9);
	segments[0].layer = 1;
	segments[0].offset = PAGES(10);
	segments[0].length = PAGES(5);
	segments[1] = (struct rm_segment){ .addr = BASE + PAGES(15), .length = PAGES(3),
	                                   .offset = PAGES(33), .layer = 1, .heap = HEAP };
	table.segment_count = 2;
	ck_assert_int_eq(plan(), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(15));
	ck_assert_int_eq(plan_with(&published), 0);
	ck_assert_uint_eq(runs.count, 2);
	is_run(0, 10, 15, 10, true);
	is_run(1, 15, 18, 33, true);
	segments[1].length = PAGES(4);  /* one page more than was published */
	ck_assert_int_eq(plan_with(&published), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(18));
	published.owner = 6;            /* published before it was attached */
	ck_assert_int_eq(plan_with(&published), -EADDRINUSE);
	ck_assert_uint_eq(conflict.addr, BASE + PAGES(15));
	array_free(&published.runs);
	array_free(&published.stretches);
}
END_TEST

START_TEST(what_only_one_has)
{
	uint64_t from = BASE + PAGES(10), to = BASE + PAGES(20), length;

	reset();
	add_piece(10, 20, 0, 0, 1);
	add_piece(10, 12, 0, 0, 2);
	add_piece(11, 13, 1, 0, 3);
	add_piece(15, 16, 5, 0, 2);
	ck_assert(plan_sole(&all_mapped, 1, &from, to, &length));
	ck_assert_uint_eq(from, BASE + PAGES(13));
	ck_assert_uint_eq(length, PAGES(2));
	from += length;
	ck_assert(plan_sole(&all_mapped, 1, &from, to, &length));
	ck_assert_uint_eq(from, BASE + PAGES(16));
	ck_assert_uint_eq(length, PAGES(4));
	from += length;
	ck_assert(!plan_sole(&all_mapped, 1, &from, to, &length));
	from = BASE + PAGES(11);
	ck_assert(!plan_sole(&all_mapped, 3, &from, BASE + PAGES(13), &length));
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ nothing_in_the_way, 0 }, { own_content_stands, 0 },
		{ own_content_of_another_program, 0 }, { all_of_it_own, 0 },
		{ a_diamond, 0 }, { own_before_attached, 0 }, { what_only_one_has, 0 },
		{ own_changes_come_back, 0 },
	};

	return unit_run("plan", tests, COUNT(tests));
}
