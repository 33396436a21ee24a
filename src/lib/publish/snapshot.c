/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.c - a snapshot: new layers for what changed, and the table of everything
 *
 * The next publish starts from what is known after this one. If anything fails half-way, nothing is
 * known any more, since pages may be marked as seen that were not copied: then the next publish
 * copies everything. Other threads may allocate meanwhile; what they add after the freeze is not in
 * the snapshot.
 *
 * Under publish.c's lock, on any thread; it takes attached_lock(). Allocates in own pages only.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../attach/attach.h"
#include "../heap/backing.h"
#include "internal.h"

static struct known known = {
	.layers.item = sizeof(struct snapshot_layer), .segments.item = sizeof(struct rm_segment),
};

static struct snapshot_layer *known_layer(size_t i)
{
	return (struct snapshot_layer *)known.layers.data + i;
}

/* ---- what is known ---- */

/* Drop layers without segments, and renumber the segments. new_index: room for each layer. */
static void known_prune(uint32_t *new_index)
{
	struct rm_segment *s = known.segments.data;
	uint32_t kept = 0;

	for (size_t i = 0; i < known.layers.count; i++)
		known_layer(i)->live = 0;
	for (size_t i = 0; i < known.segments.count; i++)
		known_layer(s[i].layer)->live += s[i].length >> RM_PAGE_SHIFT;
	for (size_t i = 0; i < known.layers.count; i++) {
		struct snapshot_layer *layer = known_layer(i);

		if (!layer->live) {
			if (layer->file)
				backing_file_close(layer->file);
			layer_free(layer);
			continue;
		}
		new_index[i] = kept;
		if (kept != i)
			*known_layer(kept) = *layer;
		kept++;
	}
	known.layers.count = kept;
	for (size_t i = 0; i < known.segments.count; i++)
		s[i].layer = new_index[s[i].layer];
}

/*
 * Note what was published, for the next publish. Layers of other processes are not noted, since the
 * attachments are asked each time. 0 or -ENOMEM.
 */
static int known_remember(const struct array *all)
{
	const struct rm_segment *s = all->data;
	uint32_t *new_index = own_pages((known.layers.count + 1) * sizeof(*new_index));
	size_t layers = known.layers.count;
	int error = new_index ? 0 : -ENOMEM;

	known.segments.count = 0;
	for (size_t i = 0; !error && i < all->count; i++)
		if (known_layer(s[i].layer)->kind != LAYER_UPSTREAM)
			error = overlay_add(&known.segments, &s[i]);
	if (!error)
		known_prune(new_index);
	own_pages_free(new_index, (layers + 1) * sizeof(*new_index));
	known.lost = false;
	known.attached = attached_serial();
	return error;
}

/* Files of the heap that rmmapd does not have yet can become layers again. */
void snapshot_forget(void)
{
	for (size_t i = 0; i < known.layers.count; i++) {
		if (known_layer(i)->file)
			backing_file_left(known_layer(i)->file);
		layer_free(known_layer(i));
	}
	known.layers.count = known.segments.count = 0;
	known.attached = 0;
	known.lost = true;
}

void snapshot_handed_over(void)
{
	for (size_t i = 0; i < known.layers.count; i++) {
		struct snapshot_layer *layer = known_layer(i);

		if (layer->file)
			backing_file_close(layer->file);
		else if (fd_still(&layer->fd))
			close(layer->fd.fd);
		layer->file = 0;
		layer->fd.fd = -1;
	}
}

static int snapshot_published(struct array *runs, struct array *layers, uint64_t *attached)
{
	const struct rm_segment *s = known.segments.data;

	for (size_t i = 0; i < known.layers.count; i++) {
		struct rm_layer_desc *desc = array_add(layers);

		if (!desc)
			return -ENOMEM;
		memcpy(desc->id, known_layer(i)->id, RM_ID_BYTES);
		desc->length = known_layer(i)->length;
	}
	for (size_t i = 0; i < known.segments.count; i++, s++) {
		struct run *run = array_add(runs);

		if (!run)
			return -ENOMEM;
		*run = (struct run){ .addr = s->addr, .length = s->length, .offset = s->offset,
		                     .layer = s->layer, .heap = s->heap };
	}
	*attached = known.attached;
	return 0;
}

/* ---- the table ---- */

/* New layers first, then those that rmmapd has: their numbers in the table. */
static int layers_number(const struct array *all, uint32_t *numbers, uint64_t *lengths,
                         uint32_t *count, uint32_t *fresh)
{
	const struct rm_segment *s = all->data;

	for (size_t i = 0; i < known.layers.count; i++)
		known_layer(i)->live = 0;
	for (size_t i = 0; i < all->count; i++)
		known_layer(s[i].layer)->live += s[i].length >> RM_PAGE_SHIFT;
	*count = 0;
	for (int with_rmmapd = 0; with_rmmapd < 2; with_rmmapd++) {
		for (size_t i = 0; i < known.layers.count; i++) {
			const struct snapshot_layer *layer = known_layer(i);

			if (!layer->live || (layer->fd.fd < 0) != with_rmmapd)
				continue;
			lengths[*count] = layer->length;
			numbers[i] = (*count)++;
		}
		if (!with_rmmapd)
			*fresh = *count;
	}
	return *count ? 0 : -EFAULT;
}

static void table_fill(struct snapshot *snapshot, const struct array *all,
                       const uint32_t *numbers)
{
	struct rm_segment *to = rm_table_segments(snapshot->table);
	const struct rm_segment *s = all->data;

	for (size_t i = 0; i < known.layers.count; i++) {
		const struct snapshot_layer *layer = known_layer(i);

		if (!layer->live)
			continue;
		memcpy(rm_table_layers(snapshot->table)[numbers[i]].id, layer->id, RM_ID_BYTES);
		memcpy(rm_table_bitmap(snapshot->table, numbers[i]), layer->bitmap,
		       (layer_pages(layer) + 63) / 64 * sizeof(uint64_t));
	}
	for (size_t i = 0; i < all->count; i++) {
		uint64_t first = s[i].offset >> RM_PAGE_SHIFT, start, run;
		uint64_t end = first + (s[i].length >> RM_PAGE_SHIFT);
		const uint64_t *bitmap = known_layer(s[i].layer)->bitmap;

		to[i] = s[i];
		to[i].layer = numbers[s[i].layer];
		for (uint64_t from = first; rm_bit_run(bitmap, from, end, true, &start, &run);
		     from = start + run)
			snapshot->data_bytes += run << RM_PAGE_SHIFT;
	}
}

static int table_make(struct snapshot *snapshot, const struct array *all, uint64_t root)
{
	size_t bytes = (known.layers.count + 1) * (sizeof(uint64_t) + sizeof(uint32_t));
	uint64_t *lengths = own_pages(bytes);
	uint32_t *numbers = lengths ? (uint32_t *)(lengths + known.layers.count + 1) : NULL;
	uint32_t count;
	int error = lengths ? layers_number(all, numbers, lengths, &count, &snapshot->fresh_layers)
	                    : -ENOMEM;

	if (!error) {
		snapshot->table_size = rm_table_size(lengths, count, (uint32_t)all->count);
		error = snapshot->table_size && all->count < RM_TABLE_SEGMENTS_MAX ? 0 : -ENOTSUP;
	}
	if (!error) {
		snapshot->table = own_pages(snapshot->table_size);
		error = snapshot->table ? 0 : -ENOMEM;
	}
	if (!error) {
		snapshot->layer_count = count;
		rm_table_layout(snapshot->table, lengths, count, (uint32_t)all->count, root);
		table_fill(snapshot, all, numbers);
	}
	own_pages_free(lengths, bytes);
	return error;
}

/* List the descriptors of the layers that rmmapd does not have, in the table's order. */
static int fresh_list(struct snapshot *snapshot)
{
	for (size_t i = 0; i < known.layers.count; i++) {
		int *fd;

		if (!known_layer(i)->live || known_layer(i)->fd.fd < 0)
			continue;
		if (!fd_still(&known_layer(i)->fd))
			return -EBADF;
		fd = array_add(&snapshot->fds);
		if (!fd)
			return -ENOMEM;
		*fd = known_layer(i)->fd.fd;
	}
	return 0;
}

int snapshot_make(uint64_t root, bool everything, bool self_contained, struct snapshot *snapshot)
{
	struct array all = { .item = sizeof(struct rm_segment) };
	struct collected set;
	int error;

	__atomic_store_n(&attach_published, snapshot_published, __ATOMIC_RELAXED);
	*snapshot = (struct snapshot){ .fds.item = sizeof(int) };
	attached_lock();
	if (everything)
		snapshot_forget();
	error = collect_all(&set, &known, everything, self_contained);
	if (!error)
		error = compact_layers(&set);
	if (!error)
		error = write_layers(&set, &all, &snapshot->copied_bytes);
	if (!error)
		error = table_make(snapshot, &all, root);
	if (!error)
		error = fresh_list(snapshot);
	if (!error)
		error = known_remember(&all);
	if (error)
		snapshot_forget();
	attached_unlock();
	collected_free(&set);
	array_free(&all);
	if (error)
		snapshot_free(snapshot);
	return error;
}

void snapshot_free(struct snapshot *snapshot)
{
	array_free(&snapshot->fds);
	if (snapshot->table)
		own_pages_free(snapshot->table, snapshot->table_size);
	snapshot->table = NULL;
}
