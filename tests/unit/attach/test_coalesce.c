/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_coalesce.c - in how many mappings runs come, and what is copied into them; what all
 * attachments together hold; and that 200,000 segments take no longer than they must
 */
#include "../../../src/lib/attach/internal.h"       /* before check.h, which has a macro fail() */

#include "../unit.h"

#define BASE RM_WINDOW_BASE
#define HEAP 77u                        /* whose memory it all is */
#define PAGES(n) ((uint64_t)(n) << RM_PAGE_SHIFT)

static struct rm_table table;
static struct array all_mapped = { .item = sizeof(struct mapped) };
static struct array runs = { .item = sizeof(struct run) };

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

static struct run *add_run(struct array *to, uint64_t from, uint64_t end, uint64_t offset,
                           unsigned layer)
{
	struct run *run = array_add(to);

	*run = (struct run){ .addr = BASE + PAGES(from), .length = PAGES(end - from),
	                     .offset = PAGES(offset), .layer = layer };
	return run;
}

static struct run *add_held(uint64_t owner, uint64_t from, uint64_t end, uint64_t offset,
                            unsigned layer)
{
	return add_run(&holding_of(owner)->runs, from, end, offset, layer);
}

/* What contents.c asks of map.c. */
const struct array *map_all_mapped(void)
{
	return &all_mapped;
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

	real_table(&table, 2, 2, fill_two);
	add_held(1, 10, 20, 10, 0);
	add_held(1, 30, 40, 30, 0);
	add_held(2, 5, 10, 5, 0);
	add_held(2, 10, 15, 10, 0)->shared = true;
	add_held(2, 25, 30, 5, 1)->heap = HEAP;
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
	add_held(2, 8, 15, 8, 0)->shared = true;
	add_held(3, 10, 40, 10, 0);
	holding_of(2)->lazy = true;
	ck_assert_int_eq(attached_contents(&contents), 0);
	ck_assert_uint_eq(contents.count, 2);
	is_content(&contents, 0, 8, 10, 8, false);
	is_content(&contents, 1, 10, 40, 10, false);
	array_free(&contents);
}
END_TEST

/* ---- mappings ---- */

static struct array mappings = { .item = sizeof(struct coalesced) };
static struct array copies = { .item = sizeof(struct run) };

static void mapping(size_t budget)
{
	ck_assert_int_eq(coalesce_plan(&runs, budget, &mappings), 0);
	copies.count = 0;
	ck_assert_int_eq(coalesced_copies(&table, &runs, &mappings, &copies), 0);
}

static void is_mapping(size_t i, uint64_t from, uint64_t to, uint32_t layer)
{
	const struct coalesced *mapping = (const struct coalesced *)mappings.data + i;

	ck_assert_uint_lt(i, mappings.count);
	ck_assert_uint_eq(mapping->addr, BASE + PAGES(from));
	ck_assert_uint_eq(mapping->length, PAGES(to - from));
	ck_assert_uint_eq(mapping->layer, layer);
}

static void is_copy(size_t i, uint64_t from, uint64_t to, uint64_t offset)
{
	const struct run *copy = (const struct run *)copies.data + i;

	ck_assert_uint_lt(i, copies.count);
	ck_assert_uint_eq(copy->addr, BASE + PAGES(from));
	ck_assert_uint_eq(copy->length, PAGES(to - from));
	ck_assert_uint_eq(copy->offset, PAGES(offset));
}

START_TEST(few_runs_are_mapped_one_by_one)
{
	runs.count = 0;
	add_run(&runs, 0, 100, 0, 0);
	add_run(&runs, 100, 101, 7, 1);
	add_run(&runs, 101, 200, 101, 0);
	add_run(&runs, 200, 201, 9, 1);
	((struct run *)runs.data)[3].shared = true;
	add_run(&runs, 300, 310, 300, 0);
	mapping(1000);
	ck_assert_uint_eq(mappings.count, 4);
	ck_assert_uint_eq(copies.count, 0);
	is_mapping(0, 0, 100, 0);
	is_mapping(1, 100, 101, 1);
	is_mapping(2, 101, 200, 0);
	is_mapping(3, 300, 310, 0);
}
END_TEST

START_TEST(a_mapping_with_copies)
{
	runs.count = 0;
	real_table(&table, 2, 2, fill_two);
	add_run(&runs, 0, 100, 0, 0);
	add_run(&runs, 100, 101, 7, 1);
	add_run(&runs, 101, 200, 101, 0);
	add_run(&runs, 200, 216, 20, 1);
	add_run(&runs, 216, 230, 216, 0);
	add_run(&runs, 230, 330, 40, 1);   /* too long to be copied */
	add_run(&runs, 330, 340, 330, 0);
	add_run(&runs, 341, 360, 341, 0);  /* beyond a gap */
	mapping(0);
	ck_assert_uint_eq(mappings.count, 4);
	is_mapping(0, 0, 230, 0);
	is_mapping(1, 230, 330, 1);
	is_mapping(2, 330, 340, 0);
	is_mapping(3, 341, 360, 0);
	ck_assert_uint_eq(copies.count, 2);
	is_copy(0, 100, 101, 7);
	is_copy(1, 200, 216, 20);
	((struct run *)runs.data)[1].shared = true;     /* another's mapping lies there */
	mapping(0);
	ck_assert_uint_eq(mappings.count, 5);
	is_mapping(0, 0, 100, 0);
	is_mapping(1, 101, 230, 0);
}
END_TEST

START_TEST(copies_without_a_mapping)
{
	runs.count = 0;
	real_table(&table, 2, 2, fill_two);
	for (uint64_t i = 0; i < 100; i++)      /* neither layer goes on at its distance */
		add_run(&runs, i, i + 1, 200 - 2 * i, i & 1);
	add_run(&runs, 100, 200, 0, 0);
	mapping(0);
	ck_assert_uint_eq(mappings.count, 2);
	is_mapping(0, 0, 100, COALESCED_ANONYMOUS);
	is_mapping(1, 100, 200, 0);
	ck_assert_uint_eq(copies.count, 100);
	is_copy(99, 99, 100, 2);
	runs.count = 0;
	add_run(&runs, 0, 1, 5, 1);
	mapping(0);
	ck_assert_uint_eq(mappings.count, 1);
	is_mapping(0, 0, 1, 1);
	ck_assert_uint_eq(copies.count, 0);
}
END_TEST

START_TEST(holes_in_copies)
{
	uint64_t *bitmap;

	runs.count = 0;
	real_table(&table, 2, 2, fill_two);
	bitmap = (uint64_t *)(uintptr_t)rm_table_view_bitmap(&table, 1);
	rm_bit_clear(bitmap, 51);
	rm_bit_clear(bitmap, 54);
	rm_bit_clear(bitmap, 60);
	add_run(&runs, 0, 5, 50, 1);
	add_run(&runs, 5, 6, 60, 1);
	add_run(&runs, 6, 7, 70, 1);
	mapping(0);
	ck_assert_uint_eq(mappings.count, 1);
	is_mapping(0, 0, 7, COALESCED_ANONYMOUS);
	ck_assert_uint_eq(copies.count, 3);    /* on fresh memory holes need nothing */
	is_copy(0, 0, 1, 50);
	is_copy(1, 2, 4, 52);
	is_copy(2, 6, 7, 70);
	runs.count = 0;
	add_run(&runs, 0, 20, 0, 0);
	add_run(&runs, 20, 25, 50, 1);
	add_run(&runs, 25, 45, 25, 0);
	mapping(0);
	ck_assert_uint_eq(mappings.count, 1);
	ck_assert_uint_eq(copies.count, 1);    /* on another layer they are to be seen */
	is_copy(0, 20, 25, 50);
}
END_TEST

/* ---- 200,000 segments: 1 GiB of which three pages of four are copies in 8 layers ---- */

#define MANY 200000u
#define BASES 16u

static void fill_many(struct rm_segment *segment, uint32_t i)
{
	uint64_t page = i;

	*segment = (struct rm_segment){ .addr = BASE + PAGES(page), .length = RM_PAGE,
	                                .heap = HEAP };
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
	struct mapped *mapped = holding_of(owner);

	for (size_t i = 0; i < runs.count; i += step)
		*(struct run *)array_add(&mapped->runs) = ((const struct run *)runs.data)[i];
	ck_assert_int_eq(plan_stretches(&mapped->runs, &mapped->stretches), 0);
}

static uint64_t sole_pages(uint64_t owner)
{
	const struct stretch *stretch = holding_of(owner)->stretches.data;
	uint64_t sum = 0, length = 0;

	for (size_t i = 0; i < holding_of(owner)->stretches.count; i++, stretch++) {
		uint64_t from = stretch->addr, to = from + stretch->length;

		for (; plan_sole(&all_mapped, owner, &from, to, &length); from += length)
			sum += length >> RM_PAGE_SHIFT;
	}
	return sum;
}

static uint64_t left;

static int plan(const struct array *own)
{
	struct conflict conflict;

	runs.count = 0;
	return plan_attach(&table, own, &all_mapped, NULL, &runs, &left, &conflict);
}

START_TEST(many_segments)
{
	struct array contents, own = { .item = sizeof(struct heap_range) };

	real_table(&table, MANY, BASES + 8, fill_many);
	for (uint64_t i = 0; i < 1000; i++)
		*(struct heap_range *)array_add(&own) = (struct heap_range){
			.base = BASE + PAGES(i * 100 + 50), .top = BASE + PAGES(i * 100 + 51),
			.heap = HEAP,
		};
	ck_assert_int_eq(plan(&own), 0);
	ck_assert_uint_eq(runs.count, MANY - 1000);
	ck_assert_uint_eq(left, 1000);
	hold_runs(1, 1);
	hold_runs(2, 2);
	hold_runs(3, 3);
	hold_runs(4, 1);
	ck_assert_int_eq(plan(&own), 0);
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
	ck_assert_int_eq(plan(&own), 0);
	mapping(4096);
	ck_assert_uint_le(mappings.count, 4096);
	ck_assert_uint_ge(copies.count, MANY / 4 * 3);
	ck_assert_uint_lt(copies.count, MANY / 4 * 3 + MANY / 100);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ contents_of_two, 0 }, { few_runs_are_mapped_one_by_one, 0 },
		{ a_mapping_with_copies, 0 }, { copies_without_a_mapping, 0 },
		{ holes_in_copies, 0 }, { many_segments, 0 },
	};

	return unit_run("coalesce", tests, COUNT(tests));
}
