/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.h - any structure as a sequence of records, and back. Included by each way that
 * serializes, after its
 *
 *   static inline void put(struct link *, unsigned fields, const struct record *);
 *   static inline void get(struct link *, unsigned fields, struct record *);
 *
 * so that all of it is compiled for that format: there is no call between. The receiver
 * builds with a malloc for each part, as the sender did.
 */
#define REF(type) type *
#include "shapes.h"
#undef REF

static void *part(size_t bytes)
{
	void *memory = malloc(bytes ? bytes : 1);

	if (!memory)
		bench_die("out of memory");
	return memory;
}

static char *part_text(const struct record *record)
{
	char *text = part(record->length + 1);

	memcpy(text, record->text, record->length);
	text[record->length] = '\0';
	return text;
}

static void send_list(struct link *link, const struct list *list)
{
	struct record record = {0};

	for (const struct item *item = list->first; item; item = item->next) {
		record.a = item->key;
		record.text = item->text;
		record.length = strlen(item->text);
		put(link, FIELD_A | FIELD_TEXT, &record);
	}
}

static void *receive_list(struct link *link, uint64_t count)
{
	struct list *list = part(sizeof *list);
	struct item **tail = &list->first;

	list->count = count;
	for (uint64_t i = 0; i < count; i++) {
		struct item *item = part(sizeof *item);
		struct record record;

		get(link, FIELD_A | FIELD_TEXT, &record);
		item->key = record.a;
		item->text = part_text(&record);
		*tail = item;
		tail = &item->next;
	}
	*tail = NULL;
	return list;
}

static void send_knots(struct link *link, const struct knot *knot)
{
	struct record record = {0};

	for (; knot; knot = knot->right) {
		record.a = knot->key;
		record.b = knot->value;
		record.c = (knot->left ? 1u : 0) | (knot->right ? 2u : 0);
		put(link, FIELD_A | FIELD_B | FIELD_C, &record);
		send_knots(link, knot->left);
	}
}

static void receive_knots(struct link *link, struct knot **at)
{
	for (;;) {
		struct knot *knot = part(sizeof *knot);
		struct record record;

		get(link, FIELD_A | FIELD_B | FIELD_C, &record);
		*at = knot;
		knot->key = record.a;
		knot->value = record.b;
		knot->left = NULL;
		knot->right = NULL;
		if (record.c & 1)
			receive_knots(link, &knot->left);
		if (!(record.c & 2))
			return;
		at = &knot->right;
	}
}

static void *receive_tree(struct link *link, uint64_t count)
{
	struct tree *tree = part(sizeof *tree);

	tree->count = count;
	receive_knots(link, &tree->top);
	return tree;
}

static void send_hash(struct link *link, const struct hash *hash)
{
	struct record record = {0};

	for (uint64_t i = 0; i < hash->buckets; i++)
		for (const struct entry *entry = hash->table[i]; entry; entry = entry->next) {
			record.a = entry->value;
			record.text = entry->key;
			record.length = strlen(entry->key);
			put(link, FIELD_A | FIELD_TEXT, &record);
		}
}

static void *receive_hash(struct link *link, uint64_t count, uint64_t buckets)
{
	struct hash *hash = part(sizeof *hash);

	*hash = (struct hash){ count, buckets, calloc(buckets, sizeof *hash->table) };
	if (!hash->table)
		bench_die("out of memory");
	for (uint64_t i = 0; i < count; i++) {
		struct record record;
		struct entry *entry, **bucket;

		get(link, FIELD_A | FIELD_TEXT, &record);
		entry = part(sizeof *entry + record.length + 1);
		entry->hash = text_hash(record.text, record.length);
		entry->value = record.a;
		memcpy(entry->key, record.text, record.length);
		entry->key[record.length] = '\0';
		bucket = &hash->table[entry->hash & (buckets - 1)];
		entry->next = *bucket;
		*bucket = entry;
	}
	return hash;
}

static void send_matrix(struct link *link, const struct matrix *matrix)
{
	struct record record = { .value_count = matrix->columns };

	for (uint64_t i = 0; i < matrix->count; i++) {
		record.values = matrix->data + i * matrix->columns;
		put(link, FIELD_VALUES, &record);
	}
}

static void *receive_matrix(struct link *link, uint64_t rows, uint64_t columns)
{
	struct matrix *matrix = part(sizeof *matrix);

	*matrix = (struct matrix){ rows, columns, part(rows * columns * sizeof(double)) };
	for (uint64_t i = 0; i < rows; i++) {
		struct record record = { .values = matrix->data + i * columns, .value_count = columns };

		get(link, FIELD_VALUES, &record);
	}
	return matrix;
}

#define DEGREE_MAX 16

static void send_graph(struct link *link, const struct graph *graph)
{
	uint32_t targets[DEGREE_MAX];
	struct record record = { .targets = targets };

	for (uint64_t i = 0; i < graph->count; i++) {
		const struct vertex *from = graph->vertices[i];

		for (uint64_t j = 0; j < from->degree; j++)
			targets[j] = (uint32_t)from->out[j]->id;
		record.a = from->id;
		record.target_count = from->degree;
		put(link, FIELD_A | FIELD_TARGETS, &record);
	}
}

static void *receive_graph(struct link *link, uint64_t count)
{
	struct graph *graph = part(sizeof *graph);
	uint32_t targets[DEGREE_MAX];

	*graph = (struct graph){ count, part(count * sizeof *graph->vertices) };
	for (uint64_t i = 0; i < count; i++)
		graph->vertices[i] = part(sizeof **graph->vertices);
	for (uint64_t i = 0; i < count; i++) {
		struct vertex *from = graph->vertices[i];
		struct record record = { .targets = targets, .target_count = DEGREE_MAX };

		get(link, FIELD_A | FIELD_TARGETS, &record);
		*from = (struct vertex){ record.a, record.target_count,
		                         part(record.target_count * sizeof *from->out) };
		for (uint64_t j = 0; j < from->degree; j++)
			from->out[j] = graph->vertices[targets[j]];
	}
	return graph;
}

static void send_table(struct link *link, const struct table *table)
{
	struct record record = { .value_count = PRICES };

	for (uint64_t i = 0; i < table->count; i++) {
		struct row *row = table->rows[i];

		record.a = row->volume;
		record.text = row->date;
		record.length = strlen(row->date);
		record.values = row->price;
		put(link, FIELD_A | FIELD_TEXT | FIELD_VALUES, &record);
	}
}

static void *receive_table(struct link *link, uint64_t count)
{
	struct table *table = part(sizeof *table);

	*table = (struct table){ count, part(count * sizeof *table->rows) };
	for (uint64_t i = 0; i < count; i++) {
		struct row *row = part(sizeof *row);
		struct record record = { .values = row->price, .value_count = PRICES };

		get(link, FIELD_A | FIELD_TEXT | FIELD_VALUES, &record);
		row->volume = record.a;
		row->date = part_text(&record);
		table->rows[i] = row;
	}
	return table;
}

static void send_structure(struct link *link, enum kind kind, const void *root)
{
	struct record head = { .a = *(const uint64_t *)root };

	if (kind == HASH)
		head.b = ((const struct hash *)root)->buckets;
	if (kind == MATRIX)
		head.b = ((const struct matrix *)root)->columns;
	put(link, FIELD_A | FIELD_B, &head);
	switch (kind) {
	case LIST:
	case LIST_RANDOM:
		send_list(link, root);
		break;
	case TREE:
		send_knots(link, ((const struct tree *)root)->top);
		break;
	case HASH:
		send_hash(link, root);
		break;
	case MATRIX:
		send_matrix(link, root);
		break;
	case GRAPH:
		send_graph(link, root);
		break;
	case TABLE:
		send_table(link, root);
		break;
	case FLAT:
	case CHASE:
	case KINDS:
		bench_die("this structure is not serialized here");
	}
	link_flush(link);
}

static void *receive_structure(struct link *link, enum kind kind)
{
	struct record head;

	get(link, FIELD_A | FIELD_B, &head);
	switch (kind) {
	case LIST:
	case LIST_RANDOM:
		return receive_list(link, head.a);
	case TREE:
		return receive_tree(link, head.a);
	case HASH:
		return receive_hash(link, head.a, head.b);
	case MATRIX:
		return receive_matrix(link, head.a, head.b);
	case GRAPH:
		return receive_graph(link, head.a);
	case TABLE:
		return receive_table(link, head.a);
	case FLAT:
	case CHASE:
	case KINDS:
		break;
	}
	return NULL;
}
