/* SPDX-License-Identifier: BSD-2-Clause */
/* test_pointers - which pages a page points to, whatever is on it */
#include "../unit.h"

#include "../../../src/daemon/pager/pointers.h"

#define BASE (RM_WINDOW_BASE + 5 * RM_SLOT_SIZE)
#define WORDS (RM_PAGE / 8)

static const uint64_t lengths[] = { 64 * RM_PAGE, 32 * RM_PAGE };
static struct rm_table table;
static uint64_t page[WORDS];
static struct pointer found[POINTERS_MAX];

/* Three segments: 10 pages, a gap of 10, 20 pages, and right after them 30 of the other layer. */
static void make_table(void)
{
	size_t size = rm_table_size(lengths, 2, 3);
	void *memory = calloc(1, size);
	struct rm_segment *s;

	rm_table_layout(memory, lengths, 2, 3, BASE);
	s = rm_table_segments(memory);
	s[0] = (struct rm_segment){ BASE, 10 * RM_PAGE, 0, 0, 0 };
	s[1] = (struct rm_segment){ BASE + 20 * RM_PAGE, 20 * RM_PAGE, 40 * RM_PAGE, 0, 0 };
	s[2] = (struct rm_segment){ BASE + 40 * RM_PAGE, 30 * RM_PAGE, RM_PAGE, 1, 0 };
	ck_assert_int_eq(rm_table_check(memory, size, &table, NULL), 0);
	memset(page, 0, sizeof(page));
}

START_TEST(nothing_to_find)
{
	make_table();
	ck_assert_uint_eq(pointers_find(&table, page, found), 0);
	for (unsigned i = 0; i < WORDS; i++)
		page[i] = UINT64_MAX - i;
	ck_assert_uint_eq(pointers_find(&table, page, found), 0);
	table.segment_count = 0;
	page[0] = BASE;
	ck_assert_uint_eq(pointers_find(&table, page, found), 0);
}
END_TEST

START_TEST(edges)
{
	static const struct {
		uint64_t word;
		int segment;
		uint64_t page;
	} cases[] = {
		{ BASE - 1, -1, 0 }, { BASE, 0, 0 }, { BASE + 10 * RM_PAGE - 1, 0, 9 },
		{ BASE + 10 * RM_PAGE, -1, 0 }, { BASE + 20 * RM_PAGE - 1, -1, 0 },
		{ BASE + 20 * RM_PAGE, 1, 0 }, { BASE + 40 * RM_PAGE - 8, 1, 19 },
		{ BASE + 40 * RM_PAGE, 2, 0 }, { BASE + 70 * RM_PAGE - 1, 2, 29 },
		{ BASE + 70 * RM_PAGE, -1, 0 }, { RM_WINDOW_END, -1, 0 }, { 8, -1, 0 },
	};

	make_table();
	for (unsigned i = 0; i < COUNT(cases); i++) {
		memset(page, 0, sizeof(page));
		page[i * 37] = cases[i].word;
		ck_assert_uint_eq(pointers_find(&table, page, found), cases[i].segment >= 0);
		if (cases[i].segment < 0)
			continue;
		ck_assert_uint_eq(found[0].segment, (unsigned)cases[i].segment);
		ck_assert_uint_eq(found[0].page, cases[i].page);
	}
}
END_TEST

START_TEST(order_and_repetitions)
{
	make_table();
	page[0] = BASE + 45 * RM_PAGE + 16;
	page[1] = BASE + 3 * RM_PAGE;
	page[2] = BASE + 45 * RM_PAGE + 4000;   /* that page again */
	page[WORDS - 1] = BASE + 25 * RM_PAGE + 3;
	ck_assert_uint_eq(pointers_find(&table, page, found), 3);
	ck_assert(found[0].segment == 2 && found[0].page == 5);
	ck_assert(found[1].segment == 0 && found[1].page == 3);
	ck_assert(found[2].segment == 1 && found[2].page == 5);
}
END_TEST

/* Whatever is there, no more than fits, and nothing outside of the segments. */
START_TEST(anything)
{
	uint64_t state = 88172645463325252u + (unsigned)_i;

	make_table();
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t r = unit_random(&state);

		page[i] = r % 3 ? BASE - 4 * RM_PAGE + r % (80 * RM_PAGE) : r;
	}
	for (unsigned i = 0, n = pointers_find(&table, page, found); i < n; i++) {
		ck_assert_uint_lt(found[i].segment, 3);
		ck_assert_uint_lt(found[i].page, table.segments[found[i].segment].length / RM_PAGE);
	}
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ nothing_to_find, 0 }, { edges, 0 }, { order_and_repetitions, 0 }, { anything, 20 },
	};

	return unit_run("pointers", tests, COUNT(tests));
}
