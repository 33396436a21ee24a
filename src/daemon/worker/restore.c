/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * restore.c - hand the records that earlier workers have left to the parts that made them
 *
 * Called once by worker.c, before the worker serves. Worker thread only; allocates.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../keeper/attempts.h"
#include "../local/local.h"
#include "../pager/pager.h"
#include "../peer/nets.h"
#include "../remote/attachment.h"
#include "../remote/remote.h"
#include "../store/store.h"
#include "internal.h"

/* Close the descriptors of a record, and delete it. */
static void record_give_up(struct context *context, const struct record *record)
{
	for (unsigned i = 0; i < record->count; i++)
		close(record->fds[i]);
	keeper_delete(context->keeper, record->number);
}

static void record_restore_lazy(struct worker *worker, const struct record *record)
{
	const struct lazy_record *saved = record->data;
	struct attachment *attachment = NULL;

	if (record->length >= sizeof(*saved))
		attachment = local_find_attachment(worker->local, saved->attachment);
	/*
	 * The remote was restored before the attachment, which has found it. Without it there are
	 * no pages to give.
	 */
	if (attachment && attachment->remote) {
		lazy_restore(attachment, record);
		return;
	}
	/* Its process has ended, or the worker died while it detached. */
	record_give_up(&worker->context, record);
}

/* Records come by type, in the order of records_take(). */
static void record_restore(struct worker *worker, const struct record *record)
{
	switch (record->type) {
	case RECORD_FABRIC: nets_restore(worker->nets, record); break;
	case RECORD_LAYER: store_restore_layer(worker->store, record); break;
	case RECORD_PUBLICATION: store_restore(worker->store, record); break;
	case RECORD_ATTEMPT: attempts_restore(&worker->context, record); break;
	case RECORD_REMOTE: remotes_restore(worker->remotes, record); break;
	case RECORD_CLIENT: local_restore_client(worker->local, record); break;
	case RECORD_ATTACHMENT: local_restore_attachment(worker->local, record); break;
	case RECORD_LAZY: record_restore_lazy(worker, record); break;
	}
}

static struct record stored_to_record(const struct stored_record *stored)
{
	return (struct record){
		.type = stored->type, .number = stored->number, .data = stored->data,
		.length = stored->length, .fds = stored->fds, .count = stored->count,
	};
}

/*
 * True if this is a record of another host's publication, workers were killed while all of it was
 * fetched, and no process has it attached. ALL are the records to restore, with a NULL at the end.
 */
static bool record_is_given_up(const struct context *context, struct stored_record *const *all,
                               const struct record *record)
{
	const uint8_t *id = record->type == RECORD_REMOTE ? remote_record_id(record) : NULL;

	if (!id || !attempts_failed_of(context, id))
		return false;
	for (; *all; all++) {
		struct record other = stored_to_record(*all);

		if (other.type == RECORD_ATTACHMENT && local_record_attaches(&other, id))
			return false;
	}
	return true;
}

int worker_restore(struct worker *worker, struct records *records)
{
	struct stored_record **all = records_take(records);

	if (!all)
		return -ENOMEM;
	for (struct stored_record **stored = all; *stored; stored++) {
		struct record record = stored_to_record(*stored);

		if (record_is_given_up(&worker->context, all, &record))
			record_give_up(&worker->context, &record);
		else
			record_restore(worker, &record);
	}
	/* After all are restored: record_is_given_up() looks at later records too. */
	for (struct stored_record **stored = all; *stored; stored++)
		stored_record_free(*stored);
	free(all);
	store_restored(worker->store);
	if (worker->context.restarts)
		local_restored(worker->local);
	return 0;
}
