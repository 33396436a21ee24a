/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_lazy.c - what a process asks of an attachment that pages: RM_LAZY, RM_COMPLETE,
 * RM_PREFETCH
 *
 * Worker thread only; allocates.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"
#include "../pager/pager.h"

/* ---- RM_LAZY ---- */

void request_lazy(struct connection *connection, const void *message, const int *fds,
                  unsigned count)
{
	const struct rm_wire_attachment *request = message;
	struct local_attachment *held = attachment_find(connection->client, request->attachment);
	const char *why = "rmmapd knows no such attachment: attach again";
	int ret = -ENOENT;

	if (held && held->mode == RM_ATTACH_LAZY && !held->attachment.lazy &&
	    !held->attachment.served) {
		ret = lazy_start(&held->attachment, fds, count, request->features);
		connection_reply(connection, request->head.seq, ret, ret < 0 ? "rmmapd cannot serve "
		                 "this process's page faults: see its log, or use RMMAP_FETCH=eager" : "");
		return;
	}
	/* asked once more after RM_RESTARTED: it is served already, or was */
	if (held && (held->attachment.lazy || held->attachment.served))
		ret = 0;
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	connection_reply(connection, request->head.seq, ret, ret < 0 ? why : "");
}

/* ---- RM_COMPLETE ---- */

static void completed(void *arg, int error)
{
	struct completion *completion = arg;

	if (error < 0)
		completion->error = error;
	if (--completion->left)
		return;
	if (completion->connection) {
		struct connection *connection = completion->connection;
		const char *why = "";

		if (completion->error == -ENOSPC)
			why = connection->client->local->context->limit.why;
		else if (completion->error)
			why = "some pages could not be fetched: their host does not answer";
		connection->completion = NULL;
		connection_idle(connection);
		connection_reply(connection, connection->seq, completion->error, why);
	}
	free(completion);
}

/*
 * Who is answered 0 unregisters all by himself, and reads zeros where a page is absent. So one
 * that does not page is complete only if it was served to the end, and nothing was lost; one
 * that is not known, or that no worker could take over, is not.
 */
static int complete_already(const struct local_attachment *held)
{
	if (held->mode != RM_ATTACH_LAZY)
		return 0;
	return held->attachment.served == SERVED_TO_THE_END ? 0 : -EIO;
}

/* One more is left until all were asked, since done() may be called at once. */
void request_complete(struct connection *connection, const void *message)
{
	const struct rm_wire_attachment *request = message;
	struct completion *completion = calloc(1, sizeof(*completion));
	int error = request->attachment ? -ENOENT : 0;

	if (!completion) {
		connection_reply(connection, request->head.seq, -ENOMEM, "rmmapd has no memory");
		return;
	}
	completion->connection = connection;
	completion->left = 1;
	connection->completion = completion;
	connection_busy(connection, request->head.seq);
	for (struct local_attachment *a = connection->client->attachments; a; a = a->next) {
		if (request->attachment && request->attachment != a->attachment.number)
			continue;
		error = 0;
		completion->left++;
		if (a->attachment.lazy)
			lazy_complete(a->attachment.lazy, completed, completion);
		else
			completed(completion, complete_already(a));
	}
	completed(completion, error);
}

/* ---- RM_PREFETCH ---- */

/* Asked twice after RM_RESTARTED it does no harm: what is here or on its way is not read again. */
void request_prefetch(struct connection *connection, const void *message)
{
	const struct rm_wire_prefetch *request = message;
	int ret = 0, one;

	for (struct local_attachment *a = connection->client->attachments; a; a = a->next) {
		one = a->attachment.lazy ? lazy_prefetch(a->attachment.lazy, request->addr, request->length) : 0;
		ret = ret ? ret : one;
	}
	connection_reply(connection, request->head.seq, ret, ret == -EAGAIN ?
	                 "too much that was asked for before is still on its way: ask later" :
	                 ret ? "rmmapd has no memory" : "");
}
