/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy.c - requests about attachments whose pages are fetched on page faults: RM_LAZY,
 * RM_COMPLETE, RM_PREFETCH
 *
 * Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"
#include "../pager/pager.h"

/* ---- RM_LAZY ---- */

/* Serve the page faults of an attachment, by the userfaultfd that the process hands over. */
void request_lazy(struct connection *connection, const void *message, const int *fds,
                  unsigned count)
{
	const struct rm_wire_attachment *request = message;
	struct local_attachment *held = attachment_find(connection->client, request->attachment);
	const char *why = "rmmapd knows no such attachment: attach again";
	int error = -ENOENT;

	if (held && held->mode == RM_ATTACH_LAZY && !held->attachment.lazy &&
	    !held->attachment.served) {
		error = lazy_start(&held->attachment, fds, count, request->features);
		connection_reply(connection, request->head.seq, error, error < 0 ? "rmmapd cannot serve "
		                 "this process's page faults: see its log, or use RMMAP_FETCH=eager" : "");
		return;
	}
	/* The request came again after RM_RESTARTED: the attachment is served, or was. */
	if (held && (held->attachment.lazy || held->attachment.served))
		error = 0;
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	connection_reply(connection, request->head.seq, error, error < 0 ? why : "");
}

/* ---- RM_COMPLETE ---- */

/* An attachment is complete, or failed. The last one answers and frees the completion. */
static void completion_one_done(void *arg, int error)
{
	struct completion *completion = arg;

	assert(completion->left > 0);
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
 * 0 if an attachment that the pager does not serve is complete, else -EIO. A process that gets 0
 * unregisters its mappings from userfaultfd, and then reads zeros where a page is absent. So a lazy
 * attachment is complete only if it was served to the end and no page was lost. It is not if no
 * worker could take it over, or if it was never served.
 */
static int attachment_complete_error(const struct local_attachment *held)
{
	if (held->mode != RM_ATTACH_LAZY)
		return 0;
	return held->attachment.served == SERVED_TO_THE_END ? 0 : -EIO;
}

/*
 * Complete one attachment, or all (attachment 0). completion->left counts one more until all are
 * asked, since lazy_complete() may call back before it returns.
 */
void request_complete(struct connection *connection, const void *message)
{
	const struct rm_wire_attachment *request = message;
	struct completion *completion = calloc(1, sizeof(*completion));
	int error = request->attachment ? -ENOENT : 0;

	if (!completion) {
		connection_reply(connection, request->head.seq, -ENOMEM, "rmmapd has no memory");
		return;
	}
	assert(!connection->completion);
	completion->connection = connection;
	completion->left = 1;
	connection->completion = completion;
	/*
	 * Busy and linked before any part is asked: the last one that calls back answers, and
	 * frees the completion.
	 */
	connection_busy(connection, request->head.seq);
	for (struct local_attachment *a = connection->client->attachments; a; a = a->next) {
		if (request->attachment && request->attachment != a->attachment.number)
			continue;
		error = 0;
		completion->left++;
		if (a->attachment.lazy)
			lazy_complete(a->attachment.lazy, completion_one_done, completion);
		else
			completion_one_done(completion, attachment_complete_error(a));
	}
	completion_one_done(completion, error);
}

/* ---- RM_PREFETCH ---- */

/*
 * The range may lie in any attachments of the process. It does no harm if the request comes again
 * after RM_RESTARTED: pages that are here or on their way are not read again.
 */
void request_prefetch(struct connection *connection, const void *message)
{
	const struct rm_wire_prefetch *request = message;
	int error = 0, one;

	for (struct local_attachment *a = connection->client->attachments; a; a = a->next) {
		if (!a->attachment.lazy)
			continue;
		one = lazy_prefetch(a->attachment.lazy, request->addr, request->length);
		error = error ? error : one;
	}
	connection_reply(connection, request->head.seq, error, error == -EAGAIN ?
	                 "too much that was asked for before is still on its way: ask later" :
	                 error ? "rmmapd has no memory" : "");
}
