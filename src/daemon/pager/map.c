/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy_map.c - pages into a consumer: mapped, copied, zero, or lost
 *
 * Pages go in runs, one ioctl a run. A run may meet pages that are mapped already (another
 * thread's fault), that the consumer unmapped, or where it keeps content of its own: then
 * it is gone through page by page. Worker thread.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/probe.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/reserve.h"
#include "uffd.h"

#define TRIES 64                        /* of a call that resolves nothing */

static const struct rm_segment *segment_of(const struct lazy *lazy, uint32_t segment)
{
	return &remote_table(lazy->remote)->segments[segment];
}

static uint64_t layer_page(const struct rm_segment *segment, uint64_t page)
{
	return segment->offset / RM_PAGE + page;
}

static bool is_hole(const struct lazy *lazy, const struct rm_segment *segment, uint64_t page)
{
	return !rm_bit(rm_table_view_bitmap(remote_table(lazy->remote), segment->layer),
	               layer_page(segment, page));
}

bool lazy_available(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct rm_segment *s = segment_of(lazy, segment);

	return remote_present(lazy->remote, s->layer, layer_page(s, page));
}

static bool is_mapped(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	return rm_bit(lazy->mapped, lazy->first[segment] + page);
}

static void mark(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	const struct rm_segment *s = segment_of(lazy, segment);
	bool shares = lazy_shares(lazy, s->layer);

	for (; count; count--, page++) {
		if (is_mapped(lazy, segment, page))
			continue;
		rm_bit_set(lazy->mapped, lazy->first[segment] + page);
		if (is_hole(lazy, s, page))
			continue;
		lazy->left--;
		lazy->left_copies -= !shares;
	}
}

bool lazy_waited_for(const struct lazy *lazy, uint64_t addr)
{
	const struct lazy_fault *fault = lazy->faults;

	while (fault && fault->addr != addr)
		fault = fault->next;
	return fault != NULL;
}

/* Who waited in [addr, end) has got his page. */
static void faults_served(struct lazy *lazy, uint64_t addr, uint64_t end)
{
	struct rm_counters *counters = &lazy->attachment->counters->sum;
	struct lazy_fault **at = &lazy->faults, *fault;
	uint64_t now = rm_now_ns();

	while ((fault = *at)) {
		if (fault->addr < addr || fault->addr >= end) {
			at = &fault->next;
			continue;
		}
		*at = fault->next;
		counters->fault_ns += now - fault->at_ns;
		counters->fault_times[rm_fault_time(now - fault->at_ns)]++;
		RM_PROBE(fault, fault->addr, RM_PAGE, now - fault->at_ns);
		reserve_free(fault);
	}
}

/* SIGBUS for the whole process: where a page cannot be marked, or not be given. */
static void send_sigbus(struct lazy *lazy, uint64_t addr)
{
	syscall(SYS_pidfd_send_signal, lazy->attachment->pidfd, SIGBUS, NULL, 0);
	/* A handler may return on another thread: the one that waits shall not wait for ever. */
	uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
}

/* Noted first: the process is not whole, unless the next worker has the page. */
static void note_lost(struct lazy *lazy)
{
	if (lazy->attachment->served & SERVED_LOST)
		return;
	lazy->attachment->served |= SERVED_LOST;
	lazy->attachment->save(lazy->attachment);
}

/*
 * True: whoever touches the page gets SIGBUS, or what is mapped there. False: it could not be
 * marked, and must stay registered; the process was sent SIGBUS, or faults again.
 */
static bool poison_page(struct lazy *lazy, uint64_t addr)
{
	enum uffd_result result = UFFD_FAILED;
	unsigned tries = 0;
	uint64_t done;

	note_lost(lazy);
	if (lazy->features & RM_UFFD_POISON)
		do
			result = uffd_resolve(lazy->fds[LAZY_UFFD], UFFD_POISON, addr, RM_PAGE, NULL,
			                      &done);
		while (result == UFFD_AGAIN && ++tries < TRIES);
	switch (result) {
	case UFFD_DONE:
		return true;
	case UFFD_DEAD:
		lazy->dead = true;
		return true;
	case UFFD_THERE:
	case UFFD_NOT_MAPPED:
		uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
		return true;
	case UFFD_AGAIN:
		uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
		return false;
	default:
		send_sigbus(lazy, addr);
		return false;
	}
}

static const char *reason(const struct lazy *lazy, int error)
{
	const char *why = remote_why(lazy->remote);

	if (error == -ENOSPC)
		return remote_context(lazy->remote)->limit.why;
	if (*why)
		return why;
	return error == -ETIMEDOUT ? "its host does not answer" : rm_errno_text(-error);
}

static void tell_loss(struct lazy *lazy, uint64_t addr, int error)
{
	char text[512], id[9];

	if (lazy->told || lazy->fds[LAZY_STDERR] < 0)
		return;
	lazy->told = true;
	rm_short_id(remote_id(lazy->remote), id);
	rm_format(text, sizeof text, "rmmap: publication %s: the page at 0x%llx can no longer be "
	          "had (%s); whoever touches it gets SIGBUS: have it published again, or attach "
	          "with RMMAP_FETCH=eager\n", id, (unsigned long long)addr,
	          reason(lazy, error));
	keeper_tell(lazy->context->keeper, lazy->fds[LAZY_STDERR], text);
}

struct run {
	uint64_t most;                  /* pages that the next call may have */
	unsigned tries;
	bool resolved;                  /* the pages of the last call: nobody can read zeros there */
};

/* The kernel cannot give this page: who waits for it is told, others may try again. */
static bool give_up(struct lazy *lazy, uint64_t addr)
{
	if (!lazy_waited_for(lazy, addr))
		return false;
	tell_loss(lazy, addr, -ENOMEM);
	return poison_page(lazy, addr);
}

/* One call; how many pages it was about. */
static uint64_t step(struct lazy *lazy, enum uffd_how how, uint64_t addr, uint64_t count,
                     const void *from, struct run *run)
{
	int fd = lazy->fds[LAZY_UFFD];
	enum uffd_result result;
	uint64_t done;

	result = uffd_resolve(fd, how, addr, count * RM_PAGE, from, &done);
	run->resolved = true;
	if (done || result == UFFD_DONE)
		return done / RM_PAGE;
	switch (result) {
	case UFFD_NOT_MAPPED:
		if (count > 1) {
			run->most = 1;
			return 0;
		}
		/* fall through */
	case UFFD_THERE:
		/* The kernel has done nothing for the rest of the range, and woken nobody. */
		uffd_wake(fd, addr, RM_PAGE);
		return 1;
	case UFFD_DEAD:
		lazy->dead = true;
		return 0;
	case UFFD_AGAIN:
		if (++run->tries < TRIES)
			return 0;
		run->resolved = false;
		uffd_wake(fd, addr, count * RM_PAGE);   /* they fault again */
		return count;
	case UFFD_NO_PAGE:
		run->resolved = false;
		if (how != UFFD_CONTINUE)
			return give_up(lazy, addr), 1;
		lazy_no_page(lazy);
		return 0;
	default:
		run->resolved = give_up(lazy, addr);
		return 1;
	}
}

static void map_run(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	const struct rm_segment *s = segment_of(lazy, segment);
	bool hole = is_hole(lazy, s, page);
	struct run run = { .most = count };
	enum uffd_how how;
	uint64_t n;

	while (count && !lazy->dead) {
		how = hole ? UFFD_ZERO : lazy_shares(lazy, s->layer) ? UFFD_CONTINUE : UFFD_COPY;
		n = step(lazy, how, s->addr + page * RM_PAGE, count < run.most ? count : run.most,
		         remote_data(lazy->remote, s->layer, layer_page(s, page)), &run);
		if (run.resolved)
			mark(lazy, segment, page, n);
		page += n;
		count -= n;
	}
}

void lazy_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end)
{
	const struct rm_segment *s = segment_of(lazy, segment);
	uint64_t from = page, run;

	while (page < end && !lazy->dead) {
		if (!lazy_available(lazy, segment, page) ||
		    (is_mapped(lazy, segment, page) && !lazy_waited_for(lazy, s->addr + page * RM_PAGE))) {
			page++;
			continue;
		}
		run = 1;
		while (page + run < end && !is_mapped(lazy, segment, page + run) &&
		       lazy_available(lazy, segment, page + run) &&
		       is_hole(lazy, s, page + run) == is_hole(lazy, s, page))
			run++;
		map_run(lazy, segment, page, run);
		page += run;
	}
	for (page = from; page < end; page = run) {
		run = page + 1;
		if (!lazy_available(lazy, segment, page))
			continue;
		while (run < end && lazy_available(lazy, segment, run))
			run++;
		faults_served(lazy, s->addr + page * RM_PAGE, s->addr + run * RM_PAGE);
	}
}

void lazy_lost(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end, int error)
{
	const struct rm_segment *s = segment_of(lazy, segment);
	uint64_t addr;

	for (; page < end && lazy->faults && !lazy->dead; page++) {
		addr = s->addr + page * RM_PAGE;
		if (lazy_available(lazy, segment, page) || !lazy_waited_for(lazy, addr))
			continue;
		/* Told first: the signal may end the process, and its stderr's reader with it. */
		tell_loss(lazy, addr, error);
		if (poison_page(lazy, addr))
			mark(lazy, segment, page, 1);
		faults_served(lazy, addr, addr + RM_PAGE);
	}
}

bool lazy_poison(struct lazy *lazy, int error)
{
	const struct rm_table *table = remote_table(lazy->remote);
	uint64_t page, pages;
	bool all = true;
	uint32_t i;

	if (!(lazy->features & RM_UFFD_POISON))
		return false;
	for (i = 0; i < table->segment_count; i++) {
		pages = table->segments[i].length / RM_PAGE;
		for (page = 0; page < pages && !lazy->dead; page++) {
			if (lazy_available(lazy, i, page) || is_mapped(lazy, i, page))
				continue;
			tell_loss(lazy, table->segments[i].addr + page * RM_PAGE, error);
			if (poison_page(lazy, table->segments[i].addr + page * RM_PAGE))
				mark(lazy, i, page, 1);
			else
				all = false;
		}
	}
	return all;
}
