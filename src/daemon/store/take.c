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


static int fill(struct store *store, struct publication *publication,
                const struct rm_wire_publish *request, int *layer_fds, char *why, size_t why_size)
{
	uint32_t came = request->layer_count - request->known_layers;
	const char *reason = NULL;
	int ret = publication_take_table(publication, request->table_size, &reason);

	if (ret == 0 && publication->table.layer_count != publication->layer_count) {
		reason = "its table names more or fewer layers than came";
		ret = -EINVAL;
	}
	if (ret == 0)
		ret = publication_find_layers(store, publication, came, &reason);
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
	publication->terms = rm_terms_or(request->terms, store->context->options.terms);
	publication->created_ns = rm_now_ns();
	insert(store, publication);
	return 0;
}

static int add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
               int table_fd, int slot_fd, int *layer_fds,
               struct publication **out, char *why, size_t why_size)
{
	struct publication *publication = publication_new(store, request->layer_count, table_fd, slot_fd);
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

