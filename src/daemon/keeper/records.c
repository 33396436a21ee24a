/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * records.c - the table of records that outlive a worker: a hash table by number
 *
 * Called by the keeper; and by a new worker, which takes its copy apart once. Allocates. If there
 * is no memory for a record the old one stays.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keep.h"

#define BUCKETS 1024

struct records {
	struct stored_record *buckets[BUCKETS];         /* lists, by number % BUCKETS */
	size_t count;                                   /* records in all buckets */
	uint64_t highest;                               /* >= each number ever put */
};

struct records *records_new(void)
{
	return calloc(1, sizeof(struct records));
}

/* The link to the record of this number, or else the NULL link at the end of its bucket. */
static struct stored_record **records_link(struct records *records, uint64_t number)
{
	struct stored_record **link = &records->buckets[number % BUCKETS];

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

static void fds_close(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* Add an empty record at the end of its bucket. NULL: no memory. */
static struct stored_record *records_create(struct records *records, struct stored_record **link,
                                            enum record_type type, uint64_t number)
{
	struct stored_record *stored = calloc(1, sizeof(*stored));

	if (!stored)
		return NULL;
	stored->type = type;
	stored->number = number;
	*link = stored;
	records->count++;
	if (number > records->highest)
		records->highest = number;
	return stored;
}

/* 0 or -ENOMEM; then the record has the descriptors that it had. */
static int stored_append_fds(struct stored_record *stored, const int *fds, unsigned count)
{
	int *all;

	if (!count)
		return 0;
	all = realloc(stored->fds, (stored->count + count) * sizeof(int));
	if (!all)
		return -ENOMEM;
	memcpy(all + stored->count, fds, count * sizeof(int));
	stored->fds = all;
	stored->count += count;
	return 0;
}

int records_put(struct records *records, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count)
{
	struct stored_record **link = records_link(records, number);
	struct stored_record *stored = *link ? *link : records_create(records, link, type, number);
	void *copy = malloc(length ? length : 1);

	if (!stored || !copy || stored_append_fds(stored, fds, count) < 0) {
		free(copy);
		fds_close(fds, count);
		return -ENOMEM;
	}
	if (length)
		memcpy(copy, data, length);
	free(stored->data);
	stored->data = copy;
	stored->length = length;
	return 0;
}

void stored_record_free(struct stored_record *stored)
{
	free(stored->data);
	free(stored->fds);
	free(stored);
}

void records_delete(struct records *records, uint64_t number)
{
	struct stored_record **link = records_link(records, number);
	struct stored_record *stored = *link;

	if (!stored)
		return;
	*link = stored->next;
	records->count--;
	fds_close(stored->fds, stored->count);
	stored_record_free(stored);
}

uint64_t records_highest(const struct records *records)
{
	return records->highest;
}

bool records_in_use(const struct records *records)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct stored_record *stored = records->buckets[i]; stored; stored = stored->next)
			if (stored->type == RECORD_PUBLICATION || stored->type == RECORD_ATTACHMENT)
				return true;
	return false;
}

/*
 * The order in which types are restored: a record comes after those that it refers to. The fabric
 * is first, since memory keys depend on it. A publication refers to layers; an attachment to a
 * client and to a publication, here or of another host; page faults to an attachment.
 */
static int type_rank(enum record_type type)
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

/* For qsort(): by type, then by number. */
static int stored_compare(const void *a, const void *b)
{
	const struct stored_record *x = *(struct stored_record *const *)a;
	const struct stored_record *y = *(struct stored_record *const *)b;

	if (x->type != y->type)
		return type_rank(x->type) - type_rank(y->type);
	return x->number < y->number ? -1 : x->number > y->number;
}

struct stored_record **records_take(struct records *records)
{
	struct stored_record **all = calloc(records->count + 1, sizeof(struct stored_record *));
	size_t n = 0;

	if (!all)
		return NULL;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct stored_record *stored = records->buckets[i]; stored; stored = stored->next)
			all[n++] = stored;
		records->buckets[i] = NULL;
	}
	assert(n == records->count);
	records->count = 0;
	qsort(all, n, sizeof(struct stored_record *), stored_compare);
	return all;
}
