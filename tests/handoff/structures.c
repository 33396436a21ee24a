/* SPDX-License-Identifier: BSD-2-Clause */
/* structures.c - what the tests hand over: a list, a tree, a table of strings, an array */
#include "handoff.h"

#define LIST_NODES 1000000
#define TREE_NODES 200000
#define TABLE_KEYS 100000
#define TABLE_BUCKETS 65536
#define ARRAY_BYTES (64u << 20)

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 29;
	return x * UINT64_C(0x9e3779b97f4a7c15);
}

struct node {
	struct node *next;
	uint64_t value;
};

static void *list_build(uint64_t seed)
{
	struct node *first = NULL;

	for (uint64_t i = 0; i < LIST_NODES; i++) {
		struct node *node = malloc(sizeof(*node));

		CHECK(node);
		*node = (struct node){ first, mix(seed + i) };
		first = node;
	}
	return first;
}

static uint64_t list_sum(const void *root)
{
	uint64_t sum = 0, n = 0;

	for (const struct node *node = root; node; node = node->next, n++)
		sum = mix(sum + node->value);
	CHECK(n == LIST_NODES);
	return sum;
}

struct tree {
	struct tree *left, *right;
	uint64_t key;
};

static struct tree *tree_make(uint64_t low, uint64_t high, uint64_t seed)
{
	uint64_t middle = low + (high - low) / 2;
	struct tree *tree;

	if (low == high)
		return NULL;
	tree = malloc(sizeof(*tree));
	CHECK(tree);
	tree->key = seed + middle;
	tree->left = tree_make(low, middle, seed);
	tree->right = tree_make(middle + 1, high, seed);
	return tree;
}

static uint64_t tree_sum(const struct tree *tree)
{
	return tree ? mix(tree_sum(tree->left) + mix(tree->key) + 3 * tree_sum(tree->right)) : 1;
}

struct entry {
	struct entry *next;
	char *key;
	uint64_t value;
};

struct table {
	uint64_t entries;
	struct entry *buckets[TABLE_BUCKETS];
};

static void *table_build(uint64_t seed)
{
	struct table *table = calloc(1, sizeof(*table));
	char key[64];

	CHECK(table);
	for (uint64_t i = 0; i < TABLE_KEYS; i++) {
		struct entry *entry = malloc(sizeof(*entry)), **bucket;

		CHECK(entry);
		snprintf(key, sizeof(key), "key %llu of %llu", (unsigned long long)i,
		         (unsigned long long)seed);
		bucket = &table->buckets[mix(i) % TABLE_BUCKETS];
		*entry = (struct entry){ *bucket, strdup(key), mix(i) };
		*bucket = entry;
		table->entries++;
	}
	return table;
}

static uint64_t table_sum(const struct table *table)
{
	uint64_t sum = 0, n = 0;

	for (int i = 0; i < TABLE_BUCKETS; i++)
		for (const struct entry *e = table->buckets[i]; e; e = e->next, n++) {
			for (const char *p = e->key; *p; p++)
				sum = mix(sum + (unsigned char)*p);
			sum += e->value;
		}
	CHECK(n == table->entries && n == TABLE_KEYS);
	return sum;
}

static void *array_build(uint64_t seed)
{
	uint64_t *array = malloc(ARRAY_BYTES);

	CHECK(array);
	for (size_t i = 0; i < ARRAY_BYTES / sizeof(*array); i++)
		array[i] = mix(seed + i);
	return array;
}

static uint64_t array_sum(const uint64_t *array)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_BYTES / sizeof(*array); i++)
		sum = sum * 31 + array[i];
	return sum;
}

void *structure_build(const char *kind, uint64_t seed)
{
	if (strcmp(kind, "list") == 0)
		return list_build(seed);
	if (strcmp(kind, "tree") == 0)
		return tree_make(0, TREE_NODES, seed);
	if (strcmp(kind, "table") == 0)
		return table_build(seed);
	CHECK(strcmp(kind, "array") == 0);
	return array_build(seed);
}

uint64_t structure_sum(const char *kind, const void *root)
{
	if (strcmp(kind, "list") == 0)
		return list_sum(root);
	if (strcmp(kind, "tree") == 0)
		return tree_sum(root);
	if (strcmp(kind, "table") == 0)
		return table_sum(root);
	return array_sum(root);
}
