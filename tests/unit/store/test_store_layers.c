/* SPDX-License-Identifier: BSD-2-Clause */
/* test_store_layers - layers that are here already, those that are only held, and the limit */
#include <errno.h>
#include <fcntl.h>

#include "store_steps.h"

START_TEST(known_layers)
{
	struct publication *p, *q;
	uint64_t bytes, table;
	unsigned before, one;

	setup();
	before = open_fds();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	bytes = store_bytes(store);
	table = p->table.size;
	ck_assert_uint_eq(bytes, 4 * RM_PAGE + table);
	one = open_fds();
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 2, 1 }, 2, 2, NULL, &q), 0);
	ck_assert_ptr_eq(p->layers[0], q->layers[1]);
	ck_assert_ptr_eq(p->layers[1], q->layers[0]);
	ck_assert_uint_eq(store_bytes(store), bytes + table);
	ck_assert_uint_eq(open_fds(), one + 2);         /* its table, here and in the keeper */
	ck_assert_int_eq(add_known(3, (uint32_t[]){ 1, 3 }, 2, 1, NULL, &q), -ESTALE);
	ck_assert_ptr_null(find(3));
	ck_assert_uint_eq(store_bytes(store), bytes + table);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), bytes);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 5, 1 }, 2, 1, NULL, &q), 0);
	ck_assert_uint_eq(store_bytes(store), bytes + table + 2 * RM_PAGE);
	store_unpublish(find(2));
	ck_assert_int_eq(add_known(5, (uint32_t[]){ 2 }, 1, 1, NULL, &q), -ESTALE);
	store_unpublish(find(4));
	keep();
	ck_assert_uint_eq(store_bytes(store), 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* Only the same file may come under an id once more. */
START_TEST(layer_is_not_replaced)
{
	int mine = layer_of(2, SEALS), other = layer_of(2, SEALS);
	struct publication *p, *q;
	unsigned before;

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1 }, 1, 0, &mine, &p), 0);
	before = open_fds();
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 1 }, 1, 0, &other, &q), -EINVAL);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 7, 1 }, 2, 0, (int[]){ mine, other }, &q), -EINVAL);
	ck_assert_uint_eq(open_fds(), before);
	ck_assert_int_eq(add_known(3, (uint32_t[]){ 1 }, 1, 0, &mine, &q), 0);
	ck_assert_ptr_eq(p->layers[0], q->layers[0]);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 1, 1 }, 2, 1, &mine, &q), 0);
	ck_assert_ptr_eq(q->layers[0], q->layers[1]);
	ck_assert_uint_eq(q->layers[0]->refs, 4);
}
END_TEST

START_TEST(known_of_another_length)
{
	struct rm_wire_publish request = { .layer_count = 1, .known_layers = 1 };
	const uint64_t length = RM_PAGE;
	_Alignas(8) uint8_t table[512] = { 0 };
	struct publication *p;
	char why[RM_TEXT_MAX];

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1 }, 1, 0, NULL, &p), 0);
	request.table_size = rm_table_size(&length, 1, 1);
	rm_table_layout(table, &length, 1, 1, RM_WINDOW_BASE);
	rm_table_segments(table)[0] = (struct rm_segment){ .addr = RM_WINDOW_BASE, .length = length };
	rm_table_layers(table)[0].id[0] = 1;
	ck_assert_int_eq(store_add(store, &request, 42, memfd(table, request.table_size, SEALS),
	                           -1, NULL, &p, why, sizeof(why)), -ESTALE);
}
END_TEST

START_TEST(holdings)
{
	struct held_layers a = { 0 }, b = { 0 };
	struct layers *layers;
	struct publication *p;

	setup();
	layers = store_layers(store);
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	layers_hold(layers, &a, p->layers, 2);
	layers_hold(layers, &b, p->layers, 1);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 3, 2 }, 2, 1, NULL, &p), 0);
	layers_hold(layers, &a, p->layers, 2);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), 6 * RM_PAGE);
	layers_hold(layers, &b, NULL, 0);
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	layers_hold(layers, &a, NULL, 0);
	layers_hold(layers, &a, NULL, 0);
	ck_assert_uint_eq(store_bytes(store), 0);
}
END_TEST

/* What is only held gives way to what is published; each layer counts once. */
START_TEST(limit_with_layers)
{
	struct held_layers held = { 0 };
	struct publication *p;

	setup();
	context.options.limit = 4 * RM_PAGE + 2048;
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	layers_hold(store_layers(store), &held, p->layers, 2);
	for (uint8_t i = 2; i < 6; i++)
		ck_assert_int_eq(add_known(i, (uint32_t[]){ 1, 2 }, 2, 2, NULL, &p), 0);
	for (uint8_t i = 1; i < 6; i++)
		store_unpublish(find(i));
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	ck_assert_int_eq(add_known(6, (uint32_t[]){ 3 }, 1, 0, NULL, &p), 0);
	ck_assert_ptr_null(held.layers);
	layers_hold(store_layers(store), &held, p->layers, 1);
	ck_assert_int_eq(add_known(7, (uint32_t[]){ 4, 5 }, 2, 0, NULL, &p), -ENOSPC);
	ck_assert_uint_lt(store_bytes(store), 3 * RM_PAGE);
	ck_assert_int_eq(add_known(7, (uint32_t[]){ 4 }, 1, 0, NULL, &p), 0);
}
END_TEST

START_TEST(restart_with_layers)
{
	struct held_layers held = { 0 };
	struct publication *p, *q;
	uint64_t bytes;

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 3, 2 }, 2, 1, NULL, &q), 0);
	layers_hold(store_layers(store), &held, p->layers, 2);
	store_unpublish(p);
	bytes = store_bytes(store) - 2 * RM_PAGE;
	restart();
	free(held.layers);      /* of the worker that is gone */
	/* layer 1 was only held: the next publish that names it copies everything */
	ck_assert_uint_eq(store_bytes(store), bytes);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 1 }, 1, 1, NULL, &q), -ESTALE);
	ck_assert_int_eq(add_known(5, (uint32_t[]){ 4, 2, 3 }, 3, 2, NULL, &q), 0);
	ck_assert_ptr_eq(q->layers[2], find(2)->layers[0]);
	store_unpublish(find(2));
	ck_assert_ptr_nonnull(find(5));
	ck_assert_uint_eq(find(5)->layers[1]->refs, 1);
	store_unpublish(find(5));
	keep();
	ck_assert_uint_eq(store_bytes(store), 0);
}
END_TEST

START_TEST(hundred_publications)
{
	struct publication *p;
	unsigned before, first;

	setup();
	before = open_fds();
	ck_assert_int_eq(add_known(0, (uint32_t[]){ 1, 2, 3, 4 }, 4, 0, NULL, &p), 0);
	first = open_fds();
	for (unsigned i = 1; i < 100; i++)
		ck_assert_int_eq(add_known((uint8_t)i, (uint32_t[]){ 1, 2, 3, 4 }, 4, 4, NULL, &p), 0);
	ck_assert_uint_le(open_fds(), first + 2 * 99);
	for (unsigned i = 0; i < 100; i++)
		store_unpublish(find((uint8_t)i));
	keep();
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ known_layers, 0 }, { layer_is_not_replaced, 0 }, { known_of_another_length, 0 },
		{ holdings, 0 }, { limit_with_layers, 0 }, { restart_with_layers, 0 },
		{ hundred_publications, 0 },
	};

	return unit_run("store_layers", tests, COUNT(tests));
}
