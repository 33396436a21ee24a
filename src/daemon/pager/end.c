/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * end.c - the end of a lazy attachment: filled, lost, detached
 *
 * A userfaultfd is never closed while a page is absent and not marked as lost, unless the
 * address space is gone: the process would read zeros. Worker thread only; does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../base/container.h"
#include "../base/reserve.h"
#include "internal.h"

void lazy_close_fds(int *fds)
{
	unsigned i;

	for (i = 0; i < LAZY_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/*
 * From now on the kernel must not end the process when rmmapd ends. The library arms the
 * lifeline after it has read the answer to RM_LAZY, which may be later than this: without an
 * owner nobody is signalled even if it is armed, and the library sees by the missing owner that
 * everything was served.
 */
static void lifeline_disarm(const struct lazy *lazy)
{
	int flags = fcntl(lazy->fds[LAZY_LINE_THEIRS], F_GETFL);

	fcntl(lazy->fds[LAZY_LINE_THEIRS], F_SETOWN, 0);
	if (flags >= 0)
		fcntl(lazy->fds[LAZY_LINE_THEIRS], F_SETFL, flags & ~O_ASYNC);
}

static void batches_free(struct lazy *lazy)
{
	struct lazy_batch *batch;

	while ((batch = lazy->batches)) {
		lazy->batches = batch->next;
		remote_forget(lazy->remote, &batch->waiter);
		reserve_free(batch);
	}
}

void lazy_faults_free(struct lazy *lazy)
{
	struct lazy_fault *fault;

	while ((fault = lazy->faults)) {
		lazy->faults = fault->next;
		reserve_free(fault);
	}
}

bool lazy_is_filled(const struct lazy *lazy)
{
	return !lazy->left || (!lazy->left_copies && remote_complete(lazy->remote));
}

/* Stop serving: from here on the kernel answers faults, or nobody does. */
static void lazy_shut(struct lazy *lazy)
{
	if (lazy->fds[LAZY_UFFD] < 0)
		return;
	loop_timer_cancel(lazy->context->loop, &lazy->starved);
	loop_remove(lazy->context->loop, &lazy->source);
	fetch_all_cancel(&lazy->fetch_all);
	batches_free(lazy);
	lazy_faults_free(lazy);
	lifeline_disarm(lazy);
	if (lazy->record)
		keeper_delete(lazy->context->keeper, lazy->record);
	lazy_close_fds(lazy->fds);
}

void lazy_free(struct lazy *lazy)
{
	struct lazy_completion *completion;

	while ((completion = lazy->completions)) {
		lazy->completions = completion->next;
		completion->done(completion->arg, -ECANCELED);
		free(completion);
	}
	loop_timer_cancel(lazy->context->loop, &lazy->timer);
	if (lazy->attachment->lazy == lazy)
		lazy->attachment->lazy = NULL;
	ahead_free(lazy);
	free(lazy->first);
	free(lazy->mapped);
	free(lazy->blocks);
	free(lazy->ranges);
	free(lazy);
}

void lazy_stop(struct lazy *lazy)
{
	lazy_shut(lazy);
	lazy_free(lazy);
}

/* The timer frees it, since callers still use it. */
void lazy_finish(struct lazy *lazy, int error)
{
	if (lazy->finished || lazy->broken)
		return;
	if (!lazy_filled(lazy))
		return;
	lazy->attachment->served |= SERVED_TO_THE_END;
	lazy->attachment->save(lazy->attachment);
	lazy_unregister(lazy);
	lazy_shut(lazy);
	lazy->finished = true;
	lazy->completed = error ? error : lazy->attachment->served & SERVED_LOST ? -EIO : 0;
	loop_timer(lazy->context->loop, &lazy->timer, rm_now_ns());
}

void lazy_progress(struct lazy *lazy)
{
	if (lazy_is_filled(lazy) && !lazy->dead)
		lazy_finish(lazy, 0);
}

void lazy_timer_fired(struct timer *timer)
{
	struct lazy *lazy = container_of(timer, struct lazy, timer);
	struct lazy_completion *completion, *completions = lazy->completions;
	int error = lazy->completed;

	lazy->completions = NULL;
	if (lazy->finished)
		lazy_free(lazy);
	while ((completion = completions)) {
		completions = completion->next;
		completion->done(completion->arg, error);
		free(completion);
	}
}
