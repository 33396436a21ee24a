/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - gives pages to the process: mapped, copied, zero, or marked as lost
 *
 * Pages are resolved in runs, with one ioctl for a run. A run may meet pages that are mapped
 * already (by another thread's fault), that the process unmapped, or where it keeps content of
 * its own: then the run continues page by page. Worker thread only; does not allocate.
 */
#include <assert.h>
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

static uint64_t segment_layer_page(const struct rm_segment *segment, uint64_t page)
{
	return segment->offset / RM_PAGE + page;
}

static bool page_is_hole(const struct lazy *lazy, const struct rm_segment *segment, uint64_t page)
{
	return !rm_bit(rm_table_view_bitmap(remote_table(lazy->remote), segment->layer),
	               segment_layer_page(segment, page));
}

bool lazy_available(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);

	return remote_present(lazy->remote, s->layer, segment_layer_page(s, page));
}

static bool page_is_mapped(const struct lazy *lazy, uint32_t segment, uint64_t page)
{
	return rm_bit(lazy->mapped, lazy->first[segment] + page);
}

/* These pages were resolved or marked as lost. */
static void pages_mark(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	bool shares = lazy_shares(lazy, s->layer);

	for (; count; count--, page++) {
		if (page_is_mapped(lazy, segment, page))
			continue;
		rm_bit_set(lazy->mapped, lazy->first[segment] + page);
		if (page_is_hole(lazy, s, page))
			continue;
		/* A broken one goes on although its counters were found to be wrong. */
		assert(lazy->broken || (lazy->left > 0 && (shares || lazy->left_copies > 0)));
		lazy->left--;
		lazy->left_copies -= !shares;
		assert(lazy->broken || lazy->left_copies <= lazy->left);
	}
}

bool lazy_waited_for(const struct lazy *lazy, uint64_t addr)
{
	const struct lazy_fault *fault = lazy->faults;

	while (fault && fault->addr != addr)
		fault = fault->next;
	return fault != NULL;
}

/* Forget and count the faults in [addr, end): their pages were given or marked as lost. */
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

void lazy_resolved(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	uint64_t addr = lazy_segment_at(lazy, segment)->addr + page * RM_PAGE;

	pages_mark(lazy, segment, page, count);
	faults_served(lazy, addr, addr + count * RM_PAGE);
}

/* The kernel cannot mark the page as lost: the whole process gets SIGBUS. */
static void lazy_send_sigbus(struct lazy *lazy, uint64_t addr)
{
	syscall(SYS_pidfd_send_signal, lazy->attachment->pidfd, SIGBUS, NULL, 0);
	/* Another thread may handle the signal: the thread that waits must not wait for ever. */
	uffd_wake(lazy->fds[LAZY_UFFD], addr, RM_PAGE);
}

/* Recorded before a page is marked. The next worker gives the page anew if it can be had then. */
static void lazy_note_lost(struct lazy *lazy)
{
	if (lazy->attachment->served & SERVED_LOST)
		return;
	lazy->attachment->served |= SERVED_LOST;
	lazy->attachment->save(lazy->attachment);
}

/*
 * Mark a page as lost. True: whoever touches it gets SIGBUS, or finds what is mapped there.
 * False: it could not be marked and must stay registered; the process was sent SIGBUS, or the
 * thread faults again.
 */
static bool page_poison(struct lazy *lazy, uint64_t addr)
{
	enum uffd_result result = UFFD_FAILED;
	unsigned tries = 0;
	uint64_t done;

	lazy_note_lost(lazy);
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
		lazy_send_sigbus(lazy, addr);
		return false;
	}
}

static const char *loss_reason(const struct lazy *lazy, int error)
{
	const char *why = remote_why(lazy->remote);

	if (error == -ENOSPC)
		return remote_context(lazy->remote)->limit.why;
	if (*why)
		return why;
	return error == -ETIMEDOUT ? "its host does not answer" : rm_errno_text(-error);
}

/* Say once, on the process's stderr, that a page is lost, and why. */
static void loss_tell(struct lazy *lazy, uint64_t addr, int error)
{
	char text[512], id[9];

	if (lazy->told || lazy->fds[LAZY_STDERR] < 0)
		return;
	lazy->told = true;
	rm_short_id(remote_id(lazy->remote), id);
	rm_format(text, sizeof(text), "rmmap: publication %s: the page at 0x%llx can no longer be "
	          "had (%s); whoever touches it gets SIGBUS: have it published again, or attach "
	          "with RMMAP_FETCH=eager\n", id, (unsigned long long)addr,
	          loss_reason(lazy, error));
	keeper_tell(lazy->context->keeper, lazy->fds[LAZY_STDERR], text);
}

struct run {
	uint64_t most;                  /* pages for the next call, at most */
	unsigned tries;                 /* calls that returned UFFD_AGAIN without any page */
	bool resolved;                  /* nobody can read zeros in the pages of the last call */
};

/* The kernel cannot give this page. It is lost for a thread that waits; others may try again. */
static bool page_give_up(struct lazy *lazy, uint64_t addr)
{
	if (!lazy_waited_for(lazy, addr))
		return false;
	loss_tell(lazy, addr, -ENOMEM);
	return page_poison(lazy, addr);
}

/* One call. Returns how many pages are done with; run->resolved says in which way. */
static uint64_t run_step(struct lazy *lazy, enum uffd_how how, uint64_t addr, uint64_t count,
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
		/* The kernel did nothing for the rest of the range, and woke nobody. */
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
			return page_give_up(lazy, addr), 1;
		lazy_no_page(lazy);
		return 0;
	default:
		run->resolved = page_give_up(lazy, addr);
		return 1;
	}
}

/* Resolve a run of pages that are here and either all holes or all data. */
static void run_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t count)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	bool hole = page_is_hole(lazy, s, page);
	struct run run = { .most = count };
	enum uffd_how how;
	uint64_t n;

	while (count && !lazy->dead) {
		how = hole ? UFFD_ZERO : lazy_shares(lazy, s->layer) ? UFFD_CONTINUE : UFFD_COPY;
		n = run_step(lazy, how, s->addr + page * RM_PAGE, count < run.most ? count : run.most,
		             remote_data(lazy->remote, s->layer, segment_layer_page(s, page)), &run);
		if (run.resolved)
			pages_mark(lazy, segment, page, n);
		page += n;
		count -= n;
	}
}

void lazy_map(struct lazy *lazy, uint32_t segment, uint64_t page, uint64_t end)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	uint64_t from = page, run;

	while (page < end && !lazy->dead) {
		if (!lazy_available(lazy, segment, page) ||
		    (page_is_mapped(lazy, segment, page) && !lazy_waited_for(lazy, s->addr + page * RM_PAGE))) {
			page++;
			continue;
		}
		run = 1;
		while (page + run < end && !page_is_mapped(lazy, segment, page + run) &&
		       lazy_available(lazy, segment, page + run) &&
		       page_is_hole(lazy, s, page + run) == page_is_hole(lazy, s, page))
			run++;
		run_map(lazy, segment, page, run);
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
	const struct rm_segment *s = lazy_segment_at(lazy, segment);
	uint64_t addr;

	for (; page < end && lazy->faults && !lazy->dead; page++) {
		addr = s->addr + page * RM_PAGE;
		if (lazy_available(lazy, segment, page) || !lazy_waited_for(lazy, addr))
			continue;
		/* Before the page is marked: SIGBUS may end the process and its stderr's reader. */
		loss_tell(lazy, addr, error);
		if (page_poison(lazy, addr))
			pages_mark(lazy, segment, page, 1);
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
			if (lazy_available(lazy, i, page) || page_is_mapped(lazy, i, page))
				continue;
			loss_tell(lazy, table->segments[i].addr + page * RM_PAGE, error);
			if (page_poison(lazy, table->segments[i].addr + page * RM_PAGE))
				pages_mark(lazy, i, page, 1);
			else
				all = false;
		}
	}
	return all;
}
