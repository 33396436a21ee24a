/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.c - a process attaches (RM_ATTACH) and detaches (RM_DETACH) publications
 *
 * The publication is of this host, or of another one. A request that comes again, after
 * RM_RESTARTED, gets the same attachment again. Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../keeper/attempts.h"
#include "../fabric/fabric.h"
#include "internal.h"
#include "../pager/pager.h"
#include "../peer/peer.h"
#include "../remote/remote.h"

/*
 * A publication up to this size is fetched whole, unless the client asks otherwise: that takes less
 * time than a handful of page faults.
 */
#define SMALL (256u << 10)

/* A bare EMFILE would look like the process's own limit, but it is rmmapd that is short. */
static void attach_error(struct connection *connection, uint64_t seq, int error, const char *text)
{
	struct rm_wire_attach_reply reply = { .error = -error };

	if (error == -EMFILE && strcmp(text, rm_errno_text(EMFILE)) == 0)
		text = NO_FDS_TEXT;
	connection_why(reply.text, error, text);
	connection_send(connection, &reply, sizeof(reply), RM_ATTACH_REPLY, seq, NULL, 0);
}

/* ---- the reply: the table, then layers, 64 in a message ---- */

static int layer_fd(const struct local_attachment *held, uint32_t layer)
{
	return held->publication ? held->publication->layers[layer]->fd
	                               : remote_layer_fd(held->attachment.remote, layer);
}

static void attach_send_layers(struct connection *connection, const struct local_attachment *held,
                               uint32_t count)
{
	int fds[RM_CHANNEL_FDS_MAX];

	for (uint32_t first = 0; first < count; first += RM_CHANNEL_FDS_MAX) {
		struct rm_wire_layers message = { .first = first, .count = count - first };

		if (message.count > RM_CHANNEL_FDS_MAX)
			message.count = RM_CHANNEL_FDS_MAX;
		for (uint32_t i = 0; i < message.count; i++)
			fds[i] = layer_fd(held, first + i);
		connection_send(connection, &message, sizeof(message), RM_LAYERS, held->seq,
		                fds, message.count);
	}
}

/*
 * Record the generation of the caches before their descriptors are sent. A process that asks once
 * more after RM_RESTARTED has dropped the descriptors that came before, and maps those that come
 * now.
 */
static void note_generation(struct local_attachment *held)
{
	struct attachment *attachment = &held->attachment;

	if (!attachment->remote || attachment->lazy || attachment->served ||
	    attachment->generation == remote_generation(attachment->remote))
		return;
	attachment->generation = remote_generation(attachment->remote);
	attachment_save(held);
}

static void attach_send(struct connection *connection, struct local_attachment *held)
{
	const struct attachment *attachment = &held->attachment;
	struct rm_wire_attach_reply reply = { .mode = held->mode, .attachment = attachment->number };
	int table;

	note_generation(held);
	if (held->publication) {
		table = held->publication->table_fd;
		reply.table_size = held->publication->table.size;
		reply.layer_count = held->publication->layer_count;
	} else {
		table = remote_table_fd(attachment->remote, &reply.table_size);
		reply.layer_count = remote_layers(attachment->remote);
		rm_format(reply.provider, sizeof(reply.provider), "%s",
		          remote_provider(attachment->remote));
	}
	connection_send(connection, &reply, sizeof(reply), RM_ATTACH_REPLY, held->seq, &table, 1);
	attach_send_layers(connection, held, reply.layer_count);
}

/* A new attachment for this request. NULL: no memory, and that was answered. */
static struct local_attachment *attach_new(struct connection *connection, uint64_t seq,
                                           const struct rm_handle *handle)
{
	struct local_attachment *held = attachment_new(connection->client);

	if (!held) {
		attach_error(connection, seq, -ENOMEM, "rmmapd has no memory for an attachment");
		return NULL;
	}
	held->connection = connection->record;
	held->seq = seq;
	memcpy(held->id, handle->id, RM_ID_BYTES);
	return held;
}

/* ---- a publication of this host ---- */

static const char *refusal_text(int error)
{
	if (error == -EACCES)
		return "the handle's secret is wrong: it is not the handle of this publication";
	return "the publication is gone, or all its readers have been admitted: it was "
	       "unpublished, or is for so many attaches only";
}

/* Then a further attach by the same process does not count as one more reader. */
static bool client_has_attached(const struct client *client, const struct publication *publication)
{
	for (const struct local_attachment *a = client->attachments; a; a = a->next)
		if (a->publication == publication)
			return true;
	return false;
}

static void attach_local(struct connection *connection, uint64_t seq,
                         const struct rm_handle *handle, struct publication *publication)
{
	struct local_attachment *held;
	bool again;
	int error;

	if (!publication) {
		attach_error(connection, seq, -ENOENT, "the publication is gone: unpublished, expired, "
		             "or rmmapd was restarted since");
		return;
	}
	again = !publication->unpublished && client_has_attached(connection->client, publication);
	error = store_admit(publication, handle->secret, false, again);
	if (error < 0) {
		attach_error(connection, seq, error, refusal_text(error));
		return;
	}
	held = attach_new(connection, seq, handle);
	if (!held) {
		store_unadmit(publication, false, again);
		return;
	}
	held->publication = publication;
	held->mode = RM_ATTACH_LOCAL;
	held->admitted = publication->admitted;
	/*
	 * Record the attachment before the count of readers. If the worker dies in between, the next
	 * one knows this reader, who asks again, and counts it by store_readmit(). In the other order
	 * the reader would be counted but unknown, and could be refused when it asks again.
	 */
	attachment_save(held);
	store_admitted(publication);
	attach_send(connection, held);
}

/* ---- a publication of another host ---- */

/* remote_done(): the table is here, or all data is, or neither can be had. */
static void attach_remote_done(void *arg, int error, const char *why, struct remote *remote)
{
	struct local_attachment *held = arg;
	struct connection *connection = held->waiting;

	assert(connection && !held->publication);
	held->waiting = NULL;
	attempt_end(connection->client->local->context, held->connection, held->seq);
	connection_idle(connection);
	if (error < 0) {
		attach_error(connection, held->seq, error, why);
		attachment_end(held);
		return;
	}
	held->attachment.remote = remote;
	held->mode = remote_complete(remote) ? RM_ATTACH_EAGER : RM_ATTACH_LAZY;
	held->attachment.generation = remote_generation(remote);
	attachment_save(held);
	attach_send(connection, held);
}

/* Open a fabric that reaches the publisher's host. 0, or -errno, and that was answered. */
static int attach_reach(struct connection *connection, const struct rm_wire_attach *request,
                        const struct rm_handle *handle)
{
	struct local *local = connection->client->local;
	struct fabric_peer *peer;
	struct peers *peers;
	char why[256];
	int error = nets_reach(local->nets, request->fabric, &handle->fabric, &peers);

	if (error < 0) {
		attach_error(connection, request->head.seq, error, nets_why(local->nets));
		return error;
	}
	/* Check the address here, since the client's RMMAP_FABRIC, for the text, is not known later. */
	error = fabric_peer(peers_fabric(peers), &handle->fabric, &peer, why, sizeof(why));
	if (error < 0)
		attach_error(connection, request->head.seq, error, why);
	else
		fabric_peer_put(peers_fabric(peers), peer);
	return error;
}

static void attach_remote(struct connection *connection, const struct rm_wire_attach *request,
                          const struct rm_handle *handle)
{
	struct local *local = connection->client->local;
	uint64_t eager = request->want == RM_FETCH_LAZY ? 0 : SMALL;
	struct local_attachment *held;

	if (request->want == RM_FETCH_LAZY && !request->can_lazy) {
		attach_error(connection, request->head.seq, -ENOTSUP, "fetching pages when they are "
		             "touched (RMMAP_LAZY, RMMAP_FETCH=lazy) needs a userfaultfd that serves "
		             "system calls too, and this process may not have one; it takes "
		             "CAP_SYS_PTRACE, access to /dev/userfaultfd, or sysctl "
		             "vm.unprivileged_userfaultfd=1");
		return;
	}
	if (!handle->fabric.provider[0]) {
		attach_error(connection, request->head.seq, -EHOSTUNREACH, "it was published on another "
		             "host or run directory, without a fabric: RMMAP_FABRIC is off there, or "
		             "none could be opened (see rmmap info there)");
		return;
	}
	if (request->want == RM_FETCH_EAGER || !request->can_lazy)
		eager = UINT64_MAX;
	if (attach_reach(connection, request, handle) < 0)
		return;
	held = attach_new(connection, request->head.seq, handle);
	if (!held)
		return;
	/* remote_attach() calls attach_remote_done() later, never before it returns. */
	held->waiting = connection;
	held->attachment.prefetch = request->prefetch;
	connection_busy(connection, request->head.seq);
	/* Only a fetch of everything may take so much memory that workers are killed for it. */
	if (eager == UINT64_MAX)
		attempt_begin(local->context, held->connection, held->seq, held->id);
	remote_attach(local->remotes, &held->attachment, handle, eager, attach_remote_done, held);
}

/* ---- RM_ATTACH ---- */

/* The same request again: send the same attachment. False: there is none. */
static bool attach_answered_before(struct connection *connection, uint64_t seq,
                                   const struct rm_handle *handle)
{
	struct local_attachment *held = connection->client->attachments;

	for (; held; held = held->next) {
		if (!held->waiting && held->connection == connection->record && held->seq == seq &&
		    memcmp(held->id, handle->id, RM_ID_BYTES) == 0) {
			attach_send(connection, held);
			return true;
		}
	}
	return false;
}

static void attach_handle(struct connection *connection, const struct rm_wire_attach *request,
                          const struct rm_handle *handle)
{
	struct local *local = connection->client->local;
	struct publication *publication = store_find(local->store, handle->id);

	if (attach_answered_before(connection, request->head.seq, handle))
		return;
	if (attempt_failed(local->context, connection->record, request->head.seq)) {
		attempt_end(local->context, connection->record, request->head.seq);
		attach_error(connection, request->head.seq, -ENOMEM, "rmmapd ran out of memory: two "
		             "of its workers were killed while they fetched this publication; raise "
		             "the memory limit of its cgroup, or fetch less (RMMAP_FETCH=lazy)");
		return;
	}
	if (publication || memcmp(handle->host, local->context->host, RM_ID_BYTES) == 0)
		attach_local(connection, request->head.seq, handle, publication);
	else
		attach_remote(connection, request, handle);
}

void request_attach(struct connection *connection, const void *message)
{
	const struct rm_wire_attach *request = message;
	struct rm_handle handle;
	char why[RM_TEXT_MAX];
	int error = rm_handle_decode(request->handle, &handle);

	rm_layout_difference("the publisher's", &handle.layout, "this rmmapd's", why, sizeof(why));
	if (error == -EPROTO && !handle.layout.pointer_bytes)
		attach_error(connection, request->head.seq, error, "the handle is of another version of "
		             "rmmap: install the same one on both hosts");
	else if (error == -EPROTO)
		attach_error(connection, request->head.seq, error, why);
	else if (error < 0)
		attach_error(connection, request->head.seq, error, "this is not a handle, or it was "
		             "damaged on its way: copy all of it");
	else
		attach_handle(connection, request, &handle);
	sodium_memzero(&handle, sizeof(handle));
}

/* ---- RM_DETACH, and connections that end ---- */

/* An unknown number means that the request came twice: it succeeds. */
void request_detach(struct connection *connection, const void *message)
{
	const struct rm_wire_attachment *request = message;
	struct local_attachment *held = attachment_find(connection->client, request->attachment);

	if (held)
		attachment_end(held);
	connection_reply(connection, request->head.seq, 0, "");
}

/* lazy_complete() is called for its effect: a page that cannot be fetched is marked as lost. */
static void complete_ignore(void *arg, int error)
{
	(void)arg;
	(void)error;
}

/*
 * True if the process has closed the connection without reading the answer to its last request, and
 * that was the RM_ATTACH of this attachment: it has given up waiting. Then it has mapped nothing,
 * and does not know the number by which it could detach.
 */
static bool attachment_is_unread(const struct connection *connection,
                                 const struct local_attachment *held)
{
	return connection->unread && held->seq == connection->latest && !held->attachment.lazy;
}

/*
 * The process may have closed all its descriptors, and go on to read what it has attached; or its
 * memory is gone, by exec(). In the first case all absent pages are fetched now: the process may
 * have closed the lifeline as well, by which it would be told of a lost page.
 */
void attach_connection_gone(struct connection *connection)
{
	struct local_attachment *held, *next;

	for (held = connection->client->attachments; held; held = next) {
		struct lazy *lazy = held->attachment.lazy;

		next = held->next;
		if (held->connection != connection->record)
			continue;
		if (held->waiting || attachment_is_unread(connection, held) ||
		    (lazy && lazy_gone(lazy)))
			attachment_end(held);
		else if (lazy)
			lazy_complete(lazy, complete_ignore, NULL);
	}
}

static bool client_has_connection(const struct client *client, uint64_t record)
{
	const struct connection *connection = client->connections;

	while (connection && connection->record != record)
		connection = connection->next;
	return connection != NULL;
}

void attach_restored(struct client *client)
{
	struct local_attachment *held, *next;

	for (held = client->attachments; held; held = next) {
		struct lazy *lazy = held->attachment.lazy;

		next = held->next;
		if (!lazy || client_has_connection(client, held->connection))
			continue;
		if (lazy_gone(lazy))
			attachment_end(held);
		else
			lazy_complete(lazy, complete_ignore, NULL);
	}
}
