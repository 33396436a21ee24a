/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager.c - lazy attachments: fault events, completion, the record
 *
 * A fault on a page that is here is resolved at once, with its neighbours. A fault on an absent
 * page has a batch fetched, which grows while faults follow a stream. When all data is in the
 * file that the process maps, the kernel needs no help any more: the ranges are unregistered
 * and everything is closed.
 *
 * A userfaultfd is never closed while a page is absent and not marked as lost, unless the
 * address space is gone: the process would read zeros. Worker thread only; allocates.
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

#define READS_PER_EVENT 4               /* then others have their turn */
#define FAULTS_PER_READ 32

/* ---- faults ---- */

static bool fault_add(struct lazy *lazy, uint64_t addr)
{
	struct lazy_fault *fault = reserve_zalloc(sizeof(*fault), true);

	lazy->attachment->counters->sum.faults++;
	if (!fault)
		return false;
	fault->addr = addr;
	fault->at_ns = rm_now_ns();
	fault->next = lazy->faults;
	lazy->faults = fault;
	return true;
}

static void fault_handle(struct lazy *lazy, uint64_t addr)
{
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *s = rm_table_find(table, addr);

	if (!s)
		uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
	else if (!fault_add(lazy, addr))
		lazy_starved(lazy);
	else
		lazy_fault(lazy, (uint32_t)(s - table->segments), (addr - s->addr) / RM_PAGE);
}

/* Wake all threads, to fault again: for some of the faults there was no memory to note them. */
static void starved_timer_fired(struct timer *timer)
{
	struct lazy *lazy = container_of(timer, struct lazy, starved);
	const struct rm_table *table = remote_table(lazy->remote);
	const struct rm_segment *last = &table->segments[table->segment_count - 1];
	uint64_t addr = table->segments[0].addr;

	lazy_faults_free(lazy);
	uffd_wake(lazy->fds[LAZY_UFFD], addr, last->addr + last->length - addr);
}

/* source.ready of the userfaultfd. */
static void lazy_uffd_ready(struct source *source, uint32_t events)
{
	struct lazy *lazy = container_of(source, struct lazy, source);
	uint64_t addrs[FAULTS_PER_READ];
	unsigned round, i, n = 1;

	(void)events;
	for (round = 0; round < READS_PER_EVENT && n; round++) {
		n = uffd_faults(lazy->fds[LAZY_UFFD], addrs, FAULTS_PER_READ);
		for (i = 0; i < n && !lazy->dead && !lazy->finished; i++)
			fault_handle(lazy, addrs[i]);
		if (lazy->finished)
			return;
	}
	if (lazy->dead)
		loop_remove(lazy->context->loop, source);       /* local/ notices, and stops it */
	else
		lazy_progress(lazy);
}

/* ---- completing ---- */

/* Give the process the pages that are here but not in the files that it maps. */
static void lazy_give_copies(struct lazy *lazy)
{
	const struct rm_table *table = remote_table(lazy->remote);
	uint32_t i;

	for (i = 0; i < table->segment_count; i++)
		if (!lazy_shares(lazy, table->segments[i].layer))
			lazy_map(lazy, i, 0, table->segments[i].length / RM_PAGE);
}

/* fetch_all.done: all pages are here, or (error) some will not come. */
static void lazy_all_fetched(struct fetch_all *all, int error)
{
	struct lazy *lazy = container_of(all, struct lazy, fetch_all);

	lazy_give_copies(lazy);
	lazy->completed = error ? error : -EIO;         /* unless lazy_finish() changes it */
	if (lazy->dead)
		lazy->completed = -ESRCH;
	else if (error ? lazy_poison(lazy, error) && !lazy->left_copies : lazy_is_filled(lazy))
		lazy_finish(lazy, error);
	loop_timer(lazy->context->loop, &lazy->timer, rm_now_ns());
}

void lazy_complete(struct lazy *lazy, void (*done)(void *arg, int error), void *arg)
{
	struct lazy_completion *completion = calloc(1, sizeof(*completion));

	if (!completion) {
		done(arg, -ENOMEM);
		return;
	}
	completion->done = done;
	completion->arg = arg;
	completion->next = lazy->completions;
	lazy->completions = completion;
	if (!lazy->finished && !lazy->fetch_all.remote)
		fetch_all_start(&lazy->fetch_all, lazy->remote, lazy->attachment, lazy_all_fetched);
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

/* Takes the descriptors unless it fails. The caller puts the record, or has it already. */
static int lazy_begin(struct attachment *attachment, const int *fds, unsigned count,
                      uint32_t features, struct lazy **out)
{
	struct lazy *lazy = calloc(1, sizeof(*lazy));
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
	memcpy(lazy->fds, mine, sizeof(mine));
	lazy->remote = attachment->remote;
	lazy->context = remote_context(attachment->remote);
	lazy->attachment = attachment;
	lazy->features = features;
	lazy->events = &fault_events;
	lazy->timer.fire = lazy_timer_fired;
	lazy->starved.fire = starved_timer_fired;
	lazy->source.fd = mine[LAZY_UFFD];
	lazy->source.ready = lazy_uffd_ready;
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
	if (lazy_maps_other(lazy))
		lazy_no_page(lazy);
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
	/* If there is one already, the process asks again after a restart, and is served. */
	if (!error && !attachment->lazy)
		error = lazy_begin(attachment, fds, count, features, &lazy);
	if (error || !lazy) {
		for (i = 0; i < count; i++)
			close(fds[i]);
		return error;
	}
	keeper = lazy->context->keeper;
	lazy->record = keeper_number(keeper);
	keeper_put(keeper, RECORD_LAZY, lazy->record, &data, sizeof(data), fds, count);
	lazy_progress(lazy);
	return 0;
}

/*
 * Nobody serves the process. It reads no zeros, since the keeper has the userfaultfd open; so that
 * it does not hang, it gets SIGBUS.
 */
static void lazy_cannot_restore(struct attachment *attachment, const struct record *record,
                                int error)
{
	const struct lazy_record *data = record->data;
	unsigned least = data->features & RM_UFFD_RANGES ? LAZY_STDERR : LAZY_RANGES, i;
	struct context *context = remote_context(attachment->remote);
	char text[300], id[9];

	rm_short_id(remote_id(attachment->remote), id);
	rm_format(text, sizeof(text), "rmmap: publication %s: rmmapd's worker was replaced, and this "
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
	int error = lazy_begin(attachment, record->fds, record->count, data->features, &lazy);

	if (error) {
		lazy_cannot_restore(attachment, record, error);
		return;
	}
	lazy->record = record->number;
	attachment->served = 0; /* pages that were marked as lost are given if they can be had now */
	/* Threads that waited for the earlier worker fault again, and the events come here. */
	uffd_wake(lazy->fds[LAZY_UFFD], addr, last->addr + last->length - addr);
}
