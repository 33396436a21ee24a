/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * take.c - takes over what a publisher hands in, and checks it
 *
 * A publisher has our own uid and may still be broken. What it could change later (a table, a
 * layer that is not sealed) is refused or copied, and lengths are measured. Worker thread only;
 * allocates.
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
#include "internal.h"

/* ---- layers ---- */

/* The first layers, whose files came. layers_take() owns each descriptor that it is given. */
static int publication_take_layers(struct store *store, struct publication *publication,
                                   int *layer_fds, uint32_t came, const char **why)
{
	const struct rm_layer_desc *descs = publication->table.layers;
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < came; i++) {
		error = layers_take(store->layers, &descs[i], layer_fds[i], &publication->layers[i], why);
		layer_fds[i] = -1;
	}
	return error;
}

/* Its table and layers, as far as RMMAP_LIMIT allows. 0, or -errno with the reason in why. */
static int publication_fill(struct store *store, struct publication *publication,
                            const struct rm_wire_publish *request, int *layer_fds, char *why,
                            size_t why_size)
{
	uint32_t came = request->layer_count - request->known_layers;
	const char *reason = NULL;
	int error = publication_take_table(publication, request->table_size, &reason);

	if (error == 0 && publication->table.layer_count != publication->layer_count) {
		reason = "its table names more or fewer layers than came";
		error = -EINVAL;
	}
	if (error == 0)
		error = publication_find_layers(store, publication, came, &reason);
	if (error == 0)
		error = publication_take_layers(store, publication, layer_fds, came, &reason);
	if (error < 0) {
		rm_format(why, why_size, "rmmapd refused the publication: %s", reason);
		return error;
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

/* The keeper gets the layers first: a record never names a layer that the keeper has not. */
static void publication_insert(struct store *store, struct publication *publication)
{
	int fds[2] = { publication->table_fd, publication->slot_fd };

	for (uint32_t i = 0; i < publication->layer_count; i++)
		layer_keep(publication->layers[i]);
	publication->record = keeper_number(publication->store->context->keeper);
	store_insert(store, publication);
	store_lease(publication);
	store_save(publication, fds, publication->slot_fd >= 0 ? 2 : 1);
}

static int publication_add_new(struct store *store, const struct rm_wire_publish *request,
                               uint32_t publisher_pid, struct publication *publication,
                               int *layer_fds, char *why, size_t why_size)
{
	int error = publication_fill(store, publication, request, layer_fds, why, why_size);

	if (error < 0)
		return error;
	memcpy(publication->id, request->id, RM_ID_BYTES);
	memcpy(publication->secret, request->secret, RM_SECRET_BYTES);
	publication->slot = request->slot;
	publication->publisher_pid = publisher_pid;
	publication->terms = rm_terms_or(request->terms, store->context->options.terms);
	publication->created_ns = rm_now_ns();
	publication_insert(store, publication);
	return 0;
}

static int publication_add(struct store *store, const struct rm_wire_publish *request,
                           uint32_t publisher_pid, int table_fd, int slot_fd, int *layer_fds,
                           struct publication **out, char *why, size_t why_size)
{
	struct publication *publication = publication_new(store, request->layer_count, table_fd,
	                                                  slot_fd);
	int error;

	if (!publication) {
		close(table_fd);
		if (slot_fd >= 0)
			close(slot_fd);
		rm_format(why, why_size, "rmmapd has no memory for it");
		return -ENOMEM;
	}
	error = publication_add_new(store, request, publisher_pid, publication, layer_fds, why, why_size);
	if (error < 0)
		publication_free(publication);
	else
		*out = publication;
	return error;
}

/* The publisher asks again after RM_RESTARTED, and its first request had succeeded. */
static int publication_add_again(struct publication *publication,
                                 const struct rm_wire_publish *request, int table_fd, int slot_fd,
                                 char *why, size_t why_size)
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
	int error;

	*out = publication;
	if (publication)
		error = publication_add_again(publication, request, table_fd, slot_fd, why, why_size);
	else
		error = publication_add(store, request, publisher_pid, table_fd, slot_fd, layer_fds, out,
		          why, why_size);
	/* The descriptors that layers_take() was not given. */
	for (uint32_t i = 0; i < request->layer_count - request->known_layers; i++)
		if (layer_fds[i] >= 0)
			close(layer_fds[i]);
	return error;
}
