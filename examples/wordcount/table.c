/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - a hash table of strings, built with plain malloc */
#include <stdlib.h>
#include <string.h>

#include "words.h"

static size_t word_hash(const char *word, size_t length)
{
	size_t h = 14695981039346656037u;       /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)word[i]) * 1099511628211u;
	return h;
}

static struct entry **new_buckets(size_t count)
{
	struct entry **bucket = need(count * sizeof(*bucket));

	memset(bucket, 0, count * sizeof(*bucket));
	return bucket;
}

struct table *table_new(void)
{
	struct table *table = need(sizeof(*table));

	table->entries = 0;
	table->buckets = 1024;
	table->bucket = new_buckets(table->buckets);
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->buckets; i++) {
		struct entry *next;

		for (struct entry *e = table->bucket[i]; e; e = next) {
			next = e->next;
			free(e->word);
			free(e);
		}
	}
	free(table->bucket);
	free(table);
}

/* Double the number of buckets. */
static void table_grow(struct table *table)
{
	size_t buckets = table->buckets * 2;
	struct entry **bucket = new_buckets(buckets);

	for (size_t i = 0; i < table->buckets; i++) {
		struct entry *next;

		for (struct entry *e = table->bucket[i]; e; e = next) {
			size_t length = strlen(e->word);
			struct entry **place = &bucket[word_hash(e->word, length) % buckets];

			next = e->next;
			e->next = *place;
			*place = e;
		}
	}
	free(table->bucket);
	table->bucket = bucket;
	table->buckets = buckets;
}

void table_add(struct table *table, const char *word, size_t length, unsigned long count)
{
	struct entry **place = &table->bucket[word_hash(word, length) % table->buckets];
	struct entry *e;

	for (e = *place; e; e = e->next) {
		if (!strncmp(e->word, word, length) && !e->word[length]) {
			e->count += count;
			return;
		}
	}
	e = need(sizeof(*e));
	e->word = need(length + 1);
	memcpy(e->word, word, length);
	e->word[length] = 0;
	e->count = count;
	e->next = *place;
	*place = e;
	if (++table->entries > table->buckets)
		table_grow(table);
}
