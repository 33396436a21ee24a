/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_publish.c - a process hands a snapshot in, or ends a publication
 *
 * Worker thread only. Layers come 64 descriptors at a time; until the last one is
 * here nothing is promised, and nothing outlives the worker.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fabric/fabric.h"
#include "internal.h"
#include "../peer/peer.h"

struct gather {
	struct rm_wire_publish request;
	int table_fd, slot_fd;
	int *layer_fds;
	uint32_t have, come;            /* layers: so many of so many are here */
	struct upstream *upstream;      /* of other hosts, being completed; or NULL */
};

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* The secret is in it. */
static void gather_free(struct gather *gather)
{
	upstream_free(gather->upstream);
	free(gather->layer_fds);
	sodium_memzero(gather, sizeof(*gather));
	free(gather);
}

void publish_forget(struct connection *connection)
{
	struct gather *gather = connection->gather;

	if (!gather)
		return;
	connection->gather = NULL;
	if (gather->upstream)
		connection_idle(connection);
	close(gather->table_fd);
	if (gather->slot_fd >= 0)
		close(gather->slot_fd);
	close_all(gather->layer_fds, gather->have);
	gather_free(gather);
}

bool publish_no_fds(struct connection *connection)
{
	if (!connection->gather)
		return false;
	connection_reply(connection, connection->gather->request.head.seq, -EMFILE, NO_FDS_TEXT);
	publish_forget(connection);
	return true;
}

/* ---- the handle ---- */

/* Does a failure to open it mean that the place which RMMAP_FABRIC names cannot be had? */
static bool misplaced(struct local *local, const char *text, int error)
{
	struct rm_fabric_spec spec;

	if (!text[0] && local->context->options.fabric)
		text = local->context->options.fabric;
	if (rm_fabric_spec_parse(text, &spec) < 0)
		return true;
	return error == -EINVAL || (error == -EADDRNOTAVAIL && spec.address[0]) ||
	       ((error == -EADDRINUSE || error == -EACCES) && spec.port);
}

/*
 * Where other hosts find it. A provider, an address or a port that was asked for and cannot be
 * had fails the publish: its handle would be of no use where it was to be used. Another fabric
 * that does not open leaves a publication for this host, and the log says why.
 */
static int reachable_at(struct local *local, const char *spec, struct rm_fabric_addr *addr)
{
	struct peers *peers;
	int ret = nets_publish(local->nets, spec, &peers);

	memset(addr, 0, sizeof(*addr));
	if (ret == 0)
		*addr = *fabric_addr(peers_fabric(peers));
	return ret < 0 && misplaced(local, spec, ret) ? ret : 0;
}

static int reply_handle(struct connection *connection, uint64_t seq,
                        const struct publication *publication, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle = { .layout = rm_layout_here(), .fabric = *addr };
	char text[RM_HANDLE_TEXT_MAX];
	int ret;

	memcpy(handle.id, publication->id, RM_ID_BYTES);
	memcpy(handle.secret, publication->secret, RM_SECRET_BYTES);
	memcpy(handle.host, connection->client->local->context->host, RM_ID_BYTES);
	ret = rm_handle_encode(&handle, text, sizeof(text));
	if (ret < 0)
		connection_reply(connection, seq, ret, "the fabric's address does not fit a handle: "
		                 "name another provider in RMMAP_FABRIC");
	else
		connection_reply(connection, seq, 0, text);
	sodium_memzero(&handle, sizeof(handle));
	sodium_memzero(text, sizeof(text));
	return ret;
}

/* ---- RM_PUBLISH ---- */

static void refuse(struct connection *connection, int error, const char *why)
{
	connection_reply(connection, connection->gather->request.head.seq, error, why);
	publish_forget(connection);
}

/*
 * A publisher that gave up waiting was told that nothing is published. Where the id was
 * known before, somebody may have the handle.
 */
static void add(struct connection *connection)
{
	struct gather *gather = connection->gather;
	const struct rm_wire_publish *request = &gather->request;
	struct local *local = connection->client->local;
	bool known = store_find(local->store, request->id) != NULL;
	struct publication *publication;
	struct rm_fabric_addr addr;
	char why[RM_TEXT_MAX] = "";
	int ret = reachable_at(local, request->fabric, &addr);

	if (ret < 0) {
		refuse(connection, ret, nets_why(local->nets));
		return;
	}
	connection->gather = NULL;
	ret = store_add(local->store, request, connection->client->pid, gather->table_fd,
	                gather->slot_fd, gather->layer_fds, &publication, why, sizeof(why));
	if (ret < 0)
		connection_reply(connection, request->head.seq, ret, why);
	else if ((reply_handle(connection, request->head.seq, publication, &addr) < 0 ||
	          connection->deaf) && !known)
		store_unpublish(publication);
	else
		layers_hold(store_layers(local->store), &connection->client->holding,
		            publication->layers, publication->layer_count);
	gather_free(gather);
}

static void upstream_here(void *arg, int error)
{
	struct connection *connection = arg;

	connection_idle(connection);
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		refuse(connection, error, "rmmapd has no memory or descriptors left for what this "
		       "publication refers to: unpublish something, or raise its limits");
	else if (error == -ENOSPC)
		refuse(connection, error, connection->client->local->context->limit.why);
	else if (error < 0)
		refuse(connection, -EHOSTUNREACH, "this publication refers to pages of another "
		       "host's that are not here yet and could not be fetched: that host does not "
		       "answer, or has revoked them");
	else
		add(connection);
}

/* Its own layers are. Those of other hosts that it refers to are made complete first. */
static void all_here(struct connection *connection)
{
	struct gather *gather = connection->gather;

	if (upstream_new(connection->client, &gather->request, gather->table_fd,
	                 &gather->upstream) < 0) {
		refuse(connection, -ENOMEM, "rmmapd has no memory for the request");
	} else if (gather->upstream) {
		connection_busy(connection, gather->request.head.seq);
		upstream_start(gather->upstream, upstream_here, connection);
	} else {
		add(connection);
	}
}

static struct gather *gather_new(const struct rm_wire_publish *request, const int *fds)
{
	struct gather *gather = calloc(1, sizeof(*gather));

	if (!gather)
		return NULL;
	gather->request = *request;
	gather->table_fd = fds[0];
	gather->slot_fd = request->has_slot_lock ? fds[1] : -1;
	gather->come = request->layer_count - request->known_layers;
	gather->layer_fds = calloc(gather->come ? gather->come : 1, sizeof(int));
	if (!gather->layer_fds) {
		free(gather);
		return NULL;
	}
	return gather;
}

static int acceptable(struct local *local, const struct rm_wire_publish *request, unsigned count,
                  const char **why)
{
	*why = "rmmapd is stopping: publish again when it is gone";
	if (local->context->draining)
		return -ECONNREFUSED;
	*why = "rmmapd got a publish request without its descriptors, or with too many layers";
	if (count != 1u + (request->has_slot_lock != 0) || request->has_slot_lock > 1 ||
	    request->layer_count > RM_TABLE_LAYERS_MAX || request->known_layers > request->layer_count)
		return -EINVAL;
	return 0;
}

void request_publish(struct connection *connection, const void *message, const int *fds,
                     unsigned count)
{
	const struct rm_wire_publish *request = message;
	const char *why;
	int ret = acceptable(connection->client->local, request, count, &why);

	publish_forget(connection);
	if (ret == 0) {
		connection->gather = gather_new(request, fds);
		why = "rmmapd has no memory for the request";
		ret = connection->gather ? 0 : -ENOMEM;
	}
	if (ret < 0) {
		close_all(fds, count);
		connection_reply(connection, request->head.seq, ret, why);
		return;
	}
	if (connection->gather->come == 0)
		all_here(connection);
}

/* Layers of a publish that was refused already still come: they are dropped. */
void request_layers(struct connection *connection, const void *message, const int *fds,
                    unsigned count)
{
	const struct rm_wire_layers *request = message;
	struct gather *gather = connection->gather;

	if (!gather || request->head.seq != gather->request.head.seq) {
		close_all(fds, count);
		return;
	}
	if (!count || request->count != count || request->first != gather->have ||
	    count > gather->come - gather->have) {
		close_all(fds, count);
		connection_fail(connection);
		return;
	}
	memcpy(gather->layer_fds + gather->have, fds, count * sizeof(int));
	gather->have += count;
	if (gather->have == gather->come)
		all_here(connection);
}

/* ---- RM_UNPUBLISH ---- */

static int by_handle(struct local *local, const char *text, struct publication **out,
                     const char **why)
{
	struct rm_handle handle;
	int ret = rm_handle_decode(text, &handle);

	*out = NULL;
	*why = "this is not a handle, or it was damaged on its way: copy all of it";
	if (ret == 0)
		*out = store_find(local->store, handle.id);
	if (ret == -EPROTO)
		*why = "the handle is of another version of rmmap, or of a host with another layout";
	if (ret == 0 && *out) {
		*why = "the handle's secret is wrong: it is not the handle of this publication";
		ret = sodium_memcmp(handle.secret, (*out)->secret, RM_SECRET_BYTES) ? -EACCES : 0;
	} else if (ret == 0 && memcmp(handle.host, local->context->host, RM_ID_BYTES) != 0) {
		*why = "a publication is ended or moved only on the host and in the run directory "
		       "where it was made, and this is another one";
		ret = -EACCES;
	} else if (ret == 0) {
		*why = "the publication is gone already: unpublished, expired, or rmmapd was "
		       "restarted since";
		ret = -ENOENT;
	}
	sodium_memzero(&handle, sizeof(handle));
	return ret;
}

static int by_short_id(struct local *local, const char *text, struct publication **out,
                       const char **why)
{
	int ret = store_find_short(local->store, text, out);

	*why = "no publication of this host has that id: see rmmap list";
	if (ret == -EEXIST) {
		*why = "more than one publication has an id that begins so: give all 8 digits";
		return -EINVAL;
	}
	return ret;
}

int publication_named(struct local *local, const char *name, struct publication **out,
                      const char **why)
{
	if (strncmp(name, "rmmap", 5) == 0)
		return by_handle(local, name, out, why);
	return by_short_id(local, name, out, why);
}

void request_unpublish(struct connection *connection, const void *message)
{
	const struct rm_wire_name *request = message;
	struct local *local = connection->client->local;
	struct publication *publication;
	const char *why;
	int ret = publication_named(local, request->name, &publication, &why);

	/* What was unpublished before can still be revoked. */
	if (ret == 0 && (request->revoke ? publication->revoked : publication->unpublished)) {
		why = request->revoke ? "the publication was revoked before"
		                      : "the publication was unpublished before";
		ret = -ENOENT;
	}
	if (ret == 0 && request->revoke)
		store_revoke(publication);
	else if (ret == 0)
		store_unpublish(publication);
	connection_reply(connection, request->head.seq, ret, ret < 0 ? why : "");
}
