/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attachment.c - an attachment of a process, and its record in the keeper
 *
 * Worker thread only; allocates.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "../pager/pager.h"
#include "../remote/remote.h"

/* The data of RECORD_ATTACHMENT; see struct attachment and struct local_attachment. */
struct attachment_record {
	uint64_t client;                /* the client's record */
	uint64_t connection, seq;
	uint64_t origin, generation;    /* another host's publication: see remote.h; else origin 0 */
	uint8_t id[RM_ID_BYTES];
	uint32_t mode;                  /* RM_ATTACH_LOCAL: a publication of this host */
	uint32_t prefetch;
	uint32_t served;
	uint32_t admitted;
};

/* attachment.save: the pager has changed a field that the record contains. */
static void attachment_changed(struct attachment *attachment)
{
	attachment_save(container_of(attachment, struct local_attachment, attachment));
}

struct local_attachment *attachment_new(struct client *client)
{
	struct local_attachment *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->attachment.number = keeper_number(client->local->context->keeper);
	/*
	 * No reference of its own to these two: a client ends all its attachments before it ends
	 * itself.
	 */
	held->attachment.counters = client->counters;
	held->attachment.pidfd = client->pidfd.fd;
	held->attachment.save = attachment_changed;
	held->client = client;
	held->next = client->attachments;
	client->attachments = held;
	client->local->attachment_count++;
	return held;
}

void attachment_save(struct local_attachment *held)
{
	const struct attachment *attachment = &held->attachment;
	struct client *client = held->client;
	struct attachment_record record = {
		.client = client->record, .connection = held->connection, .seq = held->seq,
		.origin = attachment->remote ? remote_origin(attachment->remote) : 0,
		.generation = attachment->generation,
		.mode = held->mode, .prefetch = attachment->prefetch, .served = attachment->served,
		.admitted = held->admitted,
	};

	memcpy(record.id, held->id, RM_ID_BYTES);
	keeper_put(client->local->context->keeper, RECORD_ATTACHMENT, attachment->number,
	           &record, sizeof(record), NULL, 0);
}

static void attachment_unlink(struct local_attachment *held)
{
	struct client *client = held->client;
	struct local_attachment **link = &client->attachments;

	while (*link != held)
		link = &(*link)->next;
	*link = held->next;
	assert(client->local->attachment_count > 0);
	client->local->attachment_count--;
}

void attachment_end(struct local_attachment *held)
{
	struct attachment *attachment = &held->attachment;
	struct context *context = held->client->local->context;

	/* lazy_stop() before remote_detach(): the pager reads the remote's pages. */
	if (attachment->lazy)
		lazy_stop(attachment->lazy);
	if (attachment->remote || held->waiting)
		remote_detach(attachment);
	if (held->waiting)
		connection_idle(held->waiting);
	if (held->publication)
		store_release(held->publication, false);
	/*
	 * Nothing of it is left by now. If the worker dies before this, the next one restores it,
	 * and it ends again: by the request, which comes once more, or by the pidfd.
	 */
	keeper_delete(context->keeper, attachment->number);
	attachment_unlink(held);
	free(held);
	context->active_ns = rm_now_ns();
}

struct local_attachment *attachment_find(struct client *client, uint64_t number)
{
	struct local_attachment *held = client->attachments;

	while (held && held->attachment.number != number)
		held = held->next;
	return held;
}

struct attachment *local_find_attachment(struct local *local, uint64_t number)
{
	for (struct client *c = local->clients; c; c = c->next) {
		struct local_attachment *held = attachment_find(c, number);

		if (held)
			return &held->attachment;
	}
	return NULL;
}

bool local_record_attaches(const struct record *record, const uint8_t id[RM_ID_BYTES])
{
	const struct attachment_record *saved = record->data;

	return record->length == sizeof(*saved) && saved->mode != RM_ATTACH_LOCAL &&
	       !memcmp(saved->id, id, RM_ID_BYTES);
}

/*
 * The client and the publication are restored before. If one of them is not there any more, the
 * attachment is over, and its record is deleted.
 */
void local_restore_attachment(struct local *local, const struct record *record)
{
	const struct attachment_record *saved = record->data;
	struct context *context = local->context;
	struct publication *publication = NULL;
	struct client *client = local->clients;
	struct remote *remote = NULL;
	struct local_attachment *held = NULL;

	if (record->length == sizeof(*saved)) {
		while (client && client->record != saved->client)
			client = client->next;
		if (saved->mode == RM_ATTACH_LOCAL)
			publication = store_find(local->store, saved->id);
		else
			remote = remotes_find_origin(local->remotes, saved->origin);
	}
	if (client && (publication || remote))
		held = attachment_new(client);
	if (!held) {
		keeper_delete(context->keeper, record->number);
		return;
	}
	/*
	 * The process names the attachment by this number, so it is not the one of
	 * attachment_new().
	 */
	held->attachment.number = record->number;
	held->publication = publication;
	held->connection = saved->connection;
	held->seq = saved->seq;
	held->mode = saved->mode;
	held->admitted = saved->admitted;
	held->attachment.prefetch = saved->prefetch;
	held->attachment.generation = saved->generation;
	held->attachment.served = saved->served;
	memcpy(held->id, saved->id, RM_ID_BYTES);
	if (publication)
		store_readmit(publication, saved->admitted);
	else
		remote_reattach(remote, &held->attachment);
}
