/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * carpet.c - how many runs come into few mappings
 *
 * A process may have 65,530 mappings (vm.max_map_count), and a snapshot that shares all but
 * the changed pages with an earlier one has that many runs. So runs that lie together are
 * joined: one mapping of the layer that most of them belong to, a carpet, with the short
 * ones of other layers to be copied in as patches; or, where no layer goes on, anonymous
 * memory that is all patches. What is not copied is shared with all others on this host, so
 * no more is copied than the budget asks for.
 *
 * Pure: unit-tested apart. The figures are in attach/README, "Long runs are mapped, short
 * runs are copied".
 */
#include <errno.h>

#include "internal.h"

#define SHORT ((uint64_t)64 << 10)      /* a longer run is never copied */
#define PAIR (2 * RM_PAGE)              /* copying it costs what mapping it does */

struct level {                          /* how much is copied for the sake of few mappings */
	uint64_t patch;                 /* runs up to this length; 0: none */
	uint64_t least;                 /* a carpet of such runs only is at least that long */
};

static const struct run *run_at(const struct array *runs, size_t i)
{
	return (const struct run *)runs->data + i;
}

static bool adjoins(const struct run *run, const struct run *next)
{
	return !next->shared && run->addr + run->length == next->addr;
}

bool carpet_covers(const struct carpet *carpet, const struct run *run)
{
	return carpet->layer == run->layer &&
	       carpet->addr - carpet->offset == run->addr - run->offset;
}

/* How far the layer of run `first` goes on, with short ones of others in between. */
static struct carpet roll_out(const struct array *runs, size_t first, const struct level *level,
                              bool *has_long)
{
	const struct run *run = run_at(runs, first);
	struct carpet carpet = {
		.addr = run->addr, .length = run->length, .offset = run->offset,
		.layer = run->layer, .first = first, .end = first + 1,
	};
	uint64_t foreign = 0;

	*has_long = run->length > level->patch;
	for (size_t i = first + 1; i < runs->count && adjoins(run, run + 1); i++) {
		run++;
		if (carpet_covers(&carpet, run)) {
			carpet.length = run->addr + run->length - carpet.addr;
			carpet.end = i + 1;
			*has_long |= run->length > level->patch;
			foreign = 0;
			continue;
		}
		foreign += run->length;
		if (run->length > level->patch || foreign > SHORT)
			break;
	}
	return carpet;
}

static bool extends(const struct carpet *last, const struct run *run)
{
	return last && last->layer == CARPET_ANONYMOUS && last->addr + last->length == run->addr;
}

static int add_carpet(struct array *carpets, const struct carpet *carpet)
{
	struct carpet *place = array_add(carpets);

	if (!place)
		return -ENOMEM;
	*place = *carpet;
	return 0;
}

static int lay(const struct array *runs, const struct level *level, struct array *carpets)
{
	size_t i = 0;
	int err = 0;

	carpets->count = 0;
	while (!err && i < runs->count) {
		struct carpet *last = (struct carpet *)carpets->data + carpets->count - 1;
		const struct run *run = run_at(runs, i);
		struct carpet carpet;
		bool has_long;

		if (run->shared) {
			i++;
			continue;
		}
		carpet = roll_out(runs, i, level, &has_long);
		if (has_long || carpet.length >= level->least) {
			err = add_carpet(carpets, &carpet);
			i = carpet.end;
			continue;
		}
		i++;
		if (extends(carpets->count ? last : NULL, run)) {
			last->length += run->length;
			last->end = i;
			continue;
		}
		carpet.layer = CARPET_ANONYMOUS;
		carpet.length = run->length;
		carpet.end = i;
		err = add_carpet(carpets, &carpet);
	}
	return err;
}

/* A run by itself needs no copy. */
static void lift(const struct array *runs, struct array *carpets)
{
	struct carpet *carpet = carpets->data;

	for (size_t i = 0; i < carpets->count; i++)
		if (carpet[i].end == carpet[i].first + 1)
			carpet[i].layer = run_at(runs, carpet[i].first)->layer;
}

static size_t long_runs(const struct array *runs)
{
	size_t n = 0;

	for (size_t i = 0; i < runs->count; i++)
		n += !run_at(runs, i)->shared && run_at(runs, i)->length > SHORT;
	return n;
}

int carpet_plan(const struct array *runs, size_t budget, struct array *carpets)
{
	struct level level = { 0, 0 };
	size_t most = budget + long_runs(runs);
	int err = lay(runs, &level, carpets);

	if (!err && carpets->count > budget / CARPET_EACH) {
		level = (struct level){ PAIR, SHORT };
		err = lay(runs, &level, carpets);
	}
	for (level = (struct level){ SHORT, SHORT };
	     !err && carpets->count > most && level.least <= RM_LAYER_MAX; level.least *= 2)
		err = lay(runs, &level, carpets);
	lift(runs, carpets);
	return err;
}

int carpet_patches(const struct rm_table *table, const struct array *runs,
                   const struct array *carpets, struct array *patches)
{
	const struct carpet *carpet = carpets->data;

	for (size_t i = 0; i < carpets->count; i++, carpet++)
		for (size_t k = carpet->first; k < carpet->end; k++) {
			const struct run *run = run_at(runs, k);
			uint64_t first = run->offset >> RM_PAGE_SHIFT, from = first, n;
			uint64_t to = first + (run->length >> RM_PAGE_SHIFT);
			bool zeroed = carpet->layer == CARPET_ANONYMOUS;
			struct run *patch;

			if (carpet_covers(carpet, run))
				continue;
			/* Fresh memory is zero where the layer has holes; another layer is not. */
			for (n = to - from; from < to; from += n) {
				if (zeroed && !rm_bit_run(rm_table_view_bitmap(table, run->layer),
				                          from, to, true, &from, &n))
					break;
				patch = array_add(patches);
				if (!patch)
					return -ENOMEM;
				*patch = *run;
				patch->addr += (from - first) << RM_PAGE_SHIFT;
				patch->offset = from << RM_PAGE_SHIFT;
				patch->length = n << RM_PAGE_SHIFT;
			}
		}
	return 0;
}
