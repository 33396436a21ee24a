/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shapes_code.h - building and walking, once for pointers and once for offsets. Included
 * where REF(type), AT(type, ref) and NEW(type, bytes) are defined; 0 refers to nothing.
 */
#include <string.h>

#include "structures.h"

static uint64_t parts(size_t bytes, size_t each)
{
	return bytes / each > 2 ? bytes / each : 2;
}

static REF(char) new_text(uint64_t i)
{
	char text[TEXT_MAX];
	const size_t length = make_text(text, i);
	REF(char) copy = NEW(char, length + 1);

	memcpy(AT(char, copy), text, length + 1);
	return copy;
}

static REF(struct list) build_list(size_t bytes, int shuffled)
{
	REF(struct list) list = NEW(struct list, sizeof(struct list));
	const uint64_t count = parts(bytes, 60);
	REF(struct item) *items = scratch(count * sizeof *items);

	for (uint64_t i = 0; i < count; i++) {
		items[i] = NEW(struct item, sizeof(struct item));
		AT(struct item, items[i])->key = i * 7919;
		AT(struct item, items[i])->text = new_text(i);
	}
	for (uint64_t i = count - 1; shuffled && i > 0; i--) {
		const uint64_t with = mix(i) % (i + 1);
		REF(struct item) item = items[i];

		items[i] = items[with];
		items[with] = item;
	}
	for (uint64_t i = 0; i < count; i++)
		AT(struct item, items[i])->next = i + 1 < count ? items[i + 1] : 0;
	AT(struct list, list)->count = count;
	AT(struct list, list)->first = items[0];
	scratch_free(items, count * sizeof *items);
	return list;
}

static uint64_t walk_list(const struct list *list, uint64_t count)
{
	uint64_t sum = 0;

	for (REF(struct item) next = list->first; next && count; count--) {
		const struct item *item = AT(struct item, next);

		sum += item->key ^ strlen(AT(char, item->text));
		next = item->next;
	}
	return sum;
}

static REF(struct knot) build_knots(uint64_t low, uint64_t high)
{
	const uint64_t middle = low + (high - low) / 2;
	REF(struct knot) knot;

	if (low >= high)
		return 0;
	knot = NEW(struct knot, sizeof(struct knot));
	AT(struct knot, knot)->key = middle;
	AT(struct knot, knot)->value = mix(middle);
	AT(struct knot, knot)->left = build_knots(low, middle);
	AT(struct knot, knot)->right = build_knots(middle + 1, high);
	return knot;
}

static REF(struct tree) build_tree(size_t bytes)
{
	REF(struct tree) tree = NEW(struct tree, sizeof(struct tree));

	AT(struct tree, tree)->count = parts(bytes, sizeof(struct knot));
	AT(struct tree, tree)->top = build_knots(0, AT(struct tree, tree)->count);
	return tree;
}

static uint64_t walk_knots(REF(struct knot) at)
{
	uint64_t sum = 0;

	for (; at; at = AT(struct knot, at)->right)
		sum += (AT(struct knot, at)->key ^ AT(struct knot, at)->value) +
		       walk_knots(AT(struct knot, at)->left);
	return sum;
}

static uint64_t find_knot(REF(struct knot) at, uint64_t key)
{
	while (at && AT(struct knot, at)->key != key)
		at = key < AT(struct knot, at)->key ? AT(struct knot, at)->left :
		                                      AT(struct knot, at)->right;
	return at ? AT(struct knot, at)->value : 0;
}

static uint64_t walk_tree(const struct tree *tree, enum touch touch)
{
	uint64_t depth = 1, sum = 0;

	if (touch == FULL)
		return walk_knots(tree->top);
	if (touch == HALF)
		return walk_knots(AT(struct knot, tree->top)->left);
	while (tree->count >> depth)
		depth++;
	for (uint64_t i = 0; i <= tree->count / 50 / depth; i++)
		sum += find_knot(tree->top, mix(i) % tree->count);
	return sum;
}

static REF(struct hash) build_hash(size_t bytes)
{
	REF(struct hash) made = NEW(struct hash, sizeof(struct hash));
	const uint64_t count = parts(bytes, 56);
	uint64_t buckets = 1;
	REF(REF(struct entry)) table;

	while (buckets < count)
		buckets *= 2;
	table = NEW(REF(struct entry), buckets * sizeof(REF(struct entry)));
	memset(AT(REF(struct entry), table), 0, buckets * sizeof(REF(struct entry)));
	for (uint64_t i = 0; i < count; i++) {
		char text[TEXT_MAX];
		const size_t length = make_text(text, i);
		const uint64_t hash = text_hash(text, length);
		REF(struct entry) entry = NEW(struct entry, sizeof(struct entry) + length + 1);
		REF(struct entry) *bucket = AT(REF(struct entry), table) + (hash & (buckets - 1));

		AT(struct entry, entry)->hash = hash;
		AT(struct entry, entry)->value = i;
		memcpy(AT(struct entry, entry)->key, text, length + 1);
		AT(struct entry, entry)->next = *bucket;
		*bucket = entry;
	}
	AT(struct hash, made)->count = count;
	AT(struct hash, made)->buckets = buckets;
	AT(struct hash, made)->table = table;
	return made;
}

static uint64_t walk_buckets(const struct hash *hash, uint64_t buckets)
{
	REF(struct entry) *table = AT(REF(struct entry), hash->table);
	uint64_t sum = 0;

	for (uint64_t i = 0; i < buckets; i++)
		for (REF(struct entry) at = table[i]; at; at = AT(struct entry, at)->next)
			sum += AT(struct entry, at)->value ^ strlen(AT(struct entry, at)->key);
	return sum;
}

static uint64_t walk_hash(const struct hash *hash, enum touch touch)
{
	REF(struct entry) *table = AT(REF(struct entry), hash->table);
	uint64_t sum = 0;

	if (touch != FEW)
		return walk_buckets(hash, touch == FULL ? hash->buckets : hash->buckets / 2);
	for (uint64_t i = 0; i <= hash->count / 50; i++) {
		char text[TEXT_MAX];
		const size_t length = make_text(text, mix(i) % hash->count);
		const uint64_t wanted = text_hash(text, length);
		REF(struct entry) at = table[wanted & (hash->buckets - 1)];

		while (at && (AT(struct entry, at)->hash != wanted ||
		              strcmp(AT(struct entry, at)->key, text) != 0))
			at = AT(struct entry, at)->next;
		sum += at ? AT(struct entry, at)->value : 0;
	}
	return sum;
}

static REF(struct matrix) build_matrix(size_t bytes)
{
	REF(struct matrix) matrix = NEW(struct matrix, sizeof(struct matrix));
	uint64_t rows = 2;
	REF(double) data;

	while ((rows + 1) * (rows + 1) * sizeof(double) <= bytes)
		rows++;
	data = NEW(double, rows * rows * sizeof(double));
	for (uint64_t i = 0; i < rows * rows; i++)
		AT(double, data)[i] = (double)i * 0.001;
	AT(struct matrix, matrix)->count = rows;
	AT(struct matrix, matrix)->columns = rows;
	AT(struct matrix, matrix)->data = data;
	return matrix;
}

static uint64_t walk_matrix(const struct matrix *matrix, enum touch touch)
{
	const uint64_t rows = touch == HALF ? matrix->count / 2 : matrix->count;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < rows; i += touch == FEW ? 50 : 1)
		for (uint64_t j = 0; j < matrix->columns; j++)
			sum += bits_of(AT(double, matrix->data)[i * matrix->columns + j]);
	return sum;
}

static REF(struct graph) build_graph(size_t bytes)
{
	REF(struct graph) graph = NEW(struct graph, sizeof(struct graph));
	const uint64_t count = parts(bytes, 104);
	REF(REF(struct vertex)) all = NEW(REF(struct vertex), count * sizeof(REF(struct vertex)));
	uint64_t edge = 0;

	for (uint64_t i = 0; i < count; i++) {
		REF(struct vertex) made = NEW(struct vertex, sizeof(struct vertex));
		const uint64_t degree = 4 + mix(i) % 9;
		REF(REF(struct vertex)) out =
			NEW(REF(struct vertex), degree * sizeof(REF(struct vertex)));

		AT(struct vertex, made)->id = i;
		AT(struct vertex, made)->degree = degree;
		AT(struct vertex, made)->out = out;
		AT(REF(struct vertex), all)[i] = made;
	}
	for (uint64_t i = 0; i < count; i++) {
		const struct vertex *from = AT(struct vertex, AT(REF(struct vertex), all)[i]);

		for (uint64_t j = 0; j < from->degree; j++)
			AT(REF(struct vertex), from->out)[j] =
				AT(REF(struct vertex), all)[mix(edge++) % count];
	}
	AT(struct graph, graph)->count = count;
	AT(struct graph, graph)->vertices = all;
	return graph;
}

static uint64_t walk_graph(const struct graph *graph, enum touch touch)
{
	const uint64_t visits = touch == FULL ? graph->count :
	                        touch == HALF ? graph->count / 2 : graph->count / 50 + 1;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < visits; i++) {
		const uint64_t which = touch == FEW ? mix(i) % graph->count : i;
		const struct vertex *from =
			AT(struct vertex, AT(REF(struct vertex), graph->vertices)[which]);

		for (uint64_t j = 0; j < from->degree; j++)
			sum += AT(struct vertex, AT(REF(struct vertex), from->out)[j])->id ^ j;
	}
	return sum;
}

static REF(struct table) build_table(size_t bytes)
{
	REF(struct table) table = NEW(struct table, sizeof(struct table));
	const uint64_t count = parts(bytes, 88);
	REF(REF(struct row)) rows = NEW(REF(struct row), count * sizeof(REF(struct row)));
	size_t known;
	const struct sample *sample = samples(&known);

	for (uint64_t i = 0; i < count; i++) {
		const struct sample *from = &sample[i % known];
		REF(struct row) row = NEW(struct row, sizeof(struct row));
		REF(char) date = NEW(char, strlen(from->date) + 1);

		memcpy(AT(char, date), from->date, strlen(from->date) + 1);
		AT(struct row, row)->date = date;
		memcpy(AT(struct row, row)->price, from->price, sizeof from->price);
		AT(struct row, row)->volume = from->volume;
		AT(REF(struct row), rows)[i] = row;
	}
	AT(struct table, table)->count = count;
	AT(struct table, table)->rows = rows;
	return table;
}

static uint64_t walk_table(const struct table *table, enum touch touch)
{
	const uint64_t visits = touch == FULL ? table->count :
	                        touch == HALF ? table->count / 2 : table->count / 50 + 1;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < visits; i++) {
		const uint64_t which = touch == FEW ? mix(i) % table->count : i;
		const struct row *row = AT(struct row, AT(REF(struct row), table->rows)[which]);

		for (int j = 0; j < PRICES; j++)
			sum += bits_of(row->price[j]);
		sum += row->volume ^ (unsigned char)AT(char, row->date)[3];
	}
	return sum;
}

static REF(struct flat) build_flat(size_t bytes)
{
	REF(struct flat) flat = NEW(struct flat, sizeof(struct flat));
	const uint64_t pages = parts(bytes, PAGE);
	REF(uint64_t) data = NEW(uint64_t, pages * PAGE);

	for (uint64_t i = 0; i < pages * PAGE / sizeof(uint64_t); i++)
		AT(uint64_t, data)[i] = i;
	AT(struct flat, flat)->count = pages;
	AT(struct flat, flat)->data = data;
	return flat;
}

static uint64_t walk_flat(const struct flat *flat, enum touch touch)
{
	const uint64_t visits = flat_visits(flat->count, touch);
	uint64_t sum = 0;

	for (uint64_t i = 0; i < visits; i++)
		sum += AT(uint64_t, flat->data)[flat_page(flat->count, touch, i) * PAGE / sizeof(uint64_t)];
	return sum;
}

static REF(struct chase) build_chase(size_t bytes)
{
	REF(struct chase) chase = NEW(struct chase, sizeof(struct chase));
	const uint64_t count = parts(bytes, PAGE);
	REF(struct hop) *hops = scratch(count * sizeof *hops);

	for (uint64_t i = 0; i < count; i++) {
		hops[i] = NEW(struct hop, sizeof(struct hop));
		memset(AT(struct hop, hops[i]), 0, sizeof(struct hop));
		AT(struct hop, hops[i])->value = i;
	}
	for (uint64_t i = count - 1; i > 0; i--) {
		const uint64_t with = mix(i) % (i + 1);
		REF(struct hop) hop = hops[i];

		hops[i] = hops[with];
		hops[with] = hop;
	}
	for (uint64_t i = 0; i + 1 < count; i++)
		AT(struct hop, hops[i])->next = hops[i + 1];
	AT(struct chase, chase)->count = count;
	AT(struct chase, chase)->first = hops[0];
	scratch_free(hops, count * sizeof *hops);
	return chase;
}

static uint64_t walk_chase(const struct chase *chase, uint64_t count)
{
	uint64_t sum = 0;

	for (REF(struct hop) at = chase->first; at && count; at = AT(struct hop, at)->next, count--)
		sum = sum * 31 + AT(struct hop, at)->value;
	return sum;
}

static void *build(enum kind kind, size_t bytes)
{
	switch (kind) {
	case LIST:
	case LIST_RANDOM:
		return AT(void, build_list(bytes, kind == LIST_RANDOM));
	case TREE:
		return AT(void, build_tree(bytes));
	case HASH:
		return AT(void, build_hash(bytes));
	case MATRIX:
		return AT(void, build_matrix(bytes));
	case GRAPH:
		return AT(void, build_graph(bytes));
	case TABLE:
		return AT(void, build_table(bytes));
	case FLAT:
		return AT(void, build_flat(bytes));
	case CHASE:
		return AT(void, build_chase(bytes));
	case KINDS:
		break;
	}
	return NULL;
}

static uint64_t walk(enum kind kind, const void *root, enum touch touch)
{
	const uint64_t count = *(const uint64_t *)root;

	switch (kind) {
	case LIST:
	case LIST_RANDOM:
		return walk_list(root, flat_visits(count, touch));
	case TREE:
		return walk_tree(root, touch);
	case HASH:
		return walk_hash(root, touch);
	case MATRIX:
		return walk_matrix(root, touch);
	case GRAPH:
		return walk_graph(root, touch);
	case TABLE:
		return walk_table(root, touch);
	case FLAT:
		return walk_flat(root, touch);
	case CHASE:
		return walk_chase(root, flat_visits(count, touch));
	case KINDS:
		break;
	}
	return 0;
}
