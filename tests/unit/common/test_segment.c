/* SPDX-License-Identifier: BSD-2-Clause */
/* test_segment - a table that passes the check is safe to walk; every other one is refused */
#include "../unit.h"

#include "segment.h"

#define ROOT (RM_WINDOW_BASE + 5 * RM_PAGE + 24)

static const uint64_t lengths[] = { 70 * RM_PAGE, RM_PAGE, 128 * RM_PAGE };

/* Three layers, four segments; the second and third touch, the rest have gaps between. */
static void *build(size_t *size)
{
	void *memory;
	struct rm_segment *s;

	*size = rm_table_size(lengths, 3, 4);
	ck_assert_uint_eq(*size, 32 + 3 * 32 + 4 * 32 + (2 + 1 + 2) * 8);
	memory = calloc(1, *size);
	ck_assert_ptr_nonnull(memory);
	rm_table_layout(memory, lengths, 3, 4, ROOT);
	s = rm_table_segments(memory);
	s[0] = (struct rm_segment) { RM_WINDOW_BASE, 10 * RM_PAGE, 0, 0, 0 };
	s[1] = (struct rm_segment) { RM_WINDOW_BASE + 20 * RM_PAGE, 60 * RM_PAGE, 10 * RM_PAGE, 0, 0 };
	s[2] = (struct rm_segment) { RM_WINDOW_BASE + 80 * RM_PAGE, RM_PAGE, 0, 1, 0 };
	s[3] = (struct rm_segment) { RM_WINDOW_END - 128 * RM_PAGE, 128 * RM_PAGE, 0, 2, 0 };
	rm_bit_set(rm_table_bitmap(memory, 0), 69);
	rm_bit_set(rm_table_bitmap(memory, 2), 127);
	return memory;
}

START_TEST(good_table)
{
	size_t size;
	void *memory = build(&size);
	struct rm_table t;

	ck_assert_int_eq(rm_table_check(memory, size, &t, NULL), 0);
	ck_assert_uint_eq(t.layer_count, 3);
	ck_assert_uint_eq(t.segment_count, 4);
	ck_assert_uint_eq(t.root, ROOT);
	ck_assert_uint_eq(t.size, size);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_ptr_eq(rm_table_view_bitmap(&t, i), rm_table_bitmap(memory, i));
	ck_assert_uint_eq(rm_bit_count(rm_table_view_bitmap(&t, 0), 70), 1);
	free(memory);
}
END_TEST

START_TEST(find_at_the_edges)
{
	static const struct {
		uint64_t addr;
		int segment;
	} table[] = {
		{ 0, -1 }, { RM_WINDOW_BASE - 1, -1 }, { RM_WINDOW_BASE, 0 },
		{ RM_WINDOW_BASE + 10 * RM_PAGE - 1, 0 }, { RM_WINDOW_BASE + 10 * RM_PAGE, -1 },
		{ RM_WINDOW_BASE + 20 * RM_PAGE - 1, -1 }, { RM_WINDOW_BASE + 20 * RM_PAGE, 1 },
		{ RM_WINDOW_BASE + 80 * RM_PAGE - 1, 1 }, { RM_WINDOW_BASE + 80 * RM_PAGE, 2 },
		{ RM_WINDOW_BASE + 81 * RM_PAGE, -1 }, { RM_WINDOW_END - 1, 3 },
		{ RM_WINDOW_END, -1 }, { UINT64_MAX, -1 },
	};
	size_t size;
	void *memory = build(&size);
	struct rm_table t;

	ck_assert_int_eq(rm_table_check(memory, size, &t, NULL), 0);
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct rm_segment *s = rm_table_find(&t, table[i].addr);

		if (table[i].segment < 0)
			ck_assert_ptr_null(s);
		else
			ck_assert_ptr_eq(s, &t.segments[table[i].segment]);
	}
	free(memory);
}
END_TEST

static void bad(void *memory, size_t size, const char *what)
{
	const char *why = NULL;
	struct rm_table t;

	ck_assert_msg(rm_table_check(memory, size, &t, &why) == -EINVAL, "%s passed", what);
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(rm_table_check(memory, size, &t, NULL), -EINVAL);
}

#define BREAK(statement) do { \
	size_t size; \
	void *memory = build(&size); \
	struct rm_table_header *h = memory; \
	struct rm_layer_desc *l = rm_table_layers(memory); \
	struct rm_segment *s = rm_table_segments(memory); \
	(void)h; (void)l; (void)s; \
	statement; \
	bad(memory, size, #statement); \
	free(memory); \
} while (0)

START_TEST(bad_header)
{
	BREAK(h->magic++);
	BREAK(h->magic = 0);
	BREAK(h->size++);
	BREAK(h->size -= 8);
	BREAK(h->size = 0);
	BREAK(h->size = UINT64_MAX);
	BREAK(h->layer_count = 0);
	BREAK(h->layer_count--);
	BREAK(h->layer_count++);
	BREAK(h->layer_count = UINT32_MAX);
	BREAK(h->layer_count = RM_TABLE_LAYERS_MAX + 1);
	BREAK(h->segment_count = 0);
	BREAK(h->segment_count--);
	BREAK(h->segment_count++);
	BREAK(h->segment_count = UINT32_MAX);
	BREAK(h->segment_count = RM_TABLE_SEGMENTS_MAX + 1);
	BREAK(h->root = 0);
	BREAK(h->root = UINT64_MAX);
	BREAK(h->root = RM_WINDOW_BASE + 10 * RM_PAGE);
	BREAK(h->root = RM_WINDOW_END);
}
END_TEST

START_TEST(bad_layers)
{
	BREAK(l[0].length = 0);
	BREAK(l[0].length++);
	BREAK(l[0].length = 129 * RM_PAGE);
	BREAK(l[0].length = RM_LAYER_MAX + RM_PAGE);
	BREAK(l[0].length = UINT64_MAX);
	BREAK(l[0].length = UINT64_MAX - RM_PAGE + 1);
	BREAK(l[2].length = RM_LAYER_MAX);
	BREAK(l[0].bitmap++);
	BREAK(l[0].bitmap += 8);
	BREAK(l[1].bitmap = l[0].bitmap);
	BREAK(l[2].bitmap = 0);
	BREAK(l[2].bitmap = UINT64_MAX);
	BREAK(l[2].bitmap = (uint64_t)0 - 8);
	BREAK(rm_bit_set(rm_table_bitmap(memory, 0), 70));
	BREAK(rm_bit_set(rm_table_bitmap(memory, 0), 127));
	BREAK(rm_bit_set(rm_table_bitmap(memory, 1), 1));
}
END_TEST

START_TEST(bad_segments)
{
	BREAK(s[0].addr++);
	BREAK(s[0].addr -= RM_PAGE);
	BREAK(s[0].addr = 0);
	BREAK(s[0].length = 0);
	BREAK(s[0].length++);
	BREAK(s[0].length = UINT64_MAX);
	BREAK(s[0].length = (uint64_t)0 - RM_PAGE);
	BREAK(s[0].length = 21 * RM_PAGE);
	BREAK(s[0].offset = 1);
	BREAK(s[0].offset = 61 * RM_PAGE);
	BREAK(s[0].offset = (uint64_t)0 - RM_PAGE);
	BREAK(s[0].layer = 3);
	BREAK(s[0].layer = UINT32_MAX);
	BREAK(s[1].addr = s[0].addr);
	BREAK(s[2].addr -= RM_PAGE);
	BREAK(s[3].addr += RM_PAGE);
	BREAK(s[3].addr = RM_WINDOW_END);
	BREAK(s[3].addr = (uint64_t)0 - RM_PAGE);
	BREAK(s[3].length += RM_PAGE);
	BREAK(s[3] = s[1]);
	BREAK(s[0] = s[3]);
}
END_TEST

/* Every length that is not the right one, in memory of just that length. */
START_TEST(every_truncation)
{
	size_t size;
	void *memory = build(&size);

	for (size_t n = 0; n < size; n++) {
		void *part = malloc(n ? n : 1);

		ck_assert_ptr_nonnull(part);
		memcpy(part, memory, n);
		bad(part, n, "a part of a table");
		if (n >= sizeof(struct rm_table_header)) {
			((struct rm_table_header *)part)->size = n;
			bad(part, n, "a part of a table that owns up to it");
		}
		free(part);
	}
	bad(NULL, size, "no table");
	bad((char *)memory + 4, size - 4, "a table that is not aligned");
	free(memory);
}
END_TEST

/* Any bit changed: refused, or still safe to walk (ids and bitmaps may hold anything). */
START_TEST(every_bit_flipped)
{
	size_t size;
	uint8_t *memory = build(&size);
	struct rm_table t;

	for (size_t bit = 0; bit < size * 8; bit++) {
		memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (rm_table_check(memory, size, &t, NULL) == 0)
			for (uint32_t i = 0; i < t.segment_count; i++) {
				const struct rm_segment *s = &t.segments[i];
				const uint64_t *map = rm_table_view_bitmap(&t, s->layer);

				ck_assert(rm_in_window(s->addr + s->length - 1));
				ck_assert_ptr_eq(rm_table_find(&t, s->addr), s);
				(void)rm_bit(map, (s->offset + s->length - 1) / RM_PAGE);
			}
		memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(memory);
}
END_TEST

START_TEST(sizes_and_limits)
{
	const uint64_t one[] = { RM_PAGE }, most[] = { RM_LAYER_MAX };
	const uint64_t wrong[][1] = { { 0 }, { 1 }, { RM_PAGE + 8 }, { RM_LAYER_MAX + RM_PAGE },
		{ UINT64_MAX } };

	ck_assert_uint_eq(rm_table_size(one, 1, 1), 32 * 3 + 8);
	ck_assert_uint_eq(rm_table_size(most, 1, 1), 32 * 3 + (RM_LAYER_MAX / RM_PAGE) / 8);
	ck_assert_uint_eq(rm_table_size(NULL, 0, 0), 32);
	ck_assert_uint_gt(rm_table_size(one, 1, RM_TABLE_SEGMENTS_MAX), 0);
	ck_assert_uint_eq(rm_table_size(one, 1, RM_TABLE_SEGMENTS_MAX + 1), 0);
	ck_assert_uint_eq(rm_table_size(NULL, RM_TABLE_LAYERS_MAX + 1, 1), 0);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_uint_eq(rm_table_size(wrong[i], 1, 1), 0);
}
END_TEST

START_TEST(largest_layer)
{
	const uint64_t most[] = { RM_LAYER_MAX };
	size_t size = rm_table_size(most, 1, 1);
	void *memory = calloc(1, size);
	struct rm_table t;

	ck_assert_ptr_nonnull(memory);
	rm_table_layout(memory, most, 1, 1, RM_WINDOW_BASE + RM_LAYER_MAX - 1);
	rm_table_segments(memory)[0] = (struct rm_segment) { RM_WINDOW_BASE, RM_LAYER_MAX, 0, 0, 0 };
	memset(rm_table_bitmap(memory, 0), 0xff, RM_LAYER_MAX / RM_PAGE / 8);
	ck_assert_int_eq(rm_table_check(memory, size, &t, NULL), 0);
	ck_assert_uint_eq(rm_bit_count(rm_table_view_bitmap(&t, 0), RM_LAYER_MAX / RM_PAGE),
	                  RM_LAYER_MAX / RM_PAGE);
	free(memory);
}
END_TEST

static bool slow_run(const uint64_t *map, uint64_t from, uint64_t to, bool value,
                     uint64_t *start, uint64_t *count)
{
	while (from < to && rm_bit(map, from) != value)
		from++;
	if (from >= to)
		return false;
	*start = from;
	for (*count = 0; from < to && rm_bit(map, from) == value; from++)
		++*count;
	return true;
}

#define BITS 200

START_TEST(runs_as_counted_by_hand)
{
	uint64_t state = 88172645463325252u + (unsigned)_i, map[4], all;

	/* dense, sparse and half-filled maps */
	for (size_t i = 0; i < 4; i++) {
		map[i] = unit_random(&state);
		if (_i % 4 == 1)
			map[i] &= unit_random(&state) & unit_random(&state) & unit_random(&state);
		if (_i % 4 == 2)
			map[i] |= unit_random(&state) | unit_random(&state) | unit_random(&state);
		if (_i % 4 == 3)
			map[i] = unit_random(&state) & 1 ? 0 : UINT64_MAX;
	}
	for (uint64_t to = 0; to <= BITS; to++) {
		all = 0;
		for (uint64_t from = 0; from <= to; from++) {
			uint64_t s1 = 0, s2 = 0, c1 = 0, c2 = 0;
			bool value = (from + to) & 1, found;

			found = slow_run(map, from, to, value, &s1, &c1);
			ck_assert(rm_bit_run(map, from, to, value, &s2, &c2) == found);
			ck_assert_uint_eq(s1, s2);
			ck_assert_uint_eq(c1, c2);
			if (from < to)
				all += rm_bit(map, from);
		}
		ck_assert_uint_eq(rm_bit_count(map, to), all);
	}
}
END_TEST

START_TEST(run_reads_no_word_beyond)
{
	uint64_t *map = malloc(sizeof(*map)), start, count;     /* a word more is ASan's to see */

	ck_assert_ptr_nonnull(map);
	*map = UINT64_MAX;
	ck_assert(rm_bit_run(map, 0, 64, true, &start, &count));
	ck_assert_uint_eq(count, 64);
	ck_assert(!rm_bit_run(map, 0, 64, false, &start, &count));
	ck_assert(!rm_bit_run(map, 64, 64, true, &start, &count));
	ck_assert(!rm_bit_run(map, 70, 64, true, &start, &count));
	ck_assert_uint_eq(rm_bit_count(map, 64), 64);
	rm_bit_clear(map, 63);
	ck_assert(rm_bit_run(map, 63, 64, false, &start, &count));
	ck_assert_uint_eq(start, 63);
	free(map);
}
END_TEST

/* Segments that end and begin within words, and meet holes; what no segment shows stays clear. */
START_TEST(pages_that_segments_show)
{
	size_t size;
	void *memory = build(&size);
	struct rm_segment *s = rm_table_segments(memory);
	uint64_t bits[3][3] = { 0 }, *bitmaps[3] = { bits[0], bits[1], bits[2] };
	uint64_t *data = rm_table_bitmap(memory, 2), seed = (uint64_t)_i * 977 + 5;
	struct rm_table t;

	for (unsigned i = 0; i < 128; i++)
		if ((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 62)
			rm_bit_set(data, i);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t first = i * 32 + (seed >> (8 * i)) % 32, end = i * 32 + 32;

		s[i].layer = 2;
		s[i].offset = first * RM_PAGE;
		s[i].length = (1 + (seed >> (8 * i + 5)) % (end - first)) * RM_PAGE;
		s[i].addr = RM_WINDOW_BASE + i * 40 * RM_PAGE;
	}
	rm_table_layout(memory, lengths, 3, 4, s[0].addr);
	ck_assert_int_eq(rm_table_check(memory, size, &t, NULL), 0);
	rm_table_visible(&t, bitmaps);
	for (unsigned i = 0; i < 128; i++) {
		const struct rm_segment *of = &s[i / 32];
		uint64_t at = (uint64_t)i * RM_PAGE;
		bool in = at >= of->offset && at < of->offset + of->length;

		ck_assert_int_eq(rm_bit(bits[2], i), in && rm_bit(data, i));
	}
	ck_assert_uint_eq(rm_bit_count(bits[0], 192) + rm_bit_count(bits[1], 192) + bits[2][2], 0);
	free(memory);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ good_table, 0 }, { find_at_the_edges, 0 }, { bad_header, 0 }, { bad_layers, 0 },
		{ bad_segments, 0 }, { every_truncation, 0 }, { every_bit_flipped, 0 },
		{ sizes_and_limits, 0 }, { largest_layer, 0 }, { runs_as_counted_by_hand, 16 },
		{ run_reads_no_word_beyond, 0 }, { pages_that_segments_show, 100 },
	};

	return unit_run("segment", tests, COUNT(tests));
}
