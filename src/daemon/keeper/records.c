/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * records.c - the table of what outlives a worker
 *
 * Keeper's thread; and a new worker's, which takes its copy apart once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keep.h"

#define BUCKETS 1024

struct records {
	struct kept *buckets[BUCKETS];
	size_t count;
	uint64_t highest;
};

struct records *records_new(void)
{
	return calloc(1, sizeof(struct records));
}

static struct kept **find(struct records *records, uint64_t number)
{
	struct kept **link = &records->buckets[number % BUCKETS];

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static struct kept *create(struct records *records, struct kept **link, enum record_type type,
                           uint64_t number)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->type = type;
	kept->number = number;
	*link = kept;
	records->count++;
	if (number > records->highest)
		records->highest = number;
	return kept;
}

static int append_fds(struct kept *kept, const int *fds, unsigned count)
{
	int *all;

	if (!count)
		return 0;
	all = realloc(kept->fds, (kept->count + count) * sizeof(int));
	if (!all)
		return -ENOMEM;
	memcpy(all + kept->count, fds, count * sizeof(int));
	kept->fds = all;
	kept->count += count;
	return 0;
}

int records_put(struct records *records, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count)
{
	struct kept **link = find(records, number);
	struct kept *kept = *link ? *link : create(records, link, type, number);
	void *copy = malloc(length ? length : 1);

	if (!kept || !copy || append_fds(kept, fds, count) < 0) {
		free(copy);
		close_all(fds, count);
		return -ENOMEM;
	}
	if (length)
		memcpy(copy, data, length);
	free(kept->data);
	kept->data = copy;
	kept->length = length;
	return 0;
}

void records_free_kept(struct kept *kept)
{
	free(kept->data);
	free(kept->fds);
	free(kept);
}

void records_delete(struct records *records, uint64_t number)
{
	struct kept **link = find(records, number);
	struct kept *kept = *link;

	if (!kept)
		return;
	*link = kept->next;
	records->count--;
	close_all(kept->fds, kept->count);
	records_free_kept(kept);
}

uint64_t records_highest(const struct records *records)
{
	return records->highest;
}

bool records_in_use(const struct records *records)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct kept *kept = records->buckets[i]; kept; kept = kept->next)
			if (kept->type == RECORD_PUBLICATION || kept->type == RECORD_ATTACHMENT)
				return true;
	return false;
}

/* What others refer to comes before them; the fabric first, since keys depend on it. */
static int rank(enum record_type type)
{
	switch (type) {
	case RECORD_FABRIC: return 0;
	case RECORD_LAYER: return 1;
	case RECORD_PUBLICATION: return 2;
	case RECORD_ATTEMPT: return 3;
	case RECORD_REMOTE: return 4;
	case RECORD_CLIENT: return 5;
	case RECORD_ATTACHMENT: return 6;
	case RECORD_LAZY: return 7;
	}
	return 8;
}

static int in_order(const void *a, const void *b)
{
	const struct kept *x = *(struct kept *const *)a, *y = *(struct kept *const *)b;

	if (x->type != y->type)
		return rank(x->type) - rank(y->type);
	return x->number < y->number ? -1 : x->number > y->number;
}

struct kept **records_take(struct records *records)
{
	struct kept **all = calloc(records->count + 1, sizeof(struct kept *));
	size_t n = 0;

	if (!all)
		return NULL;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct kept *kept = records->buckets[i]; kept; kept = kept->next)
			all[n++] = kept;
		records->buckets[i] = NULL;
	}
	records->count = 0;
	qsort(all, n, sizeof(struct kept *), in_order);
	return all;
}
