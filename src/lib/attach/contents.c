/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contents.c - what all attachments together hold, for a publish that hands it on
 *
 * Attachments overlap where they agree; each page is listed once. Under attached.c's lock;
 * allocates in struct array.
 */
#include <errno.h>

#include "internal.h"

static int add_part(struct array *list, const struct holding *holding, const struct run *run,
                    uint64_t from, uint64_t to)
{
	struct content *content = array_add(list);

	if (!content)
		return -ENOMEM;
	*content = (struct content){
		.addr = from, .length = to - from, .offset = run->offset + (from - run->addr),
		.layer = &holding->table.layers[run->layer],
		.bitmap = rm_table_view_bitmap(&holding->table, run->layer),
		.heap = run->heap, .lazy = holding->lazy && !run->shared,
		.shared = run->shared, .owner = holding->owner,
	};
	return 0;
}

static int add_content(struct array *list, const struct content *content)
{
	struct content *copy = array_add(list);

	if (!copy)
		return -ENOMEM;
	*copy = *content;
	return 0;
}

/* Those of a run's parts that `have` lacks, and all of `have` that begins below the run's end. */
static int merge_run(struct array *list, const struct array *have, size_t *next,
                     const struct holding *holding, const struct run *run)
{
	const struct content *there = have->data;
	uint64_t at = run->addr, end = at + run->length;
	int err = 0;

	if (list->count) {              /* the one before may reach into this run */
		const struct content *last = (const struct content *)list->data + list->count - 1;

		if (last->addr + last->length > at)
			at = last->addr + last->length;
	}
	while (!err && *next < have->count && there[*next].addr < end) {
		if (there[*next].addr > at)
			err = add_part(list, holding, run, at, there[*next].addr);
		if (!err)
			err = add_content(list, &there[*next]);
		if (there[*next].addr + there[*next].length > at)
			at = there[*next].addr + there[*next].length;
		++*next;
	}
	if (!err && at < end)
		err = add_part(list, holding, run, at, end);
	return err;
}

static int merge(struct array *contents, const struct holding *holding, bool shared)
{
	struct array list = { .item = sizeof(struct content) };
	const struct run *run = holding->runs.data;
	size_t next = 0;
	int err = 0;

	for (size_t i = 0; !err && i < holding->runs.count; i++)
		if (run[i].shared == shared)
			err = merge_run(&list, contents, &next, holding, &run[i]);
	for (; !err && next < contents->count; next++)
		err = add_content(&list, (const struct content *)contents->data + next);
	if (err) {
		array_free(&list);
		return err;
	}
	array_free(contents);
	*contents = list;
	return 0;
}

static bool has(const struct holding *holding, bool shared)
{
	const struct run *run = holding->runs.data;

	for (size_t i = 0; i < holding->runs.count; i++)
		if (run[i].shared == shared)
			return true;
	return false;
}

/* Those first that mapped it, since only they know whether pages are absent. */
int attached_contents(struct array *contents)
{
	const struct array *holdings = map_holdings();
	const struct holding *holding = holdings->data;
	int err = 0;

	*contents = (struct array){ .item = sizeof(struct content) };
	for (int shared = 0; shared <= 1; shared++)
		for (size_t i = 0; !err && i < holdings->count; i++)
			if (has(&holding[i], shared))
				err = merge(contents, &holding[i], shared);
	if (err)
		array_free(contents);
	return err;
}
