/* SPDX-License-Identifier: BSD-2-Clause */
/* layers.c - see layers.h. Worker thread only; allocates. */
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
	struct layer *buckets[BUCKETS];
	struct holding *holdings;
	uint64_t bytes;
};

struct layer_record {                   /* data of RECORD_LAYER; its descriptor, and have_fd */
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

/* Ids are random. */
static struct layer **bucket(struct layers *layers, const uint8_t id[RM_ID_BYTES])
{
	uint32_t n;

	memcpy(&n, id, sizeof(n));
	return &layers->buckets[n % BUCKETS];
}

static bool has(const struct layer *layer, const uint64_t *shown)
{
	for (size_t i = 0; layer->have && i < shown_words(layer->length); i++)
		if (shown[i] & ~layer->have[i])
			return false;
	return true;
}

struct layer *layers_find(struct layers *layers, const struct rm_layer_desc *desc,
                          const uint64_t *shown)
{
	struct layer *layer = *bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 layer->length != desc->length || !has(layer, shown)))
		layer = layer->next;
	if (layer)
		layer->refs++;
	return layer;
}

bool layers_have(struct layers *layers, const struct rm_layer_desc *desc, bool whole)
{
	const struct layer *layer = *bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 layer->length != desc->length || (whole && layer->have)))
		layer = layer->next;
	return layer;
}

/* ---- coming and going ---- */

static struct layer *create(struct layers *layers, const uint8_t id[RM_ID_BYTES],
                            uint64_t length, uint64_t bytes, int fd)
{
	struct layer *layer = calloc(1, sizeof(*layer)), **head = bucket(layers, id);

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

static void destroy(struct layer *layer)
{
	struct layer **link = bucket(layer->layers, layer->id);

	while (*link != layer)
		link = &(*link)->next;
	*link = layer->next;
	layer->layers->bytes -= layer->bytes;
	if (layer->map)
		munmap(layer->map, layer->length);
	close(layer->fd);
	if (layer->have_fd >= 0)
		close(layer->have_fd);
	free(layer->have);
	free(layer);
}

void layer_unref(struct layer *layer)
{
	if (--layer->refs)
		return;
	if (layer->record)
		keeper_delete(layer->layers->context->keeper, layer->record);
	destroy(layer);
}

/* The process ends: the keeper's copies stay. */
void layers_free(struct layers *layers)
{
	for (unsigned i = 0; layers && i < BUCKETS; i++)
		while (layers->buckets[i])
			destroy(layers->buckets[i]);
	free(layers);
}

void layer_keep(struct layer *layer)
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

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd)
{
	const struct layer *layer = *bucket(layers, desc->id);

	while (layer && (memcmp(layer->id, desc->id, RM_ID_BYTES) != 0 ||
	                 !same_file(layer->fd, fd)))
		layer = layer->next;
	return layer;
}

/* What the kernel says that it takes: bitmaps in tables are the publisher's word. */
static uint64_t memory_of(int fd, uint64_t length)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_blocks * 512 > length)
		return length;
	return (uint64_t)st.st_blocks * 512;
}

static int take_new(struct layers *layers, const struct rm_layer_desc *desc, int *fd,
                    struct layer **out, const char **why)
{
	int again = file_reopen(*fd);

	*why = "no descriptor for a layer: raise the limit of rmmapd (ulimit -n, LimitNOFILE=)";
	if (again < 0)
		return again;
	*fd = again;
	*why = "it has no memory for a layer";
	*out = create(layers, desc->id, desc->length, memory_of(again, desc->length), again);
	return *out ? 0 : -ENOMEM;
}

int layers_take(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                struct layer **out, const char **why)
{
	struct layer *same = *bucket(layers, desc->id);
	bool known = false;
	int ret = -EINVAL;

	for (; same; same = same->next) {
		if (memcmp(same->id, desc->id, RM_ID_BYTES) != 0)
			continue;
		known = true;
		if (same_file(same->fd, fd))
			break;
	}
	*out = NULL;
	*why = "a layer is not a sealed memfd of the length that the table says";
	if (file_sealed(fd, SEALS, desc->length)) {
		*why = "another layer has the id of one of its layers already";
		if (!known)
			ret = take_new(layers, desc, &fd, out, why);
		else
			*out = same;
	}
	if (!*out || *out == same)
		close(fd);
	if (!*out)
		return ret;
	(*out)->refs++;
	return 0;
}

/* Which pages it has, for now and for the next worker. 0 or -errno. */
static int note_pages(struct layer *layer, const uint64_t *have)
{
	size_t size = shown_words(layer->length) * sizeof(*have);
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

static int read_pages(struct layer *layer, int fd)
{
	size_t size = shown_words(layer->length) * sizeof(*layer->have);

	layer->have_fd = fd;
	layer->have = malloc(size);
	return layer->have && pread(fd, layer->have, size, 0) == (ssize_t)size ? 0 : -EIO;
}

int layers_adopt(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                 const uint64_t *have, bool whole, struct layer **out)
{
	int copy, ret;

	*out = layers_find(layers, desc, have);
	if (*out)
		return 0;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	*out = create(layers, desc->id, desc->length, memory_of(copy, desc->length), copy);
	if (!*out) {
		close(copy);
		return -ENOMEM;
	}
	ret = whole ? 0 : note_pages(*out, have);
	if (ret < 0) {
		destroy(*out);
		*out = NULL;
		return ret;
	}
	(*out)->refs++;
	return 0;
}

/* ---- held for processes ---- */

static void let_go(struct holding *holding)
{
	if (!holding->link)
		return;
	*holding->link = holding->next;
	if (holding->next)
		holding->next->link = holding->link;
	for (uint32_t i = 0; i < holding->count; i++)
		layer_unref(holding->layers[i]);
	free(holding->layers);
	memset(holding, 0, sizeof(*holding));
}

void layers_hold(struct layers *layers, struct holding *holding, struct layer *const *held,
                 uint32_t count)
{
	struct layer **copy = count ? calloc(count, sizeof(*copy)) : NULL;

	for (uint32_t i = 0; copy && i < count; i++) {
		copy[i] = held[i];
		copy[i]->refs++;
	}
	let_go(holding);
	if (!copy)
		return;
	holding->layers = copy;
	holding->count = count;
	holding->next = layers->holdings;
	holding->link = &layers->holdings;
	if (holding->next)
		holding->next->link = &holding->next;
	layers->holdings = holding;
}

void layers_let_go(struct layers *layers)
{
	while (layers->holdings)
		let_go(layers->holdings);
}

/* ---- after a restart ---- */

void layers_restore(struct layers *layers, const struct record *record)
{
	const struct layer_record *saved = record->data;
	struct layer *layer = NULL;

	if (record->length == sizeof(*saved) && (record->count == 1 || record->count == 2))
		layer = create(layers, saved->id, saved->length, saved->bytes, record->fds[0]);
	if (layer) {
		layer->record = record->number;
		if (record->count == 1 || !read_pages(layer, record->fds[1]))
			return;
		/* Whoever refers to it cannot be had either. */
		keeper_delete(layers->context->keeper, record->number);
		destroy(layer);
		return;
	}
	for (unsigned i = 0; i < record->count; i++)
		close(record->fds[i]);
	keeper_delete(layers->context->keeper, record->number);
}

/*
 * What processes held is not kept over a restart, and a worker may die between the
 * records of layers and that of their publication.
 */
void layers_restored(struct layers *layers)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct layer *next;

		for (struct layer *layer = layers->buckets[i]; layer; layer = next) {
			next = layer->next;
			if (layer->refs)
				continue;
			layer->refs = 1;
			layer_unref(layer);
		}
	}
}
