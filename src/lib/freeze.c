/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * freeze.c - the snapshot: the heap's used ranges as layers, and their table
 *
 * The heap, own and inherited, is cut into layers of at most RM_LAYER_MAX,
 * each of which can be given back by itself. Any thread; own data is in
 * own_pages(). Other threads may allocate meanwhile: what they add after the
 * ranges were read is not in the snapshot.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct cut {                            /* a layer to be */
	uint64_t addr, length;
	uint32_t heap;
};

/* The heap may grow while they are read. */
int freeze_ranges(struct array *ranges)
{
	unsigned max = 64;

	*ranges = (struct array){ .item = sizeof(struct heap_range) };
	for (;;) {
		unsigned n;

		while (ranges->count < max)
			if (!array_add(ranges))
				return -ENOMEM;
		n = hooks_ranges(ranges->data, max);
		if (n <= max) {
			ranges->count = n;
			return 0;
		}
		max = n + n / 4;
	}
}

static int cut_ranges(const struct array *ranges, struct array *cuts)
{
	const struct heap_range *range = ranges->data;

	*cuts = (struct array){ .item = sizeof(struct cut) };
	for (size_t i = 0; i < ranges->count; i++, range++) {
		uint64_t at = rm_page_down(range->base), top = rm_page_up(range->top);

		while (at < top) {
			struct cut *cut = array_add(cuts);

			if (!cut)
				return -ENOMEM;
			cut->addr = at;
			cut->length = top - at < RM_LAYER_MAX ? top - at : RM_LAYER_MAX;
			cut->heap = range->heap;
			at += cut->length;
		}
	}
	return cuts->count ? 0 : -EFAULT;
}

static int lay_out(struct snapshot *snapshot, const struct array *cuts, uint64_t root)
{
	const struct cut *cut = cuts->data;
	uint64_t *lengths = own_pages(cuts->count * sizeof(*lengths));
	uint32_t n = (uint32_t)cuts->count;

	if (!lengths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		lengths[i] = cut[i].length;
	snapshot->table_size = rm_table_size(lengths, n, n);
	if (snapshot->table_size)
		snapshot->table = own_pages(snapshot->table_size);
	if (snapshot->table)
		rm_table_layout(snapshot->table, lengths, n, n, root);
	own_pages_free(lengths, cuts->count * sizeof(*lengths));
	return snapshot->table ? 0 : snapshot->table_size ? -ENOMEM : -ENOTSUP;
}

static int copy_layers(struct snapshot *snapshot, const struct array *cuts)
{
	const struct cut *cut = cuts->data;

	for (uint32_t i = 0; i < cuts->count; i++, cut++) {
		struct layer *layer = array_add(&snapshot->layers);
		int err;

		if (!layer)
			return -ENOMEM;
		layer->fd = -1;
		err = layer_copy(layer, cut->addr, cut->length,
		                 rm_table_bitmap(snapshot->table, i));
		if (err)
			return err;
		memcpy(rm_table_layers(snapshot->table)[i].id, layer->id, sizeof(layer->id));
		rm_table_segments(snapshot->table)[i] = (struct rm_segment){
			.addr = cut->addr, .length = cut->length, .layer = i,
			.heap = cut->heap,
		};
		snapshot->data_bytes += layer->pages << RM_PAGE_SHIFT;
	}
	snapshot->copied_bytes = snapshot->data_bytes;
	return 0;
}

int freeze(uint64_t root, struct snapshot *snapshot)
{
	struct array ranges, cuts = { .item = sizeof(struct cut) };
	int err;

	*snapshot = (struct snapshot){ .layers.item = sizeof(struct layer) };
	err = freeze_ranges(&ranges);
	if (!err)
		err = cut_ranges(&ranges, &cuts);
	if (!err)
		err = lay_out(snapshot, &cuts, root);
	if (!err)
		err = copy_layers(snapshot, &cuts);
	array_free(&cuts);
	array_free(&ranges);
	if (err)
		snapshot_free(snapshot);
	return err;
}

void snapshot_free(struct snapshot *snapshot)
{
	struct layer *layer = snapshot->layers.data;

	for (size_t i = 0; i < snapshot->layers.count; i++)
		if (layer[i].fd >= 0)
			close(layer[i].fd);
	array_free(&snapshot->layers);
	if (snapshot->table)
		own_pages_free(snapshot->table, snapshot->table_size);
	snapshot->table = NULL;
}
