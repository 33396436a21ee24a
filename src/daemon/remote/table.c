/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_cache.c - the table, caches and record of a remote publication
 *
 * The record holds the handle and, as descriptors, the table, the state (which pages are
 * present) and the caches' read-only ends: all that a new worker needs to go on, as
 * cache.h describes. It goes on under a record of its own, whose number is the generation
 * of the caches that it makes: keeper_number() only grows. Worker thread; allocates.
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
	uint64_t created_ns;
	uint64_t origin;
	uint32_t layer_count;
	uint32_t admitted;
};
_Static_assert(sizeof(struct remote_record) <= RECORD_DATA_MAX, "record too long");

static size_t bitmap_words(const struct rm_layer_desc *layer)
{
	return shown_words(layer->length);
}

/* A sealed copy of the table, mapped read-only; its descriptor is handed out. */
static int make_table(struct remote *remote, const void *table, size_t size)
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

static int map_table(struct remote *remote, const char **why)
{
	/* Private: kernels before 6.7 refuse a shared mapping of a sealed file. */
	void *map = mmap(NULL, remote->table_size, PROT_READ, MAP_PRIVATE, remote->table_fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	remote->table_map = map;
	if (rm_table_check(map, remote->table_size, &remote->table, why))
		return -EPROTO;
	remote->shown = shown_make(&remote->table);
	if (!remote->shown)
		return -ENOMEM;
	remote->data_bytes = shown_pages(&remote->table, remote->shown) * RM_PAGE;
	return 0;
}

/* Of each layer the generation of its file, then of each layer the bitmap of present pages. */
static int make_state(struct remote *remote)
{
	size_t words = remote->table.layer_count;
	uint32_t i;
	void *map;

	for (i = 0; i < remote->table.layer_count; i++)
		words += bitmap_words(&remote->table.layers[i]);
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

/* Room for the caches; their number is the table's. */
static int make_caches(struct remote *remote)
{
	uint32_t i, n = remote->table.layer_count;

	remote->caches = calloc(n ? n : 1, sizeof *remote->caches);
	if (!remote->caches)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		remote->caches[i].fd = -1;
	return 0;
}

static void set_generation(struct remote *remote, uint32_t layer, uint64_t generation)
{
	remote->caches[layer].generation = remote->state_map[layer] = generation;
}

static void put_record(struct remote *remote)
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
		keeper_put(keeper, RECORD_REMOTE, remote->record, &data, sizeof data, fds, count);
		count = 0;
	}
	if (count)
		keeper_put(keeper, RECORD_REMOTE, remote->record, &data, sizeof data, fds, count);
	explicit_bzero(&data, sizeof data);
}

int remote_build(struct remote *remote, const void *table, size_t size, const char **why)
{
	uint64_t *present;
	uint32_t i;
	int error = make_table(remote, table, size);

	if (!error)
		error = map_table(remote, why);
	if (!error)
		error = make_state(remote);
	if (!error)
		error = make_caches(remote);
	if (error)
		return error;
	remote->record = remote->origin = keeper_number(remote->remotes->context->keeper);
	present = remote->state_map + remote->table.layer_count;
	for (i = 0; i < remote->table.layer_count; i++) {
		error = cache_make(&remote->caches[i], remote->table.layers[i].length,
		                   remote->shown[i], present);
		if (error)
			return error;
		set_generation(remote, i, remote->record);
		remote->absent += remote->caches[i].absent;
		present += bitmap_words(&remote->table.layers[i]);
	}
	put_record(remote);
	return 0;
}

/* Is all data of a layer in what the last worker had? */
static bool had_all(const uint64_t *data, const uint64_t *had, size_t words)
{
	size_t i;

	for (i = 0; i < words; i++)
		if (data[i] & ~had[i])
			return false;
	return true;
}

/*
 * Layer i as the last worker left it: fd is its cache, of that generation, taken; had is its
 * bitmap.
 */
static int rebuild_cache(struct remote *remote, uint32_t i, int fd, uint64_t generation,
                         const uint64_t *had, uint64_t *present)
{
	const struct rm_layer_desc *layer = &remote->table.layers[i];
	const uint64_t *data = remote->shown[i];
	size_t words = bitmap_words(layer);
	struct cache *cache = &remote->caches[i];
	uint64_t pages = rm_bit_count(had, layer->length / RM_PAGE);
	int error;

	if (had_all(data, had, words)) {
		memcpy(present, had, words * sizeof *had);
		claim_found(remote, pages);
		error = cache_adopt(cache, fd, layer->length, data, present);
		set_generation(remote, i, generation);
		return error;
	}
	error = cache_make(cache, layer->length, data, present);
	if (error) {
		close(fd);
		return error;
	}
	set_generation(remote, i, remote->record);
	/* The earlier one is there until the keeper lets go: without room for both, read again. */
	if (limit_room(remote->remotes->context) < pages * RM_PAGE) {
		close(fd);
		return 0;
	}
	claim_found(remote, pages);
	return cache_inherit(cache, fd, had);
}

/* used counts the descriptors that were taken; earlier is the last worker's state. */
static int rebuild_caches(struct remote *remote, const int *fds, unsigned *used,
                          const uint64_t *earlier)
{
	uint32_t i, layers = remote->table.layer_count;
	const uint64_t *had = earlier + layers;
	uint64_t *present = remote->state_map + layers;
	size_t words;
	int error;

	for (i = 0; i < layers; i++) {
		words = bitmap_words(&remote->table.layers[i]);
		error = rebuild_cache(remote, i, fds[(*used)++], earlier[i], had, present);
		if (error)
			return error;
		remote->absent += remote->caches[i].absent;
		had += words;
		present += words;
	}
	return 0;
}

/* The state memfd of the last worker, mapped; NULL if it is not what it should be. */
static const uint64_t *map_earlier(const struct remote *remote, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) || (uint64_t)st.st_size != remote->state_size)
		return NULL;
	map = mmap(NULL, remote->state_size, PROT_READ, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

static int rebuild(struct remote *remote, const struct record *record, unsigned *used)
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
	error = map_table(remote, NULL);
	if (error)
		return error;
	if (record->count != remote->table.layer_count + 2)
		return -EPROTO; /* the last worker died while it made the record */
	error = make_state(remote);
	if (!error)
		error = make_caches(remote);
	if (error)
		return error;
	earlier = map_earlier(remote, record->fds[1]);
	if (!earlier)
		return -EPROTO;
	close(record->fds[1]);
	*used = 2;
	remote->record = keeper_number(remote->remotes->context->keeper);
	error = rebuild_caches(remote, record->fds, used, earlier);
	munmap((void *)(uintptr_t)earlier, remote->state_size);
	return error;
}

int remote_rebuild(struct remote *remote, const struct record *record)
{
	unsigned used = 0;
	int error = rebuild(remote, record, &used);

	for (; used < record->count; used++)
		close(record->fds[used]);
	if (!error)
		put_record(remote);
	keeper_delete(remote->remotes->context->keeper, record->number);
	return error;
}

const struct rm_handle *remote_record_handle(const struct record *record)
{
	const struct remote_record *data = record->data;

	return record->length == sizeof *data ? &data->handle : NULL;
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
	free(remote->shown);
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
