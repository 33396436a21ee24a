/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contents.c - what all attachments together hold, for a publish that hands it on
 *
 * Attachments may overlap where their content is the same; each page is listed once. Under
 * attached_lock(), on any thread. Allocates in struct array only.
 */
#include <errno.h>

#include "internal.h"

static int contents_add_run(struct array *list, const struct mapped *mapped, const struct run *run,
                            uint64_t from, uint64_t to)
{
	struct content *content = array_add(list);

	if (!content)
		return -ENOMEM;
	*content = (struct content){
		.addr = from, .length = to - from, .offset = run->offset + (from - run->addr),
		.layer = &mapped->table.layers[run->layer],
		.bitmap = rm_table_view_bitmap(&mapped->table, run->layer),
		.heap = run->heap, .lazy = mapped->lazy && !run->shared,
		.shared = run->shared, .owner = mapped->owner,
	};
	return 0;
}

static int contents_add(struct array *list, const struct content *content)
{
	struct content *copy = array_add(list);

	if (!copy)
		return -ENOMEM;
	*copy = *content;
	return 0;
}

/*
 * Append the parts of a run that `have` lacks, and all of `have`, from *next on, that begins below
 * the run's end: both lists ascend, and so does the result.
 */
static int contents_merge_run(struct array *list, const struct array *have, size_t *next,
                              const struct mapped *mapped, const struct run *run)
{
	const struct content *there = have->data;
	uint64_t at = run->addr, end = at + run->length;
	int error = 0;

	if (list->count) {              /* the last entry may reach into this run */
		const struct content *last = (const struct content *)list->data + list->count - 1;

		if (last->addr + last->length > at)
			at = last->addr + last->length;
	}
	while (!error && *next < have->count && there[*next].addr < end) {
		if (there[*next].addr > at)
			error = contents_add_run(list, mapped, run, at, there[*next].addr);
		if (!error)
			error = contents_add(list, &there[*next]);
		if (there[*next].addr + there[*next].length > at)
			at = there[*next].addr + there[*next].length;
		++*next;
	}
	if (!error && at < end)
		error = contents_add_run(list, mapped, run, at, end);
	return error;
}

/* Merge this attachment's runs, shared ones or others, into contents. 0 or -ENOMEM. */
static int contents_merge(struct array *contents, const struct mapped *mapped, bool shared)
{
	struct array list = { .item = sizeof(struct content) };
	const struct run *run = mapped->runs.data;
	size_t next = 0;
	int error = 0;

	for (size_t i = 0; !error && i < mapped->runs.count; i++)
		if (run[i].shared == shared)
			error = contents_merge_run(&list, contents, &next, mapped, &run[i]);
	for (; !error && next < contents->count; next++)
		error = contents_add(&list, (const struct content *)contents->data + next);
	if (error) {
		array_free(&list);
		return error;
	}
	/* Only now: an error leaves the caller its list as it was. */
	array_free(contents);
	*contents = list;
	return 0;
}

static bool mapped_has_runs(const struct mapped *mapped, bool shared)
{
	const struct run *run = mapped->runs.data;

	for (size_t i = 0; i < mapped->runs.count; i++)
		if (run[i].shared == shared)
			return true;
	return false;
}

/*
 * Attachments that mapped a page come first, those that share it second: only the former know
 * whether the page may be absent.
 */
int attached_contents(struct array *contents)
{
	const struct array *all_mapped = map_all_mapped();
	const struct mapped *mapped = all_mapped->data;
	int error = 0;

	*contents = (struct array){ .item = sizeof(struct content) };
	for (int shared = 0; shared <= 1; shared++)
		for (size_t i = 0; !error && i < all_mapped->count; i++)
			if (mapped_has_runs(&mapped[i], shared))
				error = contents_merge(contents, &mapped[i], shared);
	if (error)
		array_free(contents);
	return error;
}
