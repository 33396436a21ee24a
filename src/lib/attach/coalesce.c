/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coalesce.c - how many runs become few mappings
 *
 * A process may have 65,530 mappings (vm.max_map_count), and a snapshot that shares all but the
 * changed pages with an earlier one may have more runs than that. So adjacent runs are coalesced:
 * into one mapping of the layer that most of them belong to, with short runs of other layers
 * copied into it; or, where no single layer prevails, into anonymous memory that is all copies.
 * Memory that is not copied is shared with all other processes of this host, so no more is copied
 * than the budget requires.
 *
 * Pure functions on lists, unit-tested by themselves; allocate in struct array. The figures are in
 * attach/README, "Long runs are mapped, short runs are copied".
 */
#include <errno.h>

#include "internal.h"

#define SHORT ((uint64_t)64 << 10)      /* a longer run is never copied */
#define PAIR (2 * RM_PAGE)              /* copying that much costs as much as a mapping */

struct level {                          /* how much is copied in order to have few mappings */
	uint64_t copied;               /* runs up to this length; 0: none */
	uint64_t least;                 /* a layer's mapping of such runs only is that long */
};

static const struct run *run_at(const struct array *runs, size_t i)
{
	return (const struct run *)runs->data + i;
}

static bool run_adjoins(const struct run *run, const struct run *next)
{
	return !next->shared && run->addr + run->length == next->addr;
}

bool coalesced_covers(const struct coalesced *mapping, const struct run *run)
{
	return mapping->layer == run->layer &&
	       mapping->addr - mapping->offset == run->addr - run->offset;
}

/*
 * How far a mapping of the layer of run `first` can go on, with short runs of other layers in
 * between. has_long: one of its own runs is too long to be copied.
 */
static struct coalesced coalesced_extend(const struct array *runs, size_t first, const struct level
                                         *level, bool *has_long)
{
	const struct run *run = run_at(runs, first);
	struct coalesced mapping = {
		.addr = run->addr, .length = run->length, .offset = run->offset,
		.layer = run->layer, .first = first, .end = first + 1,
	};
	uint64_t foreign = 0;

	*has_long = run->length > level->copied;
	for (size_t i = first + 1; i < runs->count && run_adjoins(run, run + 1); i++) {
		run++;
		if (coalesced_covers(&mapping, run)) {
			mapping.length = run->addr + run->length - mapping.addr;
			mapping.end = i + 1;
			*has_long |= run->length > level->copied;
			foreign = 0;
			continue;
		}
		foreign += run->length;
		/*
		 * Foreign runs are included only if a run of this layer follows them: until then
		 * mapping.end stays behind the last of its own.
		 */
		if (run->length > level->copied || foreign > SHORT)
			break;
	}
	return mapping;
}

/* Is the last mapping anonymous, and does it end where this run begins? */
static bool coalesced_continues(const struct coalesced *last, const struct run *run)
{
	return last && last->layer == COALESCED_ANONYMOUS && last->addr + last->length == run->addr;
}

static int coalesced_add(struct array *mappings, const struct coalesced *mapping)
{
	struct coalesced *place = array_add(mappings);

	if (!place)
		return -ENOMEM;
	*place = *mapping;
	return 0;
}

/* Make the mappings for one level. Shared runs are mapped already. 0 or -ENOMEM. */
static int coalesce_level(const struct array *runs, const struct level *level, struct array
                          *mappings)
{
	size_t i = 0;
	int error = 0;

	mappings->count = 0;
	while (!error && i < runs->count) {
		struct coalesced *last = (struct coalesced *)mappings->data + mappings->count - 1;
		const struct run *run = run_at(runs, i);
		struct coalesced mapping;
		bool has_long;

		if (run->shared) {
			i++;
			continue;
		}
		mapping = coalesced_extend(runs, i, level, &has_long);
		if (has_long || mapping.length >= level->least) {
			error = coalesced_add(mappings, &mapping);
			i = mapping.end;
			continue;
		}
		i++;
		if (coalesced_continues(mappings->count ? last : NULL, run)) {
			last->length += run->length;
			last->end = i;
			continue;
		}
		mapping.layer = COALESCED_ANONYMOUS;
		mapping.length = run->length;
		mapping.end = i;
		error = coalesced_add(mappings, &mapping);
	}
	return error;
}

/* A mapping of a single run needs no copy: it becomes a mapping of the run's layer. */
static void coalesced_single_runs(const struct array *runs, struct array *mappings)
{
	struct coalesced *mapping = mappings->data;

	for (size_t i = 0; i < mappings->count; i++)
		if (mapping[i].end == mapping[i].first + 1)
			mapping[i].layer = run_at(runs, mapping[i].first)->layer;
}

static size_t long_run_count(const struct array *runs)
{
	size_t n = 0;

	for (size_t i = 0; i < runs->count; i++)
		n += !run_at(runs, i)->shared && run_at(runs, i)->length > SHORT;
	return n;
}

int coalesce_plan(const struct array *runs, size_t budget, struct array *mappings)
{
	struct level level = { 0, 0 };
	size_t most = budget + long_run_count(runs);
	int error = coalesce_level(runs, &level, mappings);

	/*
	 * Three levels, each tried only if the one before takes too many mappings: nothing is
	 * copied; runs of up to two pages are; all short runs are, in mappings that grow until
	 * they fit.
	 */
	if (!error && mappings->count > budget / COALESCE_EACH) {
		level = (struct level){ PAIR, SHORT };
		error = coalesce_level(runs, &level, mappings);
	}
	for (level = (struct level){ SHORT, SHORT };
	     !error && mappings->count > most && level.least <= RM_LAYER_MAX; level.least *= 2)
		error = coalesce_level(runs, &level, mappings);
	coalesced_single_runs(runs, mappings);
	return error;
}

int coalesced_copies(const struct rm_table *table, const struct array *runs,
                     const struct array *mappings, struct array *copies)
{
	const struct coalesced *mapping = mappings->data;

	for (size_t i = 0; i < mappings->count; i++, mapping++)
		for (size_t k = mapping->first; k < mapping->end; k++) {
			const struct run *run = run_at(runs, k);
			uint64_t first = run->offset >> RM_PAGE_SHIFT, from = first, n;
			uint64_t to = first + (run->length >> RM_PAGE_SHIFT);
			bool zeroed = mapping->layer == COALESCED_ANONYMOUS;
			struct run *copy;

			if (coalesced_covers(mapping, run))
				continue;
			/*
			 * New anonymous memory is zero where the layer has holes; a layer may not
			 * be.
			 */
			for (n = to - from; from < to; from += n) {
				if (zeroed && !rm_bit_run(rm_table_view_bitmap(table, run->layer),
				                          from, to, true, &from, &n))
					break;
				copy = array_add(copies);
				if (!copy)
					return -ENOMEM;
				*copy = *run;
				copy->addr += (from - first) << RM_PAGE_SHIFT;
				copy->offset = from << RM_PAGE_SHIFT;
				copy->length = n << RM_PAGE_SHIFT;
			}
		}
	return 0;
}
