/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - which pages of a publication are to be mapped
 *
 * An address keeps the content of this process's own heap, if that is the memory that the
 * publication was made of (by a fork, or because it was handed on and came back). Otherwise it
 * keeps what another attachment has mapped, if that is the same place of the same layer (a
 * diamond). Otherwise the publication's page is mapped.
 *
 * Two different contents at one address are a conflict. So is memory that two programs took for
 * themselves at the same addresses, since pointers would lead into the wrong heap. What this
 * process changed in attached memory, and then published, counts as own content, too, if it comes
 * back with a publication.
 *
 * Lists are ascending and may have 100,000s of items: they are merged, or searched by halves. Pure
 * functions on lists, unit-tested by themselves; allocate in struct array.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* Items of both lists of a struct mapped begin with address and length, like a stretch. */
static uint64_t item_end(const struct array *list, size_t i)
{
	const struct stretch *item = (const void *)((const char *)list->data + i * list->item);

	return item->addr + item->length;
}

static uint64_t item_start(const struct array *list, size_t i)
{
	return ((const struct stretch *)(const void *)((const char *)list->data +
	                                               i * list->item))->addr;
}

/* The index of the first item that ends above addr; list->count if there is none. */
static size_t item_first_above(const struct array *list, uint64_t addr)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (item_end(list, middle) > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool plan_own(const struct array *own, uint64_t addr)
{
	const struct heap_range *range = own->data;

	for (size_t i = 0; i < own->count; i++)
		if (addr >= rm_page_down(range[i].base) && addr < rm_page_up(range[i].top))
			return true;
	return false;
}

/* Append the part [from, to) of a run. 0 or -ENOMEM. */
static int run_append(struct array *runs, const struct run *whole, uint64_t from, uint64_t to,
                      bool shared)
{
	struct run *run = array_add(runs);

	if (!run)
		return -ENOMEM;
	*run = *whole;
	run->addr = from;
	run->length = to - from;
	run->offset += from - whole->addr;
	run->shared = shared;
	return 0;
}

/*
 * Append the runs of one segment without the own ranges, whose pages are counted in *left. The own
 * ranges before *next end below the segment. 0, -ENOMEM, or -EADDRINUSE with conflict.
 */
static int segment_cut(const struct rm_segment *segment, const struct array *own, size_t *next,
                       struct array *runs, uint64_t *left, struct conflict *conflict)
{
	const struct heap_range *range = own->data;
	const struct run whole = {
		.addr = segment->addr, .length = segment->length, .offset = segment->offset,
		.layer = segment->layer, .heap = segment->heap,
	};
	uint64_t at = segment->addr, end = at + segment->length;
	int error = 0;

	while (!error && at < end) {
		uint64_t base = UINT64_MAX, top = end;

		/* Segments ascend, so this never goes back: one walk over both lists. */
		while (*next < own->count && rm_page_up(range[*next].top) <= at)
			++*next;
		if (*next < own->count) {
			base = rm_page_down(range[*next].base);
			top = rm_page_up(range[*next].top);
		}
		if (base > at) {
			error = run_append(runs, &whole, at, base < end ? base : end, false);
			at = base < end ? base : end;
			continue;
		}
		/*
		 * Another heap's memory at the same addresses: pointers into it would meet ours.
		 */
		if (segment->heap != range[*next].heap) {
			*conflict = (struct conflict){ at, 0 };
			return -EADDRINUSE;
		}
		top = top < end ? top : end;
		*left += (top - at) >> RM_PAGE_SHIFT;
		at = top;
	}
	return error;
}

/* Do these runs have the same page of the same layer at each address? */
static bool run_same_content(const struct run *a, const struct rm_layer_desc *a_layers,
                             const struct run *b, const struct rm_layer_desc *b_layers)
{
	return a->addr - a->offset == b->addr - b->offset &&
	       memcmp(a_layers[a->layer].id, b_layers[b->layer].id, RM_ID_BYTES) == 0;
}

/* State of the comparison of a table's runs with what is mapped. */
struct sharing {
	const struct rm_layer_desc *layers;     /* the table's */
	const struct mapped *published;         /* what this process has published, or NULL */
	struct array cut;                       /* struct run: the result */
	struct conflict *conflict;
};

/*
 * At this address an attachment has other content than the run. Has this process made the run's
 * content of it, and published that? Returns how far that is so; 0: it is not.
 */
static uint64_t run_published_end(const struct sharing *sharing, const struct run *run,
                                  const struct mapped *mapped, uint64_t at)
{
	const struct mapped *published = sharing->published;
	size_t i;

	/* That publish knows nothing of what was attached later. */
	if (!published || mapped->owner > published->owner)
		return 0;
	i = item_first_above(&published->runs, at);
	if (i == published->runs.count || item_start(&published->runs, i) > at ||
	    !run_same_content(run, sharing->layers, (const struct run *)published->runs.data + i,
	                      published->table.layers))
		return 0;
	return item_end(&published->runs, i);
}

/*
 * Append one run to the result, cut where this attachment has mapped parts of it already. Its runs
 * before *next end below the run. 0, -ENOMEM, or -EADDRINUSE with conflict.
 */
static int run_share(struct sharing *sharing, const struct run *run,
                     const struct mapped *mapped, size_t *next)
{
	const struct run *theirs = mapped->runs.data;
	uint64_t at = run->addr, end = at + run->length;
	int error = 0;

	if (run->shared)        /* compared already: all attachments agree where they overlap */
		return run_append(&sharing->cut, run, at, end, true);
	while (!error && at < end) {
		uint64_t stop = end;
		bool here;

		while (*next < mapped->runs.count && item_end(&mapped->runs, *next) <= at)
			++*next;
		here = *next < mapped->runs.count && theirs[*next].addr <= at;
		if (here && !run_same_content(run, sharing->layers, &theirs[*next],
		                              mapped->table.layers)) {
			uint64_t own_end = run_published_end(sharing, run, mapped, at);

			if (!own_end) {
				*sharing->conflict = (struct conflict){ at, mapped->owner };
				return -EADDRINUSE;
			}
			if (own_end < stop)
				stop = own_end;
		}
		if (here && item_end(&mapped->runs, *next) < stop)
			stop = item_end(&mapped->runs, *next);
		else if (!here && *next < mapped->runs.count && theirs[*next].addr < stop)
			stop = theirs[*next].addr;
		error = run_append(&sharing->cut, run, at, stop, here);
		at = stop;
	}
	return error;
}

/* Does it overlap the runs at all? Mostly not, since heaps lie in slots of their own. */
static bool mapped_meets(const struct mapped *mapped, const struct array *runs)
{
	for (size_t i = 0; i < mapped->stretches.count; i++) {
		size_t run = item_first_above(runs, item_start(&mapped->stretches, i));

		if (run < runs->count && item_start(runs, run) < item_end(&mapped->stretches, i))
			return true;
	}
	return false;
}

/* Compare all runs with what one attachment has mapped, and mark those that it shares. */
static int runs_share(struct sharing *sharing, struct array *runs, const struct mapped *mapped)
{
	const struct run *run = runs->data;
	size_t next = 0;
	int error = 0;

	if (!mapped_meets(mapped, runs))
		return 0;
	next = item_first_above(&mapped->runs, run->addr);
	for (size_t i = 0; !error && i < runs->count; i++)
		error = run_share(sharing, &run[i], mapped, &next);
	if (error) {
		array_free(&sharing->cut);
		return error;
	}
	array_free(runs);
	*runs = sharing->cut;
	sharing->cut = (struct array){ .item = sizeof(struct run) };
	return 0;
}

int plan_attach(const struct rm_table *table, const struct array *own,
                const struct array *all_mapped, const struct mapped *published,
                struct array *runs, uint64_t *own_pages_left, struct conflict *conflict)
{
	struct sharing sharing = {
		.layers = table->layers, .published = published, .conflict = conflict,
		.cut.item = sizeof(struct run),
	};
	const struct mapped *mapped = all_mapped->data;
	size_t next = 0;
	int error = 0;

	*own_pages_left = 0;
	for (uint32_t i = 0; !error && i < table->segment_count; i++)
		error = segment_cut(&table->segments[i], own, &next, runs, own_pages_left,
		                    conflict);
	for (size_t i = 0; !error && i < all_mapped->count; i++)
		error = runs_share(&sharing, runs, &mapped[i]);
	return error;
}

int plan_stretches(const struct array *runs, struct array *stretches)
{
	struct stretch *last = NULL;

	for (size_t i = 0; i < runs->count; i++) {
		uint64_t addr = item_start(runs, i);

		if (!last || last->addr + last->length != addr) {
			last = array_add(stretches);
			if (!last)
				return -ENOMEM;
			last->addr = addr;
		}
		last->length = item_end(runs, i) - last->addr;
	}
	return 0;
}

uint64_t plan_end(const struct mapped *mapped, uint64_t addr)
{
	size_t i = item_first_above(&mapped->stretches, addr);

	if (i == mapped->stretches.count || item_start(&mapped->stretches, i) > addr)
		return 0;
	return item_end(&mapped->stretches, i);
}

bool plan_sole(const struct array *all_mapped, uint64_t owner, uint64_t *from, uint64_t to,
               uint64_t *length)
{
	const struct mapped *mapped = all_mapped->data;
	uint64_t stop = to;
	size_t i = 0;

	while (i < all_mapped->count && *from < to) {   /* step over what others have */
		uint64_t end = mapped[i].owner == owner ? 0 : plan_end(&mapped[i], *from);

		i = end ? 0 : i + 1;
		if (end)
			*from = end;
	}
	if (*from >= to)
		return false;
	for (i = 0; i < all_mapped->count; i++) {
		const struct array *theirs = &mapped[i].stretches;
		size_t next = item_first_above(theirs, *from);

		if (mapped[i].owner != owner && next < theirs->count &&
		    item_start(theirs, next) < stop)
			stop = item_start(theirs, next);
	}
	*length = stop - *from;
	return true;
}
