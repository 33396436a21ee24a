/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_plan.c - which pages are mapped, shared, left to own content, or refused; in how many
 * mappings; and that 200,000 segments take no longer than they must
 */
#include "../../src/lib/attach.h"       /* before check.h, which has a macro fail() */

#include "../unit/unit.h"

#define BASE RM_WINDOW_BASE
#define HEAP 77u                        /* whose memory it all is */
#define PAGES(n) ((uint64_t)(n) << RM_PAGE_SHIFT)

static struct rm_layer_desc layers[2] = { { .id = "layer zero" }, { .id = "layer one" } };
static struct rm_segment segments[2];
static struct rm_table table = { .layers = layers, .segments = segments, .layer_count = 2 };
static struct array own, holdings, runs;
static uint64_t left;
static struct conflict conflict;

static struct holding *holding_at(size_t i)
{
	return (struct holding *)holdings.data + i;
}

static void drop_holdings(void)
{
	for (size_t i = 0; i < holdings.count; i++) {
		array_free(&holding_at(i)->runs);
		array_free(&holding_at(i)->stretches);
	}
	array_free(&holdings);
	holdings = (struct array){ .item = sizeof(struct holding) };
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

static struct holding *holding_of(uint64_t owner)
{
	struct holding *holding;

	for (size_t i = 0; i < holdings.count; i++)
		if (holding_at(i)->owner == owner)
			return holding_at(i);
	holding = array_add(&holdings);
	*holding = (struct holding){
		.owner = owner, .table = table,
		.runs.item = sizeof(struct run), .stretches.item = sizeof(struct stretch),
	};
	return holding;
}

static void add_piece(uint64_t from, uint64_t to, uint64_t offset, unsigned layer, uint64_t owner)
{
	struct holding *holding = holding_of(owner);
	struct run *run = array_add(&holding->runs);

	*run = (struct run){ .addr = BASE + PAGES(from), .length = PAGES(to - from),
	                     .offset = PAGES(offset), .layer = layer };
	holding->stretches.count = 0;
	ck_assert_int_eq(plan_stretches(&holding->runs, &holding->stretches), 0);
}

static int plan(void)
{
	runs.count = 0;
	return plan_attach(&table, &own, &holdings, &runs, &left, &conflict);
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

START_TEST(what_only_one_has)
{
	uint64_t from = BASE + PAGES(10), to = BASE + PAGES(20), length;

	reset();
	add_piece(10, 20, 0, 0, 1);
	add_piece(10, 12, 0, 0, 2);
	add_piece(11, 13, 1, 0, 3);
	add_piece(15, 16, 5, 0, 2);
	ck_assert(plan_sole(&holdings, 1, &from, to, &length));
	ck_assert_uint_eq(from, BASE + PAGES(13));
	ck_assert_uint_eq(length, PAGES(2));
	from += length;
	ck_assert(plan_sole(&holdings, 1, &from, to, &length));
	ck_assert_uint_eq(from, BASE + PAGES(16));
	ck_assert_uint_eq(length, PAGES(4));
	from += length;
	ck_assert(!plan_sole(&holdings, 1, &from, to, &length));
	from = BASE + PAGES(11);
	ck_assert(!plan_sole(&holdings, 3, &from, BASE + PAGES(13), &length));
}
END_TEST

/* What contents.c asks of map.c. */
const struct array *map_holdings(void)
{
	return &holdings;
}

static void is_content(const struct array *contents, size_t i, uint64_t from, uint64_t to,
                       uint64_t offset, bool lazy)
{
	const struct content *content = (const struct content *)contents->data + i;

	ck_assert_uint_lt(i, contents->count);
	ck_assert_uint_eq(content->addr, BASE + PAGES(from));
	ck_assert_uint_eq(content->length, PAGES(to - from));
	ck_assert_uint_eq(content->offset, PAGES(offset));
	ck_assert_int_eq(content->lazy, lazy);
}

/* A table as it comes from rmmapd: two layers of 64 MiB, all data. */
static void real_table(struct rm_table *view, uint32_t segment_count, uint32_t layer_count,
                       void (*fill)(struct rm_segment *segment, uint32_t i))
{
	uint64_t *lengths = own_pages(layer_count * sizeof(*lengths));
	void *memory;
	size_t size;

	for (uint32_t i = 0; i < layer_count; i++)
		lengths[i] = RM_LAYER_MAX;
	size = rm_table_size(lengths, layer_count, segment_count);
	memory = own_pages(size);
	rm_table_layout(memory, lengths, layer_count, segment_count, BASE);
	for (uint32_t i = 0; i < layer_count; i++) {
		rm_table_layers(memory)[i].id[0] = (uint8_t)(i + 1);
		memset(rm_table_bitmap(memory, i), 0xff, RM_LAYER_MAX / RM_PAGE / 8);
	}
	for (uint32_t i = 0; i < segment_count; i++)
		fill(&rm_table_segments(memory)[i], i);
	ck_assert_int_eq(rm_table_check(memory, size, view, NULL), 0);
	own_pages_free(lengths, layer_count * sizeof(*lengths));
}

static void fill_two(struct rm_segment *segment, uint32_t i)
{
	*segment = (struct rm_segment){ .addr = BASE + PAGES(10 * i), .length = PAGES(10),
	                                .offset = PAGES(10 * i), .heap = HEAP + i };
}

START_TEST(contents_of_two)
{
	const struct content *content;
	struct array contents;

	reset();
	real_table(&table, 2, 2, fill_two);
	add_piece(10, 20, 10, 0, 1);
	add_piece(30, 40, 30, 0, 1);
	add_piece(5, 10, 5, 0, 2);
	add_piece(10, 15, 10, 0, 2);
	((struct run *)holding_of(2)->runs.data)[1].shared = true;
	add_piece(25, 30, 5, 1, 2);
	((struct run *)holding_of(2)->runs.data)[2].heap = HEAP;
	holding_of(1)->lazy = true;
	ck_assert_int_eq(attached_contents(&contents), 0);
	ck_assert_uint_eq(contents.count, 4);
	is_content(&contents, 0, 5, 10, 5, false);
	is_content(&contents, 1, 10, 20, 10, true);
	is_content(&contents, 2, 25, 30, 5, false);
	is_content(&contents, 3, 30, 40, 30, true);
	content = contents.data;
	ck_assert_uint_eq(content[2].heap, HEAP);
	ck_assert_uint_eq(content[2].layer->id[0], 2);
	ck_assert_ptr_eq(content[2].bitmap, rm_table_view_bitmap(&table, 1));
	array_free(&contents);
	drop_holdings();                /* who mapped the shared part has gone */
	add_piece(8, 15, 8, 0, 2);
	add_piece(10, 40, 10, 0, 3);
	((struct run *)holding_of(2)->runs.data)[0].shared = true;
	holding_of(2)->lazy = true;
	ck_assert_int_eq(attached_contents(&contents), 0);
	ck_assert_uint_eq(contents.count, 2);
	is_content(&contents, 0, 8, 10, 8, false);
	is_content(&contents, 1, 10, 40, 10, false);
	array_free(&contents);
}
END_TEST

/* ---- carpets ---- */

static struct array carpets = { .item = sizeof(struct carpet) };
static struct array patches = { .item = sizeof(struct run) };

static void add_planned(uint64_t from, uint64_t to, uint64_t offset, uint32_t layer)
{
	struct run *run = array_add(&runs);

	*run = (struct run){ .addr = BASE + PAGES(from), .length = PAGES(to - from),
	                     .offset = PAGES(offset), .layer = layer };
}

static void carpet(size_t budget)
{
	ck_assert_int_eq(carpet_plan(&runs, budget, &carpets), 0);
	patches.count = 0;
	ck_assert_int_eq(carpet_patches(&table, &runs, &carpets, &patches), 0);
}

static void is_carpet(size_t i, uint64_t from, uint64_t to, uint32_t layer)
{
	const struct carpet *carpet = (const struct carpet *)carpets.data + i;

	ck_assert_uint_lt(i, carpets.count);
	ck_assert_uint_eq(carpet->addr, BASE + PAGES(from));
	ck_assert_uint_eq(carpet->length, PAGES(to - from));
	ck_assert_uint_eq(carpet->layer, layer);
}

static void is_patch(size_t i, uint64_t from, uint64_t to, uint64_t offset)
{
	const struct run *patch = (const struct run *)patches.data + i;

	ck_assert_uint_lt(i, patches.count);
	ck_assert_uint_eq(patch->addr, BASE + PAGES(from));
	ck_assert_uint_eq(patch->length, PAGES(to - from));
	ck_assert_uint_eq(patch->offset, PAGES(offset));
}

START_TEST(few_runs_are_mapped_one_by_one)
{
	reset();
	add_planned(0, 100, 0, 0);
	add_planned(100, 101, 7, 1);
	add_planned(101, 200, 101, 0);
	add_planned(200, 201, 9, 1);
	((struct run *)runs.data)[3].shared = true;
	add_planned(300, 310, 300, 0);
	carpet(1000);
	ck_assert_uint_eq(carpets.count, 4);
	ck_assert_uint_eq(patches.count, 0);
	is_carpet(0, 0, 100, 0);
	is_carpet(1, 100, 101, 1);
	is_carpet(2, 101, 200, 0);
	is_carpet(3, 300, 310, 0);
}
END_TEST

START_TEST(a_carpet_with_patches)
{
	reset();
	real_table(&table, 2, 2, fill_two);
	add_planned(0, 100, 0, 0);
	add_planned(100, 101, 7, 1);
	add_planned(101, 200, 101, 0);
	add_planned(200, 216, 20, 1);
	add_planned(216, 230, 216, 0);
	add_planned(230, 330, 40, 1);   /* too long to be copied */
	add_planned(330, 340, 330, 0);
	add_planned(341, 360, 341, 0);  /* beyond a gap */
	carpet(0);
	ck_assert_uint_eq(carpets.count, 4);
	is_carpet(0, 0, 230, 0);
	is_carpet(1, 230, 330, 1);
	is_carpet(2, 330, 340, 0);
	is_carpet(3, 341, 360, 0);
	ck_assert_uint_eq(patches.count, 2);
	is_patch(0, 100, 101, 7);
	is_patch(1, 200, 216, 20);
	((struct run *)runs.data)[1].shared = true;     /* another's mapping lies there */
	carpet(0);
	ck_assert_uint_eq(carpets.count, 5);
	is_carpet(0, 0, 100, 0);
	is_carpet(1, 101, 230, 0);
}
END_TEST

START_TEST(patches_without_a_carpet)
{
	reset();
	real_table(&table, 2, 2, fill_two);
	for (uint64_t i = 0; i < 100; i++)      /* neither layer goes on at its distance */
		add_planned(i, i + 1, 200 - 2 * i, i & 1);
	add_planned(100, 200, 0, 0);
	carpet(0);
	ck_assert_uint_eq(carpets.count, 2);
	is_carpet(0, 0, 100, CARPET_ANONYMOUS);
	is_carpet(1, 100, 200, 0);
	ck_assert_uint_eq(patches.count, 100);
	is_patch(99, 99, 100, 2);
	runs.count = 0;
	add_planned(0, 1, 5, 1);
	carpet(0);
	ck_assert_uint_eq(carpets.count, 1);
	is_carpet(0, 0, 1, 1);
	ck_assert_uint_eq(patches.count, 0);
}
END_TEST

START_TEST(holes_in_patches)
{
	uint64_t *bitmap;

	reset();
	real_table(&table, 2, 2, fill_two);
	bitmap = (uint64_t *)(uintptr_t)rm_table_view_bitmap(&table, 1);
	rm_bit_clear(bitmap, 51);
	rm_bit_clear(bitmap, 54);
	rm_bit_clear(bitmap, 60);
	add_planned(0, 5, 50, 1);
	add_planned(5, 6, 60, 1);
	add_planned(6, 7, 70, 1);
	carpet(0);
	ck_assert_uint_eq(carpets.count, 1);
	is_carpet(0, 0, 7, CARPET_ANONYMOUS);
	ck_assert_uint_eq(patches.count, 3);    /* on fresh memory holes need nothing */
	is_patch(0, 0, 1, 50);
	is_patch(1, 2, 4, 52);
	is_patch(2, 6, 7, 70);
	runs.count = 0;
	add_planned(0, 20, 0, 0);
	add_planned(20, 25, 50, 1);
	add_planned(25, 45, 25, 0);
	carpet(0);
	ck_assert_uint_eq(carpets.count, 1);
	ck_assert_uint_eq(patches.count, 1);    /* on another layer they are to be seen */
	is_patch(0, 20, 25, 50);
}
END_TEST

/* ---- 200,000 segments: 1 GiB of which three pages of four are copies in 8 layers ---- */

#define MANY 200000u
#define BASES 16u

static void fill_many(struct rm_segment *segment, uint32_t i)
{
	uint64_t page = i;

	*segment = (struct rm_segment){ .addr = BASE + PAGES(page), .length = RM_PAGE, .heap = HEAP };
	if (i % 4) {
		segment->layer = BASES + i % 8;
		segment->offset = PAGES(i / 16);
	} else {
		segment->layer = i / (uint32_t)(RM_LAYER_MAX / RM_PAGE);
		segment->offset = PAGES(page) % RM_LAYER_MAX;
	}
}

static void hold_runs(uint64_t owner, unsigned step)
{
	struct holding *holding = holding_of(owner);

	for (size_t i = 0; i < runs.count; i += step)
		*(struct run *)array_add(&holding->runs) = ((const struct run *)runs.data)[i];
	ck_assert_int_eq(plan_stretches(&holding->runs, &holding->stretches), 0);
}

static uint64_t sole_pages(uint64_t owner)
{
	const struct stretch *stretch = holding_of(owner)->stretches.data;
	uint64_t sum = 0, length = 0;

	for (size_t i = 0; i < holding_of(owner)->stretches.count; i++, stretch++) {
		uint64_t from = stretch->addr, to = from + stretch->length;

		for (; plan_sole(&holdings, owner, &from, to, &length); from += length)
			sum += length >> RM_PAGE_SHIFT;
	}
	return sum;
}

START_TEST(many_segments)
{
	struct array contents;

	reset();
	real_table(&table, MANY, BASES + 8, fill_many);
	for (uint64_t i = 0; i < 1000; i++)
		add_own(i * 100 + 50, i * 100 + 51);
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, MANY - 1000);
	ck_assert_uint_eq(left, 1000);
	hold_runs(1, 1);
	hold_runs(2, 2);
	hold_runs(3, 3);
	hold_runs(4, 1);
	ck_assert_int_eq(plan(), 0);
	ck_assert_uint_eq(runs.count, MANY - 1000);
	ck_assert(((const struct run *)runs.data)[MANY - 1001].shared);
	ck_assert_uint_eq(sole_pages(1), 0);
	ck_assert_int_eq(attached_contents(&contents), 0);
	ck_assert_uint_eq(contents.count, MANY - 1000);
	array_free(&contents);
	holding_of(4)->runs.count = holding_of(4)->stretches.count = 0;
	ck_assert_uint_eq(sole_pages(1), (MANY - 1000) / 3);    /* neither 2's nor 3's */
	drop_holdings();
	own.count = 0;
	ck_assert_int_eq(plan(), 0);
	carpet(4096);
	ck_assert_uint_le(carpets.count, 4096);
	ck_assert_uint_ge(patches.count, MANY / 4 * 3);
	ck_assert_uint_lt(patches.count, MANY / 4 * 3 + MANY / 100);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ contents_of_two, 0 }, { few_runs_are_mapped_one_by_one, 0 },
		{ a_carpet_with_patches, 0 }, { patches_without_a_carpet, 0 },
		{ holes_in_patches, 0 }, { many_segments, 0 },
		{ nothing_in_the_way, 0 }, { own_content_stands, 0 },
		{ own_content_of_another_program, 0 }, { all_of_it_own, 0 },
		{ a_diamond, 0 }, { own_before_attached, 0 }, { what_only_one_has, 0 },
	};

	return unit_run("plan", tests, COUNT(tests));
}
