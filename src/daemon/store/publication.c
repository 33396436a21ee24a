/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication.c - what a publication is made of: its table, its layers, its record
 *
 * Nothing that a publisher or a record says about lengths is believed. Worker thread only;
 * allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "visible.h"

#define SEALS_OF_LAYER (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
#define SEALS (SEALS_OF_LAYER | F_SEAL_SEAL)
#define TABLE_MAX (UINT64_C(1) << 30)

void publication_free(struct publication *publication)
{
	for (uint32_t i = 0; i < publication->layer_count; i++)
		if (publication->layers[i])
			layer_unref(publication->layers[i]);
	if (publication->table.header)
		munmap((void *)(uintptr_t)publication->table.header, publication->table.size);
	if (publication->table_fd >= 0)
		close(publication->table_fd);
	if (publication->slot_fd >= 0)
		close(publication->slot_fd);
	free(publication->layers);
	free(publication->visible);
	free(publication);
}

struct publication *publication_new(struct store *store, uint32_t layers, int table_fd, int slot_fd)
{
	struct publication *publication = calloc(1, sizeof(*publication));

	if (publication)
		publication->layers = calloc(layers ? layers : 1, sizeof(struct stored_layer *));
	if (!publication || !publication->layers) {
		free(publication);
		return NULL;
	}
	publication->store = store;
	publication->table_fd = table_fd;
	publication->slot_fd = slot_fd;
	publication->layer_count = layers;
	return publication;
}

/*
 * A sealed copy of a table that its publisher can still change: checking the original would
 * prove nothing. The copy's descriptor, or -errno.
 */
static int table_copy(int fd, uint64_t size)
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

/* Map a table that nobody can change any more, and check it. Sets table, visible, data_bytes. */
static int table_map(struct publication *publication, uint64_t size, const char **why)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, publication->table_fd, 0);
	int error;

	*why = "no memory for its table";
	if (memory == MAP_FAILED)
		return -errno;
	error = rm_table_check(memory, size, &publication->table, why);
	if (error < 0) {
		publication->table.header = NULL;
		munmap(memory, size);
		return error;
	}
	*why = "no memory for what its table shows";
	publication->visible = visible_make(&publication->table);
	if (!publication->visible)
		return -ENOMEM;
	publication->data_bytes = visible_pages(&publication->table, publication->visible) * RM_PAGE;
	return 0;
}

int publication_take_table(struct publication *publication, uint64_t size, const char **why)
{
	int fd;

	*why = "its table has an impossible size";
	if (size < sizeof(struct rm_table_header) || size > TABLE_MAX)
		return -EINVAL;
	if (!file_sealed(publication->table_fd, SEALS_OF_LAYER, size)) {
		*why = "its table cannot be copied";
		fd = table_copy(publication->table_fd, size);
		if (fd < 0)
			return fd;
		close(publication->table_fd);
		publication->table_fd = fd;
	}
	*why = "no descriptor for its table";
	fd = file_reopen(publication->table_fd);
	if (fd < 0)
		return fd;
	publication->table_fd = fd;
	return table_map(publication, size, why);
}

int publication_find_layers(struct store *store, struct publication *publication, uint32_t first,
                            const char **why)
{
	for (uint32_t i = first; i < publication->layer_count; i++) {
		publication->layers[i] = layers_find(store->layers, &publication->table.layers[i],
		                                     publication->visible[i]);
		if (publication->layers[i])
			continue;
		*why = "it no longer holds what was published before: publish everything again";
		return -ESTALE;
	}
	return 0;
}

/* Table and layers that a record names. On failure the descriptors are the caller's again. */
static int record_take(struct store *store, struct publication *publication,
                       const struct publication_record *record)
{
	const char *why;
	struct stat st;

	if (fstat(publication->table_fd, &st) < 0 ||
	    table_map(publication, (uint64_t)st.st_size, &why) < 0 ||
	    publication->table.layer_count != record->layer_count ||
	    publication_find_layers(store, publication, 0, &why) < 0) {
		publication->table_fd = publication->slot_fd = -1;
		return -EINVAL;
	}
	return 0;
}

struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds)
{
	struct publication *publication = publication_new(store, record->layer_count, fds[0],
	                                                  record->has_slot ? fds[1] : -1);

	if (!publication)
		return NULL;
	if (record_take(store, publication, record) < 0) {
		publication_free(publication);
		return NULL;
	}
	memcpy(publication->id, record->id, RM_ID_BYTES);
	memcpy(publication->secret, record->secret, RM_SECRET_BYTES);
	publication->terms = record->terms;
	publication->admitted = record->admitted;
	publication->slot = record->slot;
	publication->publisher_pid = record->publisher_pid;
	publication->unpublished = record->unpublished;
	publication->revoked = record->revoked;
	publication->created_ns = record->created_ns;
	publication->served_bytes = record->served_bytes;
	return publication;
}
