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

#include "../../common/channel.h"
#include "visible.h"
#include "internal.h"

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
	free(publication->shown);
	free(publication);
}

/* ---- files ---- */

/*
 * Only descriptors that were opened O_RDONLY after the seal may leave rmmapd: the kernel of
 * Debian 12 refuses even read-only shared mappings of a sealed file through a writable one.
 * Where /proc is not mounted, the descriptor stays as it is.
 */
int file_reopen(int fd)
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

bool file_sealed(int fd, int seals, uint64_t length)
{
	int has = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return has >= 0 && (has & seals) == seals && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == length;
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
		return ret;
	}
	*why = "no memory for what its table shows";
	publication->shown = shown_make(&publication->table);
	if (!publication->shown)
		return -ENOMEM;
	publication->data_bytes = shown_pages(&publication->table, publication->shown) * RM_PAGE;
	return 0;
}

static int take_table(struct publication *publication, uint64_t size, const char **why)
{
	int fd;

	*why = "its table has an impossible size";
	if (size < sizeof(struct rm_table_header) || size > TABLE_MAX)
		return -EINVAL;
	if (!file_sealed(publication->table_fd, SEALS_OF_LAYER, size)) {
		*why = "its table cannot be copied";
		fd = copy_table(publication->table_fd, size);
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
	return map_table(publication, size, why);
}

/* ---- layers ---- */

/* Those that came; each descriptor is the registry's from here, also where it refuses. */
static int take_layers(struct store *store, struct publication *publication, int *layer_fds,
                       uint32_t came, const char **why)
{
	const struct rm_layer_desc *descs = publication->table.layers;
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < came; i++) {
		ret = layers_take(store->layers, &descs[i], layer_fds[i], &publication->layers[i], why);
		layer_fds[i] = -1;
	}
	return ret;
}

static int find_layers(struct store *store, struct publication *publication, uint32_t first,
                       const char **why)
{
	for (uint32_t i = first; i < publication->layer_count; i++) {
		publication->layers[i] = layers_find(store->layers, &publication->table.layers[i],
		                                     publication->shown[i]);
		if (publication->layers[i])
			continue;
		*why = "it no longer holds what was published before: publish everything again";
		return -ESTALE;
	}
	return 0;
}

static struct publication *create(struct store *store, uint32_t layers, int table_fd, int slot_fd)
{
	struct publication *publication = calloc(1, sizeof(*publication));

	if (publication)
		publication->layers = calloc(layers ? layers : 1, sizeof(struct layer *));
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


static int fill(struct store *store, struct publication *publication,
                const struct rm_wire_publish *request, int *layer_fds, char *why, size_t why_size)
{
	uint32_t came = request->layer_count - request->known_layers;
	const char *reason = NULL;
	int ret = take_table(publication, request->table_size, &reason);

	if (ret == 0 && publication->table.layer_count != publication->layer_count) {
		reason = "its table names more or fewer layers than came";
		ret = -EINVAL;
	}
	if (ret == 0)
		ret = find_layers(store, publication, came, &reason);
	if (ret == 0)
		ret = take_layers(store, publication, layer_fds, came, &reason);
	if (ret < 0) {
		rm_format(why, why_size, "rmmapd refused the publication: %s", reason);
		return ret;
	}
	if (!limit_admits(store->context, publication->table.size)) {
		rm_format(why, why_size, "rmmapd may hold %llu bytes, and with this publication of "
		          "%llu would hold %llu: unpublish something, or raise RMMAP_LIMIT",
		          (unsigned long long)store->context->options.limit,
		          (unsigned long long)(publication->data_bytes + publication->table.size),
		          (unsigned long long)(limit_held(store->context) +
		                               publication->table.size));
		return -ENOSPC;
	}
	return 0;
}

/* ---- into the store ---- */

/* Its layers are kept before it is: a record never names what the keeper does not have. */
static void insert(struct store *store, struct publication *publication)
{
	int fds[2] = { publication->table_fd, publication->slot_fd };

	for (uint32_t i = 0; i < publication->layer_count; i++)
		layer_keep(publication->layers[i]);
	publication->record = keeper_number(publication->store->context->keeper);
	store_insert(store, publication);
	store_lease(publication);
	store_save(publication, fds, publication->slot_fd >= 0 ? 2 : 1);
}

static int add_new(struct store *store, const struct rm_wire_publish *request,
                   uint32_t publisher_pid, struct publication *publication, int *layer_fds,
                   char *why, size_t why_size)
{
	int ret = fill(store, publication, request, layer_fds, why, why_size);

	if (ret < 0)
		return ret;
	memcpy(publication->id, request->id, RM_ID_BYTES);
	memcpy(publication->secret, request->secret, RM_SECRET_BYTES);
	publication->slot = request->slot;
	publication->publisher_pid = publisher_pid;
	publication->readers = request->readers;
	publication->ttl_ms = request->ttl_ms ? request->ttl_ms : store->context->options.ttl_ms;
	publication->created_ns = rm_now_ns();
	insert(store, publication);
	return 0;
}

static int add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
               int table_fd, int slot_fd, int *layer_fds,
               struct publication **out, char *why, size_t why_size)
{
	struct publication *publication = create(store, request->layer_count, table_fd, slot_fd);
	int ret;

	if (!publication) {
		close(table_fd);
		if (slot_fd >= 0)
			close(slot_fd);
		rm_format(why, why_size, "rmmapd has no memory for it");
		return -ENOMEM;
	}
	ret = add_new(store, request, publisher_pid, publication, layer_fds, why, why_size);
	if (ret < 0)
		publication_free(publication);
	else
		*out = publication;
	return ret;
}

/* Asked again after RM_RESTARTED: the first one was taken. */
static int add_again(struct publication *publication, const struct rm_wire_publish *request,
                     int table_fd, int slot_fd, char *why, size_t why_size)
{
	close(table_fd);
	if (slot_fd >= 0)
		close(slot_fd);
	if (sodium_memcmp(publication->secret, request->secret, RM_SECRET_BYTES) == 0)
		return 0;
	rm_format(why, why_size, "another publication has this id already");
	return -EINVAL;
}

int store_add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
              int table_fd, int slot_fd, int *layer_fds,
              struct publication **out, char *why, size_t why_size)
{
	struct publication *publication = store_find(store, request->id);
	int ret;

	*out = publication;
	if (publication)
		ret = add_again(publication, request, table_fd, slot_fd, why, why_size);
	else
		ret = add(store, request, publisher_pid, table_fd, slot_fd, layer_fds, out,
		          why, why_size);
	/* those that the registry did not take */
	for (uint32_t i = 0; i < request->layer_count - request->known_layers; i++)
		if (layer_fds[i] >= 0)
			close(layer_fds[i]);
	return ret;
}

/* Descriptors stay the caller's where this fails. */
static int from_record(struct store *store, struct publication *publication,
                       const struct publication_record *record)
{
	const char *why;
	struct stat st;

	if (fstat(publication->table_fd, &st) < 0 ||
	    map_table(publication, (uint64_t)st.st_size, &why) < 0 ||
	    publication->table.layer_count != record->layer_count ||
	    find_layers(store, publication, 0, &why) < 0) {
		publication->table_fd = publication->slot_fd = -1;
		return -EINVAL;
	}
	return 0;
}

struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds)
{
	struct publication *publication = create(store, record->layer_count, fds[0],
	                                         record->has_slot ? fds[1] : -1);

	if (!publication)
		return NULL;
	if (from_record(store, publication, record) < 0) {
		publication_free(publication);
		return NULL;
	}
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
