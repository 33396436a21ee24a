/* SPDX-License-Identifier: BSD-2-Clause */
/* layers.c - see layers.h. Worker thread only; allocates. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers.h"
#include "visible.h"
#include "internal.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define BUCKETS 4096

struct layers {
	struct context *context;
	struct stored_layer *buckets[BUCKETS];  /* by id; unsorted lists */
	struct held_layers *held;       /* of all processes */
	uint64_t bytes;                 /* sum of the layers' bytes */
};

/* Data of RECORD_LAYER. Its descriptors are the layer's fd, and have_fd if there is one. */
struct layer_record {
	uint8_t id[RM_ID_BYTES];
	uint64_t length, bytes;
};

struct layers *layers_new(struct context *context)
{
	struct layers *layers = calloc(1, sizeof(*layers));

	if (layers)
		layers->context = context;
	return layers;
}

uint64_t layers_bytes(const struct layers *layers)
{
	return layers->bytes;
}

/* Ids are random, so any four bytes of one spread well. */
static struct stored_layer **layer_bucket(struct layers *layers, const uint8_t id[RM_ID_BYTES])
{
	uint32_t n;

	memcpy(&n, id, sizeof(n));
	return &layers->buckets[n % BUCKETS];
}

/* Does the layer have all pages of this bitmap? */
static bool layer_has(const struct stored_layer *layer, const uint64_t *visible)
{
	for (size_t i = 0; layer->have && i < visible_words(layer->length); i++)
		if (visible[i] & ~layer->have[i])
			return false;
	return true;
}

struct stored_layer *layers_find(struct layers *layers, const struct rm_layer_desc *desc,
                                 const uint64_t *visible)
{
	struct stored_layer *layer = *layer_bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 layer->length != desc->length || !layer_has(layer, visible)))
		layer = layer->next;
	if (layer)
		layer->refs++;
	return layer;
}

bool layers_have(struct layers *layers, const struct rm_layer_desc *desc, bool whole)
{
	const struct stored_layer *layer = *layer_bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 layer->length != desc->length || (whole && layer->have)))
		layer = layer->next;
	return layer;
}

/* ---- coming and going ---- */

/* Without a reference. The layer owns fd. NULL: no memory, and fd stays the caller's. */
static struct stored_layer *layer_new(struct layers *layers, const uint8_t id[RM_ID_BYTES],
                                      uint64_t length, uint64_t bytes, int fd)
{
	struct stored_layer *layer = calloc(1, sizeof(*layer)), **head = layer_bucket(layers, id);

	if (!layer)
		return NULL;
	memcpy(layer->id, id, RM_ID_BYTES);
	layer->length = length;
	layer->bytes = bytes;
	layer->fd = fd;
	layer->have_fd = -1;
	layer->layers = layers;
	layer->next = *head;
	*head = layer;
	layers->bytes += bytes;
	return layer;
}

/* Leaves the keeper's record alone. */
static void layer_free(struct stored_layer *layer)
{
	struct stored_layer **link = layer_bucket(layer->layers, layer->id);

	while (*link != layer)
		link = &(*link)->next;
	*link = layer->next;
	assert(layer->layers->bytes >= layer->bytes);
	layer->layers->bytes -= layer->bytes;
	if (layer->map)
		munmap(layer->map, layer->length);
	close(layer->fd);
	if (layer->have_fd >= 0)
		close(layer->have_fd);
	free(layer->have);
	free(layer);
}

void layer_unref(struct stored_layer *layer)
{
	assert(layer->refs > 0);
	if (--layer->refs)
		return;
	if (layer->record)
		keeper_delete(layer->layers->context->keeper, layer->record);
	layer_free(layer);
}

void layers_free(struct layers *layers)
{
	for (unsigned i = 0; layers && i < BUCKETS; i++)
		while (layers->buckets[i])
			layer_free(layers->buckets[i]);
	free(layers);
}

void layer_keep(struct stored_layer *layer)
{
	struct layer_record record = { .length = layer->length, .bytes = layer->bytes };
	struct keeper *keeper = layer->layers->context->keeper;
	int fds[2] = { layer->fd, layer->have_fd };

	if (layer->record)
		return;
	memcpy(record.id, layer->id, RM_ID_BYTES);
	layer->record = keeper_number(keeper);
	keeper_put(keeper, RECORD_LAYER, layer->record, &record, sizeof(record), fds,
	           layer->have ? 2 : 1);
}

/* ---- from a publisher ---- */

static bool files_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd)
{
	const struct stored_layer *layer = *layer_bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 !files_same(layer->fd, fd)))
		layer = layer->next;
	return layer;
}

/* Memory that the kernel says the file takes: a table's bitmap is only the publisher's claim. */
static uint64_t file_memory(int fd, uint64_t length)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_blocks * 512 > length)
		return length;
	return (uint64_t)st.st_blocks * 512;
}

/* A layer of an id that is not held. *fd is replaced by the read-only descriptor. */
static int layer_take_new(struct layers *layers, const struct rm_layer_desc *desc, int *fd,
                          struct stored_layer **out, const char **why)
{
	int again = file_reopen(*fd);

	*why = "no descriptor for a layer: raise the limit of rmmapd (ulimit -n, LimitNOFILE=)";
	if (again < 0)
		return again;
	*fd = again;
	*why = "it has no memory for a layer";
	*out = layer_new(layers, desc->id, desc->length, file_memory(again, desc->length), again);
	return *out ? 0 : -ENOMEM;
}

int layers_take(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                struct stored_layer **out, const char **why)
{
	struct stored_layer *same = *layer_bucket(layers, desc->id);
	bool known = false;
	int error = -EINVAL;

	for (; same; same = same->next) {
		if (memcmp(same->id, desc->id, RM_ID_BYTES) != 0)
			continue;
		known = true;
		if (files_same(same->fd, fd))
			break;
	}
	*out = NULL;
	*why = "a layer is not a sealed memfd of the length that the table says";
	if (file_sealed(fd, SEALS, desc->length)) {
		*why = "another layer has the id of one of its layers already";
		if (!known)
			error = layer_take_new(layers, desc, &fd, out, why);
		else
			*out = same;
	}
	if (!*out || *out == same)
		close(fd);
	if (!*out)
		return error;
	(*out)->refs++;
	return 0;
}

/* Note which pages the layer has, here and in a file for the next worker. 0 or -errno. */
static int layer_note_pages(struct stored_layer *layer, const uint64_t *have)
{
	size_t size = visible_words(layer->length) * sizeof(*have);
	ssize_t n;

	layer->have = malloc(size);
	if (!layer->have)
		return -ENOMEM;
	memcpy(layer->have, have, size);
	layer->have_fd = memfd_create("rmmap-pages", MFD_CLOEXEC);
	if (layer->have_fd < 0)
		return -errno;
	n = pwrite(layer->have_fd, have, size, 0);
	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EIO;
}

/* The same bitmap from the last worker's file, which is the layer's from here on. 0 or -EIO. */
static int layer_read_pages(struct stored_layer *layer, int fd)
{
	size_t size = visible_words(layer->length) * sizeof(*layer->have);

	layer->have_fd = fd;
	layer->have = malloc(size);
	return layer->have && pread(fd, layer->have, size, 0) == (ssize_t)size ? 0 : -EIO;
}

int layers_adopt(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                 const uint64_t *have, bool whole, struct stored_layer **out)
{
	int copy, error;

	*out = layers_find(layers, desc, have);
	if (*out)
		return 0;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	*out = layer_new(layers, desc->id, desc->length, file_memory(copy, desc->length), copy);
	if (!*out) {
		close(copy);
		return -ENOMEM;
	}
	error = whole ? 0 : layer_note_pages(*out, have);
	if (error < 0) {
		layer_free(*out);
		*out = NULL;
		return error;
	}
	(*out)->refs++;
	return 0;
}

/* ---- held for processes ---- */

/* Release what is held for one process; nothing if nothing is. */
static void held_layers_drop(struct held_layers *held)
{
	if (!held->link)
		return;
	*held->link = held->next;
	if (held->next)
		held->next->link = held->link;
	for (uint32_t i = 0; i < held->count; i++)
		layer_unref(held->layers[i]);
	free(held->layers);
	memset(held, 0, sizeof(*held));
}

void layers_hold(struct layers *layers, struct held_layers *held,
                 struct stored_layer *const *list, uint32_t count)
{
	struct stored_layer **copy = count ? calloc(count, sizeof(*copy)) : NULL;

	for (uint32_t i = 0; copy && i < count; i++) {
		copy[i] = list[i];
		copy[i]->refs++;
	}
	/* Only now: the two may have layers in common. */
	held_layers_drop(held);
	if (!copy)
		return;
	held->layers = copy;
	held->count = count;
	held->next = layers->held;
	held->link = &layers->held;
	if (held->next)
		held->next->link = &held->next;
	layers->held = held;
}

void layers_let_go(struct layers *layers)
{
	while (layers->held)
		held_layers_drop(layers->held);
}

/* ---- after a restart ---- */

void layers_restore(struct layers *layers, const struct record *record)
{
	const struct layer_record *saved = record->data;
	struct stored_layer *layer = NULL;

	if (record->length == sizeof(*saved) && (record->count == 1 || record->count == 2))
		layer = layer_new(layers, saved->id, saved->length, saved->bytes, record->fds[0]);
	if (layer) {
		layer->record = record->number;
		if (record->count == 1 || !layer_read_pages(layer, record->fds[1]))
			return;
		/* Publications that refer to it will not find it, and are dropped as well. */
		keeper_delete(layers->context->keeper, record->number);
		layer_free(layer);
		return;
	}
	for (unsigned i = 0; i < record->count; i++)
		close(record->fds[i]);
	keeper_delete(layers->context->keeper, record->number);
}

/*
 * Layers without a user are left over where processes held them, which is not recorded, or
 * where the last worker died after it had recorded the layers and before their publication.
 */
void layers_restored(struct layers *layers)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct stored_layer *next;

		for (struct stored_layer *layer = layers->buckets[i]; layer; layer = next) {
			next = layer->next;
			if (layer->refs)
				continue;
			layer->refs = 1;
			layer_unref(layer);
		}
	}
}
