/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager.c - lazy attachments: fault events in, batches of pages out
 *
 * A fault on a page that is here is resolved at once, with its neighbours; one on an absent
 * page has a batch fetched, which grows while faults go up through the addresses. When all
 * data is in the file that the consumer maps, the kernel alone can go on: the ranges are
 * unregistered and everything is closed.
 *
 * A consumer's uffd is never closed while something is absent and not marked as lost, unless
 * its address space is gone: it would read zeros. Worker thread; allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/reserve.h"
#include "uffd.h"
#include "../base/container.h"

#define READS_PER_EVENT 4               /* then it is others' turn */
#define FAULTS_PER_READ 32

/* ---- faults ---- */

static bool add_fault(struct lazy *lazy, uint64_t addr)
{
	struct lazy_fault *fault = reserve_zalloc(sizeof *fault, true);

	lazy->attachment->counters->sum.faults++;
	if (!fault)
		return false;
	fault->addr = addr;
	fault->at_ns = rm_now_ns();
	fault->next = lazy->faults;
	lazy->faults = fault;
	return true;
}

static void handle_fault(struct lazy *lazy, uint64_t addr)
{
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *s = rm_table_find(table, addr);

	if (!s)
		uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
	else if (!add_fault(lazy, addr))
		lazy_starved(lazy);
	else
		lazy_fault(lazy, (uint32_t)(s - table->segments), (addr - s->addr) / RM_PAGE);
}

/* All who wait fault anew: those who could not even be noted, too. */
static void fed(struct timer *timer)
{
	struct lazy *lazy = container_of(timer, struct lazy, starved);
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *last = &table->segments[table->segment_count - 1];
	uint64_t addr = table->segments[0].addr;

	lazy_faults_free(lazy);
	uffd_wake(lazy->fds[LAZY_UFFD], addr, last->addr + last->length - addr);
}

static void ready(struct source *source, uint32_t events)
{
	struct lazy *lazy = container_of(source, struct lazy, source);
	uint64_t addrs[FAULTS_PER_READ];
	unsigned round, i, n = 1;

	(void)events;
	for (round = 0; round < READS_PER_EVENT && n; round++) {
		n = uffd_faults(lazy->fds[LAZY_UFFD], addrs, FAULTS_PER_READ);
		for (i = 0; i < n && !lazy->dead && !lazy->finished; i++)
			handle_fault(lazy, addrs[i]);
		if (lazy->finished)
			return;
	}
	if (lazy->dead)
		loop_remove(lazy->context->loop, source); /* local.c will notice, and stop it */
	else
		lazy_progress(lazy);
}

/* ---- completing ---- */

/* What is here and not in the files that the process maps. */
static void give(struct lazy *lazy)
{
	const struct rm_table *table = remote_table(lazy->remote);
	uint32_t i;

	for (i = 0; i < table->segment_count; i++)
		if (!lazy_shares(lazy, table->segments[i].layer))
			lazy_map(lazy, i, 0, table->segments[i].length / RM_PAGE);
}

static void swept(struct fetch_all *sweep, int error)
{
	struct lazy *lazy = container_of(sweep, struct lazy, sweep);

	give(lazy);
	lazy->completed = error ? error : -EIO;         /* unless finish() knows better */
	if (lazy->dead)
		lazy->completed = -ESRCH;
	else if (error ? lazy_poison(lazy, error) && !lazy->left_copies : lazy_is_filled(lazy))
		lazy_finish(lazy, error);
	loop_timer(lazy->context->loop, &lazy->timer, rm_now_ns());
}

void lazy_complete(struct lazy *lazy, void (*done)(void *arg, int error), void *arg)
{
	struct lazy_completion *completion = calloc(1, sizeof *completion);

	if (!completion) {
		done(arg, -ENOMEM);
		return;
	}
	completion->done = done;
	completion->arg = arg;
	completion->next = lazy->completions;
	lazy->completions = completion;
	if (!lazy->finished && !lazy->sweep.remote)
		fetch_all_start(&lazy->sweep, lazy->remote, lazy->attachment, swept);
}

bool lazy_gone(struct lazy *lazy)
{
	if (lazy->fds[LAZY_UFFD] < 0)
		return lazy->dead;
	if (!lazy->dead && lazy->range_count)
		lazy->dead = !uffd_alive(lazy->fds[LAZY_UFFD], lazy->ranges[0].addr);
	return lazy->dead;
}

/* ---- the beginning ---- */

/* Takes the descriptors, not on failure; the caller puts or knows the record. */
static int start(struct attachment *attachment, const int *fds, unsigned count,
                 uint32_t features, struct lazy **out)
{
	struct lazy *lazy = calloc(1, sizeof *lazy);
	int mine[LAZY_FDS] = { -1, -1, -1, -1, -1 };
	unsigned i, to;
	int error;

	for (i = to = 0; i < count && to < LAZY_FDS; i++, to++) {
		if (to == LAZY_RANGES && !(features & RM_UFFD_RANGES))
			to++;
		mine[to] = fds[i];
	}
	if (!lazy)
		return -ENOMEM;
	memcpy(lazy->fds, mine, sizeof mine);
	lazy->remote = attachment->remote;
	lazy->context = remote_context(attachment->remote);
	lazy->attachment = attachment;
	lazy->features = features;
	lazy->events = &fault_events;
	lazy->timer.fire = lazy_timer_fired;
	lazy->starved.fire = fed;
	lazy->source.fd = mine[LAZY_UFFD];
	lazy->source.ready = ready;
	error = lazy_number(lazy);
	/* The kernel lets only a non-blocking uffd be polled. */
	if (!error && fcntl(mine[LAZY_UFFD], F_SETFL, O_NONBLOCK))
		error = -errno;
	if (!error)
		error = loop_add(lazy->context->loop, &lazy->source, EPOLLIN);
	if (error) {
		lazy_free(lazy);
		return error;
	}
	attachment->lazy = lazy;
	*out = lazy;
	return 0;
}

int lazy_start(struct attachment *attachment, const int *fds, unsigned count, uint32_t features)
{
	struct lazy_record data = { .attachment = attachment->number, .features = features };
	unsigned least = features & RM_UFFD_RANGES ? LAZY_STDERR : LAZY_RANGES;
	struct lazy *lazy = NULL;
	struct keeper *keeper;
	unsigned i;
	int error;

	error = count < least || count > least + 1 || !attachment->remote ? -EINVAL : 0;
	/* Else asked once more after a restart: it is served already. */
	if (!error && !attachment->lazy)
		error = start(attachment, fds, count, features, &lazy);
	if (error || !lazy) {
		for (i = 0; i < count; i++)
			close(fds[i]);
		return error;
	}
	keeper = lazy->context->keeper;
	lazy->record = keeper_number(keeper);
	keeper_put(keeper, RECORD_LAZY, lazy->record, &data, sizeof data, fds, count);
	lazy_progress(lazy);
	return 0;
}

/* The keeper has the uffd open: nobody reads zeros, but nobody is served. */
static void cannot_restore(struct attachment *attachment, const struct record *record, int error)
{
	const struct lazy_record *data = record->data;
	unsigned least = data->features & RM_UFFD_RANGES ? LAZY_STDERR : LAZY_RANGES, i;
	struct context *context = remote_context(attachment->remote);
	char text[300], id[9];

	rm_short_id(remote_id(attachment->remote), id);
	rm_format(text, sizeof text, "rmmap: publication %s: rmmapd's worker was replaced, and this "
	          "one cannot serve the pages that are absent (%s): this process gets SIGBUS\n", id,
	          rm_errno_text(-error));
	log_line("publication %s: a process of which pages are absent cannot be taken "
	         "over: %s", id, rm_errno_text(-error));
	if (record->count > least)
		keeper_tell(context->keeper, record->fds[least], text);
	for (i = 0; i < record->count; i++)
		close(record->fds[i]);
	syscall(SYS_pidfd_send_signal, attachment->pidfd, SIGBUS, NULL, 0);
}

void lazy_restore(struct attachment *attachment, const struct record *record)
{
	const struct lazy_record *data = record->data;
	const struct rm_table *table = remote_table(attachment->remote);
	const struct rm_segment *last = &table->segments[table->segment_count - 1];
	uint64_t addr = table->segments[0].addr;
	struct lazy *lazy;
	int error = start(attachment, record->fds, record->count, data->features, &lazy);

	if (error) {
		cannot_restore(attachment, record, error);
		return;
	}
	lazy->record = record->number;
	attachment->served = 0; /* what was marked as lost is given anew, if it can be had now */
	/* Who waited for the earlier worker faults again, and the events come here. */
	uffd_wake(lazy->fds[LAZY_UFFD], addr, last->addr + last->length - addr);
}
