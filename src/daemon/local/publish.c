/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish.c - a process hands in a snapshot (RM_PUBLISH, RM_LAYERS), or ends a publication
 *
 * Worker thread only; allocates. Layers come with up to 64 descriptors in a message. Until the last
 * one is here nothing is promised, so nothing of the publish outlives the worker: the client sends
 * it again.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fabric/fabric.h"
#include "internal.h"
#include "../peer/peer.h"

/* A publish whose layers are coming. It owns the descriptors until store_add() takes them. */
struct incoming_publish {
	struct rm_wire_publish request; /* contains the secret: cleared before it is freed */
	int table_fd, slot_fd;          /* slot_fd is -1 if there is no slot lock */
	int *layer_fds;                 /* the first HAVE of COME are valid */
	uint32_t have, come;            /* layers that are here, and that come: have <= come */
	struct upstream *upstream;      /* layers of other hosts that are being fetched, or NULL;
	                                   then the connection is busy */
};

static void descriptors_close(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* Without closing its descriptors. Clears the secret. */
static void incoming_publish_free(struct incoming_publish *incoming)
{
	upstream_free(incoming->upstream);
	free(incoming->layer_fds);
	sodium_memzero(incoming, sizeof(*incoming));
	free(incoming);
}

void publish_forget(struct connection *connection)
{
	struct incoming_publish *incoming = connection->publish;

	if (!incoming)
		return;
	connection->publish = NULL;
	if (incoming->upstream)
		connection_idle(connection);
	close(incoming->table_fd);
	if (incoming->slot_fd >= 0)
		close(incoming->slot_fd);
	descriptors_close(incoming->layer_fds, incoming->have);
	incoming_publish_free(incoming);
}

bool publish_no_fds(struct connection *connection)
{
	if (!connection->publish)
		return false;
	connection_reply(connection, connection->publish->request.head.seq, -EMFILE, NO_FDS_TEXT);
	publish_forget(connection);
	return true;
}

/* ---- the handle ---- */

/*
 * The fabric that TEXT names (RMMAP_FABRIC) could not be opened. True if the user has asked for a
 * provider, an address or a port that cannot be used.
 */
static bool fabric_is_misplaced(struct local *local, const char *text, int error)
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
 * The address at which other hosts reach the publication. If the user has asked for a provider, an
 * address or a port that cannot be used, the publish fails: its handle would be useless where it
 * is meant to be used. If the fabric does not open for another reason, the publication is for this
 * host only, its address is all zero, and the log says why.
 */
static int publish_reach(struct local *local, const char *spec, struct rm_fabric_addr *addr)
{
	struct peers *peers;
	int error = nets_publish(local->nets, spec, &peers);

	memset(addr, 0, sizeof(*addr));
	if (error == 0)
		*addr = *fabric_addr(peers_fabric(peers));
	return error < 0 && fabric_is_misplaced(local, spec, error) ? error : 0;
}

static int publish_reply_handle(struct connection *connection, uint64_t seq,
                                const struct publication *publication,
                                const struct rm_fabric_addr *addr)
{
	struct rm_handle handle = { .layout = rm_layout_here(), .fabric = *addr };
	char text[RM_HANDLE_TEXT_MAX];
	int error;

	memcpy(handle.id, publication->id, RM_ID_BYTES);
	memcpy(handle.secret, publication->secret, RM_SECRET_BYTES);
	memcpy(handle.host, connection->client->local->context->host, RM_ID_BYTES);
	error = rm_handle_encode(&handle, text, sizeof(text));
	if (error < 0)
		connection_reply(connection, seq, error, "the fabric's address does not fit a handle: "
		                 "name another provider in RMMAP_FABRIC");
	else
		connection_reply(connection, seq, 0, text);
	sodium_memzero(&handle, sizeof(handle));
	sodium_memzero(text, sizeof(text));
	return error;
}

/* ---- RM_PUBLISH ---- */

/* Answer the publish under way by an error, and drop it. */
static void publish_refuse(struct connection *connection, int error, const char *why)
{
	connection_reply(connection, connection->publish->request.head.seq, error, why);
	publish_forget(connection);
}

/*
 * All layers are here: make the publication. A publisher that has given up waiting has told its
 * program that nothing is published, so the publication is ended again. If it was known before,
 * this is the same request sent again, and another process may have the handle already.
 */
static void publish_add(struct connection *connection)
{
	struct incoming_publish *incoming = connection->publish;
	const struct rm_wire_publish *request = &incoming->request;
	struct local *local = connection->client->local;
	bool known = store_find(local->store, request->id) != NULL;
	struct publication *publication;
	struct rm_fabric_addr addr;
	char why[RM_TEXT_MAX] = "";
	int error = publish_reach(local, request->fabric, &addr);

	/* Asked before the publication is made: there is nothing to be undone. */
	if (error < 0) {
		publish_refuse(connection, error, nets_why(local->nets));
		return;
	}
	/*
	 * The descriptors are the store's from here on, on failure too: publish_forget() must not
	 * find them.
	 */
	connection->publish = NULL;
	error = store_add(local->store, request, connection->client->pid, incoming->table_fd,
	                  incoming->slot_fd, incoming->layer_fds, &publication, why, sizeof(why));
	if (error < 0)
		connection_reply(connection, request->head.seq, error, why);
	else if ((publish_reply_handle(connection, request->head.seq, publication, &addr) < 0 ||
	          connection->unread) && !known)
		store_unpublish(publication);
	else
		layers_hold(store_layers(local->store), &connection->client->holding,
		            publication->layers, publication->layer_count);
	incoming_publish_free(incoming);
}

/* upstream_done(): the layers of other hosts are complete, or could not be fetched. */
static void publish_upstream_done(void *arg, int error)
{
	struct connection *connection = arg;

	connection_idle(connection);
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		publish_refuse(connection, error, "rmmapd has no memory or descriptors left for what this "
		               "publication refers to: unpublish something, or raise its limits");
	else if (error == -ENOSPC)
		publish_refuse(connection, error, connection->client->local->context->limit.why);
	else if (error < 0)
		publish_refuse(connection, -EHOSTUNREACH, "this publication refers to pages of another "
		               "host's that are not here yet and could not be fetched: that host does not "
		               "answer, or has revoked them");
	else
		publish_add(connection);
}

/*
 * The layers that the publisher hands in are here. Fetch what is absent of other hosts' layers that
 * the publication refers to, then make it.
 */
static void publish_layers_here(struct connection *connection)
{
	struct incoming_publish *incoming = connection->publish;

	if (upstream_new(connection->client, &incoming->request, incoming->table_fd,
	                 &incoming->upstream) < 0) {
		publish_refuse(connection, -ENOMEM, "rmmapd has no memory for the request");
	} else if (incoming->upstream) {
		connection_busy(connection, incoming->request.head.seq);
		upstream_start(incoming->upstream, publish_upstream_done, connection);
	} else {
		publish_add(connection);
	}
}

/* NULL: no memory, and the descriptors stay the caller's. */
static struct incoming_publish *incoming_publish_new(const struct rm_wire_publish *request,
                                                     const int *fds)
{
	struct incoming_publish *incoming = calloc(1, sizeof(*incoming));

	if (!incoming)
		return NULL;
	incoming->request = *request;
	incoming->table_fd = fds[0];
	incoming->slot_fd = request->has_slot_lock ? fds[1] : -1;
	incoming->come = request->layer_count - request->known_layers;
	incoming->layer_fds = calloc(incoming->come ? incoming->come : 1, sizeof(int));
	if (!incoming->layer_fds) {
		free(incoming);
		return NULL;
	}
	return incoming;
}

/* 0 if this request may be carried out, else -errno and *why. */
static int publish_check(struct local *local, const struct rm_wire_publish *request, unsigned count,
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
	int error = publish_check(connection->client->local, request, count, &why);

	/*
	 * The request may come again before all layers of the first one did, or another one after
	 * a publisher gave up. The last one counts.
	 */
	publish_forget(connection);
	if (error == 0) {
		connection->publish = incoming_publish_new(request, fds);
		why = "rmmapd has no memory for the request";
		error = connection->publish ? 0 : -ENOMEM;
	}
	if (error < 0) {
		descriptors_close(fds, count);
		connection_reply(connection, request->head.seq, error, why);
		return;
	}
	/* No RM_LAYERS come if the publisher refers to known layers only, or has none. */
	if (connection->publish->come == 0)
		publish_layers_here(connection);
}

/* Layers of a publish that was refused may still come: they are dropped. */
void request_layers(struct connection *connection, const void *message, const int *fds,
                    unsigned count)
{
	const struct rm_wire_layers *request = message;
	struct incoming_publish *incoming = connection->publish;

	if (!incoming || request->head.seq != incoming->request.head.seq) {
		descriptors_close(fds, count);
		return;
	}
	if (!count || request->count != count || request->first != incoming->have ||
	    count > incoming->come - incoming->have) {
		descriptors_close(fds, count);
		connection_fail(connection);
		return;
	}
	memcpy(incoming->layer_fds + incoming->have, fds, count * sizeof(int));
	incoming->have += count;
	assert(incoming->have <= incoming->come);
	if (incoming->have == incoming->come)
		publish_layers_here(connection);
}

/* ---- RM_UNPUBLISH ---- */

/*
 * A handle is proof enough to end a publication; its secret is compared. Each failure has its own
 * text, and no text contains the handle.
 */
static int publication_by_handle(struct local *local, const char *text, struct publication **out,
                                 const char **why)
{
	struct rm_handle handle;
	int error = rm_handle_decode(text, &handle);

	*out = NULL;
	*why = "this is not a handle, or it was damaged on its way: copy all of it";
	if (error == 0)
		*out = store_find(local->store, handle.id);
	if (error == -EPROTO)
		*why = "the handle is of another version of rmmap, or of a host with another layout";
	if (error == 0 && *out) {
		*why = "the handle's secret is wrong: it is not the handle of this publication";
		error = sodium_memcmp(handle.secret, (*out)->secret, RM_SECRET_BYTES) ? -EACCES : 0;
	} else if (error == 0 && memcmp(handle.host, local->context->host, RM_ID_BYTES) != 0) {
		*why = "a publication is ended or moved only on the host and in the run directory "
		       "where it was made, and this is another one";
		error = -EACCES;
	} else if (error == 0) {
		*why = "the publication is gone already: unpublished, expired, or rmmapd was "
		       "restarted since";
		error = -ENOENT;
	}
	sodium_memzero(&handle, sizeof(handle));
	return error;
}

static int publication_by_short_id(struct local *local, const char *text, struct publication **out,
                                   const char **why)
{
	int error = store_find_short(local->store, text, out);

	*why = "no publication of this host has that id: see rmmap list";
	if (error == -EEXIST) {
		*why = "more than one publication has an id that begins so: give all 8 digits";
		return -EINVAL;
	}
	return error;
}

int publication_named(struct local *local, const char *name, struct publication **out,
                      const char **why)
{
	if (strncmp(name, "rmmap", 5) == 0)
		return publication_by_handle(local, name, out, why);
	return publication_by_short_id(local, name, out, why);
}

void request_unpublish(struct connection *connection, const void *message)
{
	const struct rm_wire_name *request = message;
	struct local *local = connection->client->local;
	struct publication *publication;
	const char *why;
	int error = publication_named(local, request->name, &publication, &why);

	/* A publication that was unpublished before can still be revoked. */
	if (error == 0 && (request->revoke ? publication->revoked : publication->unpublished)) {
		why = request->revoke ? "the publication was revoked before"
		                      : "the publication was unpublished before";
		error = -ENOENT;
	}
	if (error == 0 && request->revoke)
		store_revoke(publication);
	else if (error == 0)
		store_unpublish(publication);
	connection_reply(connection, request->head.seq, error, error < 0 ? why : "");
}
