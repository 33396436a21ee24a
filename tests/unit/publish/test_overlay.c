/* SPDX-License-Identifier: BSD-2-Clause */
/* test_overlay.c - lists of segments against a plain array of pages; chains of publishes */
#include "../../../src/lib/publish/internal.h"     /* before check.h, which has a macro fail() */

#include "../unit.h"

#define BASE RM_WINDOW_BASE
#define PAGES 300
#define AT(page) (BASE + ((uint64_t)(page) << RM_PAGE_SHIFT))

struct page {
	uint32_t layer, heap;           /* heap 0: none here */
	uint64_t offset;
};

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static struct array list(void)
{
	return (struct array){ .item = sizeof(struct rm_segment) };
}

/* Random segments, some of them neighbours that go on with each other. */
static struct array random_list(struct page pages[PAGES])
{
	struct array l = list();

	memset(pages, 0, PAGES * sizeof(*pages));
	for (unsigned at = draw(10); at < PAGES;) {
		unsigned count = 1 + draw(12);
		struct rm_segment s = {
			.addr = AT(at), .layer = draw(3), .heap = 1 + draw(2),
			.offset = (uint64_t)draw(3) * (AT(at) - BASE),
		};

		if (draw(6) == 0) {
			s.layer = OVERLAY_NONE;
			s.offset = draw(2);
		}
		if (at + count > PAGES)
			count = PAGES - at;
		s.length = (uint64_t)count << RM_PAGE_SHIFT;
		ck_assert_int_eq(overlay_add(&l, &s), 0);
		for (unsigned i = 0; i < count; i++)
			pages[at + i] = (struct page){ s.layer, s.heap, s.layer == OVERLAY_NONE ?
				s.offset : s.offset + ((uint64_t)i << RM_PAGE_SHIFT) };
		at += count + (draw(2) ? draw(15) : 0);
	}
	return l;
}

static void is(const struct array *l, const struct page pages[PAGES])
{
	const struct rm_segment *s = l->data;
	struct page got[PAGES] = { { 0 } };
	uint64_t end = 0;

	for (size_t i = 0; i < l->count; i++) {
		ck_assert_uint_ge(s[i].addr, end);
		ck_assert_uint_gt(s[i].length, 0);
		end = s[i].addr + s[i].length;
		for (uint64_t k = 0; k < s[i].length >> RM_PAGE_SHIFT; k++)
			got[(s[i].addr - BASE) / RM_PAGE + k] = (struct page){
				s[i].layer, s[i].heap,
				s[i].offset + (s[i].layer == OVERLAY_NONE ? 0 : k * RM_PAGE) };
	}
	for (unsigned i = 0; i < PAGES; i++) {
		ck_assert_uint_eq(got[i].heap, pages[i].heap);
		if (pages[i].heap) {
			ck_assert_uint_eq(got[i].layer, pages[i].layer);
			ck_assert_uint_eq(got[i].offset, pages[i].offset);
		}
	}
}

START_TEST(against_pages)
{
	for (seed = 1; seed < 2000; seed += 7) {
		struct page under[PAGES], over[PAGES], want[PAGES];
		struct array u = random_list(under), o = random_list(over), out = list();
		unsigned from = draw(PAGES), to = from + draw(PAGES - from + 1);

		for (unsigned i = 0; i < PAGES; i++)
			want[i] = over[i].heap ? over[i] : under[i];
		ck_assert_int_eq(overlay_lists(&u, &o, &out), 0);
		is(&out, want);
		for (size_t i = 1; i < out.count; i++) {        /* joined as far as possible */
			struct rm_segment *s = (struct rm_segment *)out.data + i - 1;
			struct array two = list();

			ck_assert_int_eq(overlay_add(&two, s), 0);
			ck_assert_int_eq(overlay_add(&two, s + 1), 0);
			ck_assert_uint_eq(two.count, 2);
			array_free(&two);
		}
		out.count = 0;
		for (unsigned i = 0; i < PAGES; i++)
			want[i] = i >= from && i < to ? under[i] : (struct page){ 0 };
		ck_assert_int_eq(overlay_cut(&u, AT(from), AT(to), &out), 0);
		is(&out, want);
		out.count = 0;
		for (unsigned i = 0; i < PAGES; i++)
			want[i] = i >= from && i < to && !under[i].heap ?
			          (struct page){ OVERLAY_NONE, 9, 0 } : (struct page){ 0 };
		ck_assert_int_eq(overlay_gaps(&u, AT(from), AT(to), 9, &out), 0);
		is(&out, want);
		out.count = 0;
		for (unsigned i = 0; i < PAGES; i++)
			want[i] = under[i].heap && !over[i].heap ?
			          (struct page){ OVERLAY_NONE, under[i].heap, 0 } :
			          (struct page){ 0 };
		ck_assert_int_eq(overlay_minus(&u, &o, &out), 0);
		is(&out, want);
		array_free(&u);
		array_free(&o);
		array_free(&out);
	}
}
END_TEST

/* ---- chains ---- */

#define CHAIN_PAGES 16384               /* 64 MiB */

static uint64_t full[CHAIN_PAGES / 64], none[CHAIN_PAGES / 64];         /* bitmaps */

struct chain {
	struct array layers, segments;
	uint64_t copied;
};

static struct chain new_chain(void)
{
	return (struct chain){ .layers.item = sizeof(struct snapshot_layer), .segments = list() };
}

static void free_chain(struct chain *c)
{
	array_free(&c->layers);
	array_free(&c->segments);
}

static uint32_t chain_layer(struct chain *c, enum layer_kind kind, uint64_t addr, uint64_t length)
{
	struct snapshot_layer *layer = array_add(&c->layers);

	ck_assert_uint_le(length, RM_LAYER_MAX);
	memset(full, 0xff, sizeof(full));
	*layer = (struct snapshot_layer){ .kind = (uint8_t)kind, .addr = addr, .length = length,
	                                  .bitmap = full };
	c->copied += length >> RM_PAGE_SHIFT;
	return (uint32_t)(c->layers.count - 1);
}

/* What freeze.c does, but for the memory. */
static void chain_publish(struct chain *c, struct array *changed)
{
	struct collected g = { .layers = &c->layers, .under = c->segments, .gaps = list(),
	                       .changed = *changed, .written = list(), .pages = CHAIN_PAGES };
	struct array bases = list(), pages = list(), both = list(), all = list();
	const struct rm_segment *s;
	uint64_t length = 0, live[4096] = { 0 };
	uint32_t layer, kept = 0, number[4096];

	ck_assert_int_eq(compact_layers(&g), 0);
	for (size_t i = 0; i < g.gaps.count; i++) {
		struct rm_segment base = ((struct rm_segment *)g.gaps.data)[i];

		base.layer = chain_layer(c, LAYER_BASE, base.addr, base.length);
		base.offset = 0;
		overlay_add(&bases, &base);
	}
	s = g.changed.data;
	for (size_t i = 0; i < g.changed.count; i++)
		length += s[i].length;
	if (length) {
		layer = chain_layer(c, LAYER_CHANGES, 0, length);
		length = 0;
		for (size_t i = 0; i < g.changed.count; i++) {
			struct rm_segment page = s[i];

			page.layer = layer;
			page.offset = length;
			length += page.length;
			overlay_add(&pages, &page);
		}
	}
	ck_assert_int_eq(overlay_lists(&bases, &pages, &both), 0);
	ck_assert_int_eq(overlay_lists(&g.under, &both, &all), 0);
	array_free(&g.under);
	array_free(&g.gaps);
	array_free(&g.changed);
	array_free(&bases);
	array_free(&pages);
	array_free(&both);
	c->segments = all;
	for (size_t i = 0; i < all.count; i++)
		live[((struct rm_segment *)all.data)[i].layer]++;
	for (size_t i = 0; i < c->layers.count; i++)
		if (live[i]) {
			struct snapshot_layer *layers = c->layers.data;

			layers[kept] = layers[i];
			number[i] = kept++;
		}
	c->layers.count = kept;
	for (size_t i = 0; i < all.count; i++)
		((struct rm_segment *)all.data)[i].layer =
			number[((struct rm_segment *)all.data)[i].layer];
}

static struct array some_pages(unsigned count)
{
	static uint8_t dirty[CHAIN_PAGES];
	struct array l = list();

	memset(dirty, 0, sizeof(dirty));
	while (count--)
		dirty[draw(CHAIN_PAGES)] = 1;
	for (unsigned i = 0; i < CHAIN_PAGES; i++)
		if (dirty[i])
			overlay_add(&l, &(struct rm_segment){ .addr = AT(i), .length = RM_PAGE,
			                                      .layer = OVERLAY_NONE, .heap = 5 });
	return l;
}

/* 1,000 times one page in a hundred: all stays in bounds that do not depend on how many times. */
START_TEST(a_long_chain)
{
	struct chain c = new_chain();
	struct rm_segment all = { .addr = BASE, .length = AT(CHAIN_PAGES) - BASE, .heap = 5 };
	uint64_t most_pages = 0, most_layers = 0, most_segments = 0;

	seed = 3;
	all.layer = chain_layer(&c, LAYER_BASE, BASE, all.length);
	overlay_add(&c.segments, &all);
	c.copied = 0;
	for (int round = 0; round < 1000; round++) {
		struct array changed = some_pages(CHAIN_PAGES / 100);
		uint64_t sum = 0;

		chain_publish(&c, &changed);
		for (size_t i = 0; i < c.layers.count; i++)
			sum += layer_pages((struct snapshot_layer *)c.layers.data + i);
		if (sum > most_pages)
			most_pages = sum;
		if (c.layers.count > most_layers)
			most_layers = c.layers.count;
		if (c.segments.count > most_segments)
			most_segments = c.segments.count;
	}
	ck_assert_uint_lt(most_layers, 64);
	ck_assert_uint_lt(most_pages, CHAIN_PAGES * 5 / 2);
	ck_assert_uint_lt(most_segments, CHAIN_PAGES * 3 / 4);
	/* what the rules cost: so many times the pages that changed */
	ck_assert_uint_lt(c.copied, (uint64_t)CHAIN_PAGES / 100 * 1000 * 12);
	free_chain(&c);
}
END_TEST

/* ---- nearly dead bases ---- */

/* Pages [from, to) of the chain are those of a layer whose first page has the address AT(zero). */
static void refer(struct chain *c, uint32_t layer, unsigned zero, unsigned from, unsigned to)
{
	overlay_add(&c->segments, &(struct rm_segment){
		.addr = AT(from), .length = AT(to) - AT(from), .offset = AT(from) - AT(zero),
		.layer = layer, .heap = 5 });
}

static void set_bitmap(struct chain *c, uint32_t layer, uint64_t *bitmap)
{
	((struct snapshot_layer *)c->layers.data)[layer].bitmap = bitmap;
}

static struct collected collected(struct chain *c, uint64_t pages)
{
	return (struct collected){ .layers = &c->layers, .under = c->segments, .gaps = list(),
	                           .changed = list(), .written = list(), .pages = pages };
}

static void gap_is(const struct collected *g, size_t i, unsigned from, unsigned to)
{
	const struct rm_segment *gap = (struct rm_segment *)g->gaps.data + i;

	ck_assert_uint_gt(g->gaps.count, i);
	ck_assert_uint_eq(gap->addr, AT(from));
	ck_assert_uint_eq(gap->length, AT(to) - AT(from));
	ck_assert_uint_eq(gap->layer, OVERLAY_NONE);
	ck_assert_uint_eq(gap->offset, 0);
	ck_assert_uint_eq(gap->heap, 5);
}

/*
 * 64 MiB of which `live` pages at both ends of the first window, and as many in the third, are
 * in use; the rest is another base, which has no data.
 */
static struct chain nearly_dead(unsigned live, uint64_t *bitmap)
{
	struct chain c = new_chain();
	uint32_t old = chain_layer(&c, LAYER_BASE, BASE, AT(CHAIN_PAGES) - BASE);
	uint32_t rest = chain_layer(&c, LAYER_BASE, BASE, AT(CHAIN_PAGES) - BASE);

	set_bitmap(&c, old, bitmap);
	set_bitmap(&c, rest, none);
	refer(&c, old, 0, 0, live);
	refer(&c, rest, 0, live, 1024 - live);
	refer(&c, old, 0, 1024 - live, 1024);
	refer(&c, rest, 0, 1024, 2100);
	refer(&c, old, 0, 2100, 2100 + live);
	refer(&c, rest, 0, 2100 + live, CHAIN_PAGES);
	return c;
}

/* What is left of it is written anew, one stretch a window; then nothing refers to it. */
START_TEST(a_dead_base)
{
	struct chain c = nearly_dead(10, full);
	struct collected g = collected(&c, CHAIN_PAGES);
	struct array nothing = list();

	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 2);
	gap_is(&g, 0, 0, 1024);
	gap_is(&g, 1, 2100, 2110);
	ck_assert_uint_eq(g.changed.count, 0);
	array_free(&g.gaps);
	for (int again = 0; again < 3; again++) {       /* and what is new stays */
		chain_publish(&c, &nothing);
		ck_assert_uint_eq(c.layers.count, 3);
		ck_assert_ptr_eq(((struct snapshot_layer *)c.layers.data)->bitmap, none);
		ck_assert_uint_eq(layer_pages((struct snapshot_layer *)c.layers.data + 1), 1024);
		ck_assert_uint_eq(layer_pages((struct snapshot_layer *)c.layers.data + 2), 10);
	}
	free_chain(&c);
}
END_TEST

/* Only holes are in use, but the file has data. */
START_TEST(a_dead_base_of_holes)
{
	static uint64_t bitmap[CHAIN_PAGES / 64];
	struct chain c = nearly_dead(10, bitmap);
	struct collected g = collected(&c, CHAIN_PAGES);

	for (unsigned i = 5000; i < 5064; i++)
		rm_bit_set(bitmap, i);
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 2);
	gap_is(&g, 1, 2100, 2110);
	array_free(&g.gaps);
	rm_bit_clear(bitmap, 5000);     /* not worth a file */
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 0);
	free_chain(&c);
}
END_TEST

/* More than a quarter of its data is in use; and attached memory, which has no such. */
START_TEST(not_dead)
{
	static uint64_t bitmap[CHAIN_PAGES / 64];
	struct chain c = nearly_dead(300, bitmap);
	struct collected g = collected(&c, CHAIN_PAGES);

	for (unsigned i = 0; i < 3599; i++)
		rm_bit_set(bitmap, i);
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 0);
	rm_bit_set(bitmap, 3599);
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 2);
	array_free(&g.gaps);
	((struct snapshot_layer *)c.layers.data)->kind = LAYER_UPSTREAM;
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 0);
	free_chain(&c);
}
END_TEST

/* 4 GiB in 64 bases of which a quarter each is in use: no more than an eighth of it at once. */
START_TEST(many_dead_bases)
{
	struct chain c = new_chain();
	struct collected g;

	for (unsigned i = 0; i < 64; i++) {
		unsigned at = i * CHAIN_PAGES;
		uint32_t layer = chain_layer(&c, LAYER_BASE, AT(at), AT(CHAIN_PAGES) - BASE);

		refer(&c, layer, at, at, at + CHAIN_PAGES / 4);
	}
	g = collected(&c, 64 * CHAIN_PAGES);
	ck_assert_int_eq(compact_layers(&g), 0);
	ck_assert_uint_eq(g.gaps.count, 32);
	for (unsigned i = 0; i < 32; i++)
		gap_is(&g, i, i * CHAIN_PAGES, i * CHAIN_PAGES + CHAIN_PAGES / 4);
	array_free(&g.gaps);
	free_chain(&c);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ against_pages, 0 }, { a_long_chain, 0 }, { a_dead_base, 0 },
		{ a_dead_base_of_holes, 0 }, { not_dead, 0 }, { many_dead_bases, 0 },
	};

	return unit_run("overlay", tests, COUNT(tests));
}
