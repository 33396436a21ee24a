/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_attach.c - a process attaches: publications of this host and of others
 *
 * Worker thread only. A request that comes twice (after RM_RESTARTED) gets the same
 * attachment again.
 */
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

/* Unless asked otherwise, less than this comes whole: quicker than a handful of faults. */
#define SMALL (256u << 10)

/* A bare EMFILE would be taken for the process's own: it is rmmapd that has no more. */
static void attach_error(struct connection *connection, uint64_t seq, int error, const char *text)
{
	struct rm_wire_attach_reply reply = { .error = -error };

	if (error == -EMFILE && strcmp(text, rm_errno_text(EMFILE)) == 0)
		text = NO_FDS_TEXT;
	connection_why(reply.text, error, text);
	connection_send(connection, &reply, sizeof(reply), RM_ATTACH_REPLY, seq, NULL, 0);
}

/* ---- the reply: table, then layers by 64 ---- */

static int layer_fd(const struct local_attachment *held, uint32_t layer)
{
	return held->publication ? held->publication->layers[layer]->fd
	                               : remote_layer_fd(held->attachment.remote, layer);
}

static void send_layers(struct connection *connection, const struct local_attachment *held, uint32_t count)
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
 * Recorded before they are sent: the caches' descriptors. A process that asks once more after
 * RM_RESTARTED has dropped what came before, and maps what comes now.
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

static void send_attachment(struct connection *connection, struct local_attachment *held)
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
	send_layers(connection, held, reply.layer_count);
}

static struct local_attachment *new_held(struct connection *connection, uint64_t seq,
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

/* ---- of this host ---- */

static const char *refusal(int error)
{
	if (error == -EACCES)
		return "the handle's secret is wrong: it is not the handle of this publication";
	return "the publication is gone, or all its readers have been admitted: it was "
	       "unpublished, or is for so many attaches only";
}

static bool has_already(const struct client *client, const struct publication *publication)
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
	int ret;

	if (!publication) {
		attach_error(connection, seq, -ENOENT, "the publication is gone: unpublished, expired, "
		             "or rmmapd was restarted since");
		return;
	}
	again = !publication->unpublished && has_already(connection->client, publication);
	ret = store_admit(publication, handle->secret, false, again);
	if (ret < 0) {
		attach_error(connection, seq, ret, refusal(ret));
		return;
	}
	held = new_held(connection, seq, handle);
	if (!held) {
		store_unadmit(publication, false, again);
		return;
	}
	held->publication = publication;
	held->mode = RM_ATTACH_LOCAL;
	held->admitted = publication->admitted;
	/*
	 * This first: a worker that dies in between leaves a reader who is known, and asks again,
	 * not one who is counted and would be refused for it.
	 */
	attachment_save(held);
	store_admitted(publication);
	send_attachment(connection, held);
}

/* ---- of another host ---- */

static void remote_here(void *arg, int error, const char *why, struct remote *remote)
{
	struct local_attachment *held = arg;
	struct connection *connection = held->waiting;

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
	send_attachment(connection, held);
}

static int reach(struct connection *connection, const struct rm_wire_attach *request,
                 const struct rm_handle *handle)
{
	struct local *local = connection->client->local;
	struct fabric_peer *peer;
	struct peers *peers;
	char why[256];
	int ret = nets_reach(local->nets, request->fabric, &handle->fabric, &peers);

	if (ret < 0) {
		attach_error(connection, request->head.seq, ret, nets_why(local->nets));
		return ret;
	}
	/* The words of this client's RMMAP_FABRIC are known here and not later. */
	ret = fabric_peer(peers_fabric(peers), &handle->fabric, &peer, why, sizeof(why));
	if (ret < 0)
		attach_error(connection, request->head.seq, ret, why);
	else
		fabric_peer_put(peers_fabric(peers), peer);
	return ret;
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
	if (reach(connection, request, handle) < 0)
		return;
	held = new_held(connection, request->head.seq, handle);
	if (!held)
		return;
	held->waiting = connection;
	held->attachment.prefetch = request->prefetch;
	connection_busy(connection, request->head.seq);
	if (eager == UINT64_MAX)
		attempt_begin(local->context, held->connection, held->seq, held->id);
	remote_attach(local->remotes, &held->attachment, handle, eager, remote_here, held);
}

/* ---- RM_ATTACH ---- */

static bool answered_before(struct connection *connection, uint64_t seq,
                            const struct rm_handle *handle)
{
	for (struct local_attachment *a = connection->client->attachments; a; a = a->next) {
		struct local_attachment *held = a;

		if (!held->waiting && held->connection == connection->record && held->seq == seq &&
		    memcmp(held->id, handle->id, RM_ID_BYTES) == 0) {
			send_attachment(connection, held);
			return true;
		}
	}
	return false;
}

static void attach(struct connection *connection, const struct rm_wire_attach *request,
                   const struct rm_handle *handle)
{
	struct local *local = connection->client->local;
	struct publication *publication = store_find(local->store, handle->id);

	if (answered_before(connection, request->head.seq, handle))
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
	int ret = rm_handle_decode(request->handle, &handle);

	rm_layout_difference("the publisher's", &handle.layout, "this rmmapd's", why, sizeof(why));
	if (ret == -EPROTO && !handle.layout.pointer_bytes)
		attach_error(connection, request->head.seq, ret, "the handle is of another version of "
		             "rmmap: install the same one on both hosts");
	else if (ret == -EPROTO)
		attach_error(connection, request->head.seq, ret, why);
	else if (ret < 0)
		attach_error(connection, request->head.seq, ret, "this is not a handle, or it was "
		             "damaged on its way: copy all of it");
	else
		attach(connection, request, &handle);
	sodium_memzero(&handle, sizeof(handle));
}

/* ---- RM_DETACH, and connections that end ---- */

/* Unknown is detached already: the request came twice. */
void request_detach(struct connection *connection, const void *message)
{
	const struct rm_wire_attachment *request = message;
	struct local_attachment *held = attachment_find(connection->client, request->attachment);

	if (held)
		attachment_end(held);
	connection_reply(connection, request->head.seq, 0, "");
}

static void complete_unasked(void *arg, int error)
{
	(void)arg;
	(void)error;
}

/*
 * A process that gave up waiting closes the connection with the answer unread: it has
 * nothing mapped, and knows no number that it could detach.
 */
static bool unread(const struct connection *connection, const struct local_attachment *held)
{
	return connection->deaf && held->seq == connection->latest && !held->attachment.lazy;
}

/*
 * Its process may have closed all descriptors and read on, or its memory may be gone by
 * exec(). In the first case what is absent is fetched now: the process's life must no
 * longer hang on a lifeline that it may have closed as well.
 */
void attach_connection_gone(struct connection *connection)
{
	struct local_attachment *next;

	for (struct local_attachment *a = connection->client->attachments; a; a = next) {
		struct local_attachment *held = a;

		next = a->next;
		if (held->connection != connection->record)
			continue;
		if (held->waiting || unread(connection, held) || (a->attachment.lazy && lazy_gone(a->attachment.lazy)))
			attachment_end(held);
		else if (a->attachment.lazy)
			lazy_complete(a->attachment.lazy, complete_unasked, NULL);
	}
}

static bool has_connection(const struct client *client, uint64_t record)
{
	const struct connection *connection = client->connections;

	while (connection && connection->record != record)
		connection = connection->next;
	return connection != NULL;
}

void attach_restored(struct client *client)
{
	struct local_attachment *next;

	for (struct local_attachment *a = client->attachments; a; a = next) {
		struct local_attachment *held = a;

		next = a->next;
		if (!a->attachment.lazy || has_connection(client, held->connection))
			continue;
		if (lazy_gone(a->attachment.lazy))
			attachment_end(held);
		else
			lazy_complete(a->attachment.lazy, complete_unasked, NULL);
	}
}
