/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.c - all processes of this host: construction, restoring, draining
 *
 * Worker thread only; allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/log.h"
#include "internal.h"
#include "../pager/pager.h"

/* ---- connections ---- */

/* The keeper needs the descriptor, too, for a worker that finds no record of the connection. */
void local_serve(struct local *local, int connection)
{
	int fd = fcntl(connection, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		connection_take(local, fd);
}

/*
 * Records of one type are restored by number, and a process's number is lower than those of its
 * sockets, so its client is there before them.
 */
void local_restore_client(struct local *local, const struct record *record)
{
	const struct client_record *saved = record->data;
	struct client *client = local->clients;
	bool done = false;

	if (record->length == sizeof(*saved) && record->count == 1) {
		if (!saved->client) {
			done = client_new(local, saved->pid, record->fds[0], record->number) != NULL;
		} else {
			while (client && client->record != saved->client)
				client = client->next;
			done = client && connection_new(client, record->fds[0], record->number);
		}
	}
	if (done)
		return;
	for (unsigned i = 0; i < record->count; i++)
		close(record->fds[i]);
	keeper_delete(local->context->keeper, record->number);
}

void local_restored(struct local *local)
{
	for (struct client *client = local->clients; client; client = client->next) {
		attach_restored(client);
		for (struct connection *c = client->connections; c; c = c->next) {
			struct rm_wire message;

			connection_send(c, &message, sizeof(message), RM_RESTARTED, 0, NULL, 0);
		}
	}
}

/* ---- the whole ---- */

struct local *local_new(struct context *context, const struct local_parts *parts,
                        const struct local_events *events, int listener)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local)
		return NULL;
	local->context = context;
	local->store = parts->store;
	local->nets = parts->nets;
	local->remotes = parts->remotes;
	local->events = *events;
	local->requests = &local_requests;
	if (listen_init(local, listener) < 0) {
		free(local);
		return NULL;
	}
	return local;
}

static void drain_ignore(void *arg, int error)
{
	(void)arg;
	(void)error;
}

/* Consumers outlive this process, so their mappings must be complete before it ends. */
void local_drain(struct local *local)
{
	for (struct client *client = local->clients; client; client = client->next)
		for (struct local_attachment *a = client->attachments; a; a = a->next)
			if (a->attachment.lazy)
				lazy_complete(a->attachment.lazy, drain_ignore, NULL);
}

uint32_t local_clients(struct local *local)
{
	return local->client_count;
}

uint32_t local_attachments(struct local *local)
{
	return local->attachment_count;
}
