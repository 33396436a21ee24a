/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - the table, caches and record of a remote publication
 *
 * The record holds the handle and, as descriptors, the table, the state (which pages are
 * present) and the caches' read-only descriptors: all that a new worker needs to continue, as
 * cache.h describes. The new worker puts a record of its own. Its number is the generation of
 * the caches that the worker makes: keeper_number() only grows. Worker thread only; allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "../store/visible.h"
#include "../base/container.h"

#define FDS_PER_PUT 60

struct remote_record {          /* data of RECORD_REMOTE */
	struct rm_handle handle;
	uint64_t table_size;
	uint64_t created_ns;            /* CLOCK_MONOTONIC, which goes on from worker to worker */
	uint64_t origin;                /* as remote.origin; copied from record to record */
	uint32_t layer_count;           /* as in the table, which is what a new worker goes by */
	uint32_t admitted;              /* when the record was put; later ones are not counted */
};
_Static_assert(sizeof(struct remote_record) <= RECORD_DATA_MAX, "record too long");

/* A sealed copy of the table, mapped read-only; its descriptor is handed out. */
static int remote_make_table(struct remote *remote, const void *table, size_t size)
{
	int fd = memfd_create("rmmap-table", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	const char *from = table;
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	remote->table_fd = fd;
	remote->table_size = size;
	while (done < size) {
		n = write(fd, from + done, size - done);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	return 0;
}

/* Map and check remote->table_fd, which nobody can write. 0 or -errno. */
static int remote_map_table(struct remote *remote, const char **why)
{
	/* Private: kernels before 6.7 refuse a shared mapping of a sealed file. */
	void *map = mmap(NULL, remote->table_size, PROT_READ, MAP_PRIVATE, remote->table_fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	remote->table_map = map;
	if (rm_table_check(map, remote->table_size, &remote->table, why))
		return -EPROTO;
	remote->visible = visible_make(&remote->table);
	if (!remote->visible)
		return -ENOMEM;
	remote->data_bytes = visible_pages(&remote->table, remote->visible) * RM_PAGE;
	return 0;
}

/* Words of the state that a layer has: the bitmaps of its present pages and of its huge blocks. */
static size_t layer_state_words(uint64_t length)
{
	return visible_words(length) + cache_block_words(length);
}

/*
 * The state: an array of each layer's generation, then each layer's two bitmaps. It lies in a
 * memfd, for the next worker.
 */
static int remote_make_state(struct remote *remote)
{
	size_t words = remote->table.layer_count;
	uint32_t i;
	void *map;

	for (i = 0; i < remote->table.layer_count; i++)
		words += layer_state_words(remote->table.layers[i].length);
	remote->state_size = rm_page_up((words ? words : 1) * sizeof(uint64_t));
	remote->state_fd = memfd_create("rmmap-state", MFD_CLOEXEC);
	if (remote->state_fd < 0 || ftruncate(remote->state_fd, (off_t)remote->state_size))
		return -errno;
	map = mmap(NULL, remote->state_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	           remote->state_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	remote->state_map = map;
	return 0;
}

/* Room for as many caches as the table has layers. */
static int remote_make_caches(struct remote *remote)
{
	uint32_t i, n = remote->table.layer_count;

	remote->caches = calloc(n ? n : 1, sizeof(*remote->caches));
	if (!remote->caches)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		remote->caches[i].fd = -1;
	return 0;
}

static void cache_set_generation(struct remote *remote, uint32_t layer, uint64_t generation)
{
	remote->caches[layer].generation = remote->state_map[layer] = generation;
}

/* A record has no more than FDS_PER_PUT descriptors in one message: further ones are added. */
static void remote_put_record(struct remote *remote)
{
	struct keeper *keeper = remote->remotes->context->keeper;
	struct remote_record data = {
		.handle = remote->handle,
		.table_size = remote->table_size,
		.created_ns = remote->created_ns,
		.origin = remote->origin,
		.layer_count = remote->table.layer_count,
		.admitted = remote->admitted,
	};
	int fds[FDS_PER_PUT] = { remote->table_fd, remote->state_fd };
	unsigned count = 2;
	uint32_t i;

	for (i = 0; i < remote->table.layer_count; i++) {
		fds[count++] = remote->caches[i].fd;
		if (count < FDS_PER_PUT)
			continue;
		keeper_put(keeper, RECORD_REMOTE, remote->record, &data, sizeof(data), fds, count);
		count = 0;
	}
	if (count)
		keeper_put(keeper, RECORD_REMOTE, remote->record, &data, sizeof(data), fds, count);
	explicit_bzero(&data, sizeof(data));
}

/* An empty cache, whose bitmaps are at this place of the state. 0 or -errno. */
static int remote_make_cache(struct remote *remote, uint32_t layer, uint64_t *state)
{
	uint64_t length = remote->table.layers[layer].length;
	uint64_t *huge = huge_wanted(remote->remotes) ? state + visible_words(length) : NULL;

	return cache_make(&remote->caches[layer], length, remote->visible[layer], state, huge,
	                  huge_dense(remote->remotes));
}

int remote_build(struct remote *remote, const void *table, size_t size, const char **why)
{
	uint64_t *state;
	uint32_t i;
	int error = remote_make_table(remote, table, size);

	if (!error)
		error = remote_map_table(remote, why);
	if (!error)
		error = remote_make_state(remote);
	if (!error)
		error = remote_make_caches(remote);
	if (error)
		return error;
	/*
	 * Set although the record is put last: remote_unbuild() may delete a record that there is
	 * not. A worker that dies before has told no process of this publication.
	 */
	remote->record = remote->origin = keeper_number(remote->remotes->context->keeper);
	state = remote->state_map + remote->table.layer_count;
	for (i = 0; i < remote->table.layer_count; i++) {
		error = remote_make_cache(remote, i, state);
		if (error)
			return error;
		cache_set_generation(remote, i, remote->record);
		remote->absent += remote->caches[i].absent;
		state += layer_state_words(remote->table.layers[i].length);
	}
	remote_put_record(remote);
	return 0;
}

/* Did the last worker have all data of a layer? */
static bool bitmap_had_all(const uint64_t *data, const uint64_t *had, size_t words)
{
	size_t i;

	for (i = 0; i < words; i++)
		if (data[i] & ~had[i])
			return false;
	return true;
}

/*
 * The layer's cache was complete: it stays as it is. had and state are as in
 * remote_rebuild_cache().
 */
static int remote_adopt_cache(struct remote *remote, uint32_t layer, int fd, const uint64_t *had,
                              uint64_t *state)
{
	uint64_t length = remote->table.layers[layer].length;
	struct cache *cache = &remote->caches[layer];
	int error;

	memcpy(state, had, layer_state_words(length) * sizeof(*had));
	error = cache_adopt(cache, fd, length, remote->visible[layer], state,
	                    state + visible_words(length));
	claim_found(remote, rm_bit_count(had, length / RM_PAGE) + cache->extra);
	remote->extra += cache->extra;
	return error;
}

/* Copy the pages that the last worker had, if there is room for both files. Takes fd. */
static int remote_inherit_cache(struct remote *remote, uint32_t layer, int fd, const uint64_t *had)
{
	struct cache *cache = &remote->caches[layer];
	uint64_t pages = rm_bit_count(had, cache->pages), at, start, count;

	/*
	 * The earlier file stays until the keeper deletes its record. Without room for both, its
	 * pages are fetched again.
	 */
	if (limit_room(remote->remotes->context) < pages * RM_PAGE) {
		close(fd);
		return 0;
	}
	huge_for_inherited(remote, layer, had);
	for (at = 0; rm_bit_run(had, at, cache->pages, true, &start, &count); at = start + count)
		claim_found(remote, cache_small(cache, start, count));
	return cache_inherit(cache, fd, had);
}

/*
 * Layer i as the last worker left it: fd is its cache, which this takes, generation is that of
 * the file, and had the layer's bitmaps. state is the place of this worker's.
 */
static int remote_rebuild_cache(struct remote *remote, uint32_t i, int fd, uint64_t generation,
                         const uint64_t *had, uint64_t *state)
{
	size_t words = visible_words(remote->table.layers[i].length);
	int error;

	if (bitmap_had_all(remote->visible[i], had, words)) {
		error = remote_adopt_cache(remote, i, fd, had, state);
		cache_set_generation(remote, i, generation);
		return error;
	}
	error = remote_make_cache(remote, i, state);
	if (error) {
		close(fd);
		return error;
	}
	cache_set_generation(remote, i, remote->record);
	return remote_inherit_cache(remote, i, fd, had);
}

/* *used counts the descriptors of fds that were taken. earlier is the last worker's state. */
static int remote_rebuild_caches(struct remote *remote, const int *fds, unsigned *used,
                          const uint64_t *earlier)
{
	uint32_t i, layers = remote->table.layer_count;
	const uint64_t *had = earlier + layers;
	uint64_t *state = remote->state_map + layers;
	size_t words;
	int error;

	for (i = 0; i < layers; i++) {
		words = layer_state_words(remote->table.layers[i].length);
		error = remote_rebuild_cache(remote, i, fds[(*used)++], earlier[i], had, state);
		if (error)
			return error;
		remote->absent += remote->caches[i].absent;
		had += words;
		state += words;
	}
	return 0;
}

/* The state memfd of the last worker, mapped; NULL if it is not what it should be. */
static const uint64_t *state_map_earlier(const struct remote *remote, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) || (uint64_t)st.st_size != remote->state_size)
		return NULL;
	map = mmap(NULL, remote->state_size, PROT_READ, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

/* *used counts the record's descriptors that were taken. 0 or -errno. */
static int remote_rebuild_from(struct remote *remote, const struct record *record, unsigned *used)
{
	const struct remote_record *data = record->data;
	const uint64_t *earlier;
	int error;

	if (record->count < 2)
		return -EPROTO;
	*used = 1;
	remote->table_fd = record->fds[0];
	remote->table_size = data->table_size;
	remote->created_ns = data->created_ns;
	remote->admitted = data->admitted;
	remote->origin = data->origin;
	error = remote_map_table(remote, NULL);
	if (error)
		return error;
	if (record->count != remote->table.layer_count + 2)
		return -EPROTO; /* the last worker died while it put the record */
	error = remote_make_state(remote);
	if (!error)
		error = remote_make_caches(remote);
	if (error)
		return error;
	earlier = state_map_earlier(remote, record->fds[1]);
	if (!earlier)
		return -EPROTO;
	close(record->fds[1]);
	*used = 2;
	remote->record = keeper_number(remote->remotes->context->keeper);
	error = remote_rebuild_caches(remote, record->fds, used, earlier);
	munmap((void *)(uintptr_t)earlier, remote->state_size);
	return error;
}

int remote_rebuild(struct remote *remote, const struct record *record)
{
	unsigned used = 0;
	int error = remote_rebuild_from(remote, record, &used);

	/*
	 * A new record before the old one is deleted: if this worker dies between the two, both
	 * are restored, and remotes_drop_earlier() keeps the later one.
	 */
	for (; used < record->count; used++)
		close(record->fds[used]);
	if (!error)
		remote_put_record(remote);
	keeper_delete(remote->remotes->context->keeper, record->number);
	return error;
}

const struct rm_handle *remote_record_handle(const struct record *record)
{
	const struct remote_record *data = record->data;

	return record->length == sizeof(*data) ? &data->handle : NULL;
}

const uint8_t *remote_record_id(const struct record *record)
{
	const struct rm_handle *handle = remote_record_handle(record);

	return handle ? handle->id : NULL;
}

void remote_unbuild(struct remote *remote)
{
	struct context *context = remote->remotes->context;
	uint32_t i;

	claim_free(remote);
	for (i = 0; remote->caches && i < remote->table.layer_count; i++)
		cache_drop(&remote->caches[i], remote->fabric);
	free(remote->caches);
	free(remote->visible);
	free(remote->regions);
	if (remote->state_map)
		munmap(remote->state_map, remote->state_size);
	if (remote->table_map)
		munmap(remote->table_map, remote->table_size);
	if (remote->state_fd >= 0)
		close(remote->state_fd);
	if (remote->table_fd >= 0)
		close(remote->table_fd);
	if (remote->record)
		keeper_delete(context->keeper, remote->record);
}

struct peer_region *fetch_region(const struct remote *remote, uint32_t layer, uint64_t offset)
{
	unsigned low = 0, high = remote->region_count, mid;
	struct peer_region *region;

	while (low < high) {
		mid = low + (high - low) / 2;
		region = &remote->regions[mid];
		if (region->layer < layer ||
		    (region->layer == layer && region->offset + region->length <= offset))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == remote->region_count)
		return NULL;
	region = &remote->regions[low];
	return region->layer == layer && region->offset <= offset ? region : NULL;
}
