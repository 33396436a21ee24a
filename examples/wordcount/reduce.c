/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reduce - attach the tables of all mappers (their handles on standard input,
 * one a line), add them up, print "COUNT WORD", the most frequent first
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

static void merge(struct table *all, const struct table *table)
{
	for (size_t i = 0; i < table->buckets; i++)
		for (const struct entry *e = table->bucket[i]; e; e = e->next)
			table_add(all, e->word, strlen(e->word), e->count);
}

static int by_count(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->word, y->word);
}

int main(void)
{
	struct table *all = table_new();
	struct entry **sorted;
	size_t n = 0;
	void *root;

	while (attach_next(&root))
		merge(all, root);

	sorted = need((all->entries + 1) * sizeof(struct entry *));
	for (size_t i = 0; i < all->buckets; i++)
		for (struct entry *e = all->bucket[i]; e; e = e->next)
			sorted[n++] = e;
	qsort(sorted, n, sizeof(struct entry *), by_count);
	for (size_t i = 0; i < n; i++)
		printf("%lu %s\n", sorted[i]->count, sorted[i]->word);
	return fflush(stdout) ? 1 : 0;
}
