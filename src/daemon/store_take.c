/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_take.c - take over what a publisher hands in, checked
 *
 * Worker thread only. A publisher is of our own uid and may still be broken: what
 * could change under us later (a table, a layer that is not sealed) is refused or
 * copied, and nothing is believed about lengths.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/channel.h"
#include "store_internal.h"

#define SEALS_OF_LAYER (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
#define SEALS (SEALS_OF_LAYER | F_SEAL_SEAL)
#define TABLE_MAX (UINT64_C(1) << 30)

void publication_free(struct publication *publication)
{
	for (uint32_t i = 0; i < publication->layer_count; i++) {
		struct layer *layer = &publication->layers[i];

		if (layer->map)
			munmap(layer->map, layer->length);
		if (layer->fd >= 0)
			close(layer->fd);
	}
	if (publication->table.header)
		munmap((void *)(uintptr_t)publication->table.header, publication->table.size);
	if (publication->table_fd >= 0)
		close(publication->table_fd);
	if (publication->slot_fd >= 0)
		close(publication->slot_fd);
	free(publication->layers);
	free(publication);
}

/* ---- files ---- */

/*
 * The same file, but nobody who gets this descriptor can write: some kernels refuse
 * mappings of writable ones. Where /proc is not there the seals alone must do.
 */
static int reopen(int fd)
{
	char path[32];
	int again;

	rm_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : fd;
	close(fd);
	return again;
}

static bool sealed(int fd, int seals, uint64_t length)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == length &&
	       (fcntl(fd, F_GET_SEALS) & seals) == seals && fcntl(fd, F_GET_SEALS) >= 0;
}

/* A table that its publisher could still change would be checked in vain. */
static int copy_table(int fd, uint64_t size)
{
	int copy = memfd_create("rmmap-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t from = 0;

	if (copy < 0)
		return -errno;
	while ((uint64_t)from < size) {
		uint8_t buffer[16384];
		uint64_t left = size - (uint64_t)from;
		ssize_t n = pread(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer), from);

		if (n <= 0 || write(copy, buffer, (size_t)n) != n) {
			int error = n < 0 ? errno : EINVAL;

			close(copy);
			return -error;
		}
		from += n;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0) {
		int error = errno;

		close(copy);
		return -error;
	}
	return copy;
}

/* ---- the table ---- */

static int map_table(struct publication *publication, uint64_t size, const char **why)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, publication->table_fd, 0);
	int ret;

	*why = "no memory for its table";
	if (memory == MAP_FAILED)
		return -errno;
	ret = rm_table_check(memory, size, &publication->table, why);
	if (ret < 0) {
		publication->table.header = NULL;
		munmap(memory, size);
	}
	return ret;
}

static void count_data(struct publication *publication)
{
	const struct rm_table *table = &publication->table;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < table->layer_count; i++)
		pages += rm_bit_count(rm_table_view_bitmap(table, i),
		                      table->layers[i].length / RM_PAGE);
	publication->data_bytes = pages * RM_PAGE;
}

static int take_table(struct publication *publication, uint64_t size, const char **why)
{
	int fd;

	*why = "its table has an impossible size";
	if (size < sizeof(struct rm_table_header) || size > TABLE_MAX)
		return -EINVAL;
	if (!sealed(publication->table_fd, SEALS_OF_LAYER, size)) {
		*why = "its table cannot be copied";
		fd = copy_table(publication->table_fd, size);
		if (fd < 0)
			return fd;
		close(publication->table_fd);
		publication->table_fd = fd;
	}
	*why = "no descriptor for its table";
	fd = reopen(publication->table_fd);
	if (fd < 0)
		return fd;
	publication->table_fd = fd;
	return map_table(publication, size, why);
}

/* ---- layers ---- */

static int take_layer(struct publication *publication, uint32_t index, const char **why)
{
	struct layer *layer = &publication->layers[index];
	int fd;

	layer->length = publication->table.layers[index].length;
	*why = "a layer is not a sealed memfd of the length that the table says";
	if (!sealed(layer->fd, SEALS, layer->length))
		return -EINVAL;
	*why = "no descriptor for a layer: raise the limit of rmmapd (ulimit -n, LimitNOFILE=)";
	fd = reopen(layer->fd);
	if (fd < 0)
		return fd;
	layer->fd = fd;
	return 0;
}

static struct publication *create(struct store *store, uint32_t layers, int table_fd, int slot_fd,
                                  const int *layer_fds)
{
	struct publication *publication = calloc(1, sizeof(*publication));

	if (publication)
		publication->layers = calloc(layers ? layers : 1, sizeof(struct layer));
	if (!publication || !publication->layers) {
		free(publication);
		return NULL;
	}
	publication->worker = store->worker;
	publication->table_fd = table_fd;
	publication->slot_fd = slot_fd;
	publication->layer_count = layers;
	for (uint32_t i = 0; i < layers; i++)
		publication->layers[i].fd = layer_fds[i];
	return publication;
}

static int fill(struct store *store, struct publication *publication,
                const struct rm_wire_publish *request, char *why, size_t why_size)
{
	uint64_t limit = store->worker->options.limit;
	const char *reason = NULL;
	int ret = take_table(publication, request->table_size, &reason);

	if (ret == 0 && publication->table.layer_count != publication->layer_count) {
		reason = "its table names more or fewer layers than came";
		ret = -EINVAL;
	}
	if (ret == 0) {
		count_data(publication);
		if (limit && (publication_bytes(publication) > limit ||
		    store->bytes > limit - publication_bytes(publication))) {
			rm_format(why, why_size, "rmmapd holds %llu of %llu bytes and this publication "
			          "has %llu: unpublish something, or raise RMMAP_LIMIT",
			          (unsigned long long)store->bytes, (unsigned long long)limit,
			          (unsigned long long)publication_bytes(publication));
			return -ENOSPC;
		}
	}
	for (uint32_t i = 0; ret == 0 && i < publication->layer_count; i++)
		ret = take_layer(publication, i, &reason);
	if (ret < 0)
		rm_format(why, why_size, "rmmapd refused the publication: %s", reason);
	return ret;
}

/* ---- into the store ---- */

/* Table, slot and layers go in several messages: a count that is short shows in a restart. */
static int insert(struct store *store, struct publication *publication)
{
	uint32_t count = publication->layer_count;
	int *fds = calloc((size_t)count + 2, sizeof(int));

	if (!fds)
		return -ENOMEM;
	fds[0] = publication->table_fd;
	fds[1] = publication->slot_fd >= 0 ? publication->slot_fd : publication->table_fd;
	for (uint32_t i = 0; i < count; i++)
		fds[2 + i] = publication->layers[i].fd;
	publication->record = keeper_number(publication->worker->keeper);
	store_insert(store, publication);
	store_lease(publication);
	store_save(publication, fds, count + 2);
	free(fds);
	return 0;
}

static void close_refused(const struct rm_wire_publish *request, int table_fd, int slot_fd,
                          const int *layer_fds)
{
	close(table_fd);
	if (slot_fd >= 0)
		close(slot_fd);
	for (uint32_t i = 0; i < request->layer_count; i++)
		close(layer_fds[i]);
}

static int add_new(struct store *store, const struct rm_wire_publish *request,
                   uint32_t publisher_pid, struct publication *publication,
                   char *why, size_t why_size)
{
	int ret = fill(store, publication, request, why, why_size);

	if (ret < 0)
		return ret;
	memcpy(publication->id, request->id, RM_ID_BYTES);
	memcpy(publication->secret, request->secret, RM_SECRET_BYTES);
	publication->slot = request->slot;
	publication->publisher_pid = publisher_pid;
	publication->readers = request->readers;
	publication->ttl_ms = request->ttl_ms ? request->ttl_ms : store->worker->options.ttl_ms;
	publication->created_ns = rm_now_ns();
	return insert(store, publication);
}

int store_add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
              int table_fd, int slot_fd, int *layer_fds,
              struct publication **out, char *why, size_t why_size)
{
	struct publication *publication = store_find(store, request->id);
	int ret = 0;

	*out = publication;
	if (publication) {
		/* asked again after RM_RESTARTED: the first one was taken */
		close_refused(request, table_fd, slot_fd, layer_fds);
		if (sodium_memcmp(publication->secret, request->secret, RM_SECRET_BYTES) == 0)
			return 0;
		rm_format(why, why_size, "another publication has this id already");
		return -EINVAL;
	}
	publication = create(store, request->layer_count, table_fd, slot_fd, layer_fds);
	if (!publication) {
		close_refused(request, table_fd, slot_fd, layer_fds);
		rm_format(why, why_size, "rmmapd has no memory for it");
		return -ENOMEM;
	}
	ret = add_new(store, request, publisher_pid, publication, why, why_size);
	if (ret < 0) {
		publication_free(publication);
		return ret;
	}
	*out = publication;
	return 0;
}

struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds)
{
	struct publication *publication = create(store, record->layer_count, fds[0],
	                                         record->has_slot ? fds[1] : -1, fds + 2);
	const char *why;
	struct stat st;

	if (!publication)
		return NULL;
	if (fstat(fds[0], &st) < 0 || map_table(publication, (uint64_t)st.st_size, &why) < 0 ||
	    publication->table.layer_count != record->layer_count) {
		if (publication->table.header)
			munmap((void *)(uintptr_t)publication->table.header, publication->table.size);
		free(publication->layers);
		free(publication);
		return NULL;
	}
	if (!record->has_slot)
		close(fds[1]);
	for (uint32_t i = 0; i < record->layer_count; i++)
		publication->layers[i].length = publication->table.layers[i].length;
	count_data(publication);
	memcpy(publication->id, record->id, RM_ID_BYTES);
	memcpy(publication->secret, record->secret, RM_SECRET_BYTES);
	publication->readers = record->readers;
	publication->ttl_ms = record->ttl_ms;
	publication->admitted = record->admitted;
	publication->slot = record->slot;
	publication->publisher_pid = record->publisher_pid;
	publication->unpublished = record->unpublished;
	publication->revoked = record->revoked;
	publication->created_ns = record->created_ns;
	publication->served_bytes = record->served_bytes;
	return publication;
}
