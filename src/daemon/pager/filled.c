/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filled.c - proves that nothing is unregistered that could be read as zeros
 *
 * Once a range is unregistered, the kernel answers faults there from the file that the process
 * maps, with zeros where the file has no page. So before that, each page of data must have been
 * resolved, or be in that very file, and not in one that a later worker made. This is checked
 * page by page from the bitmaps, independently of the counters that said it was time to
 * unregister; and the kernel is asked for one page of each segment. That a page exists in the
 * file proves nothing: in a huge page, all do from the start (remote/README). Worker thread only;
 * does not allocate.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/handle.h"
#include "internal.h"
#include "uffd.h"

bool lazy_shares(const struct lazy *lazy, uint32_t layer)
{
	return remote_shares(lazy->remote, layer, lazy->attachment->generation);
}

/*
 * Pages [page, end) of a segment were not resolved: is each of them a hole, or in the file that
 * the process maps?
 */
static bool file_has_pages(const struct lazy *lazy, const struct rm_segment *s, uint64_t page,
                           uint64_t end)
{
	const uint64_t *data = rm_table_view_bitmap(remote_table(lazy->remote), s->layer);
	uint64_t first = s->offset / RM_PAGE, start, count;

	if (lazy_shares(lazy, s->layer))
		return !remote_missing(lazy->remote, s->layer, first + page, first + end);
	return !rm_bit_run(data, first + page, first + end, true, &start, &count);
}

/* Ask the kernel for the first page of data among these: does the process's file have it? */
static bool kernel_has_page(struct lazy *lazy, const struct rm_segment *s, uint64_t page,
                            uint64_t end)
{
	const uint64_t *data = rm_table_view_bitmap(remote_table(lazy->remote), s->layer);
	uint64_t first = s->offset / RM_PAGE, start, count, done;

	if (!rm_bit_run(data, first + page, first + end, true, &start, &count))
		return true;
	return uffd_resolve(lazy->fds[LAZY_UFFD], UFFD_CONTINUE, s->addr + (start - first) * RM_PAGE,
	                    RM_PAGE, NULL, &done) != UFFD_NO_PAGE;
}

/*
 * The process maps another file than was recorded, perhaps by its own doing. From now on all
 * pages that it is given are copies.
 */
static void lazy_distrust(struct lazy *lazy)
{
	char id[9];

	rm_short_id(remote_id(lazy->remote), id);
	log_line("a process that attached publication %s maps another file than "
	         "it was sent: it gets all pages that it lacks by copies", id);
	lazy->attachment->generation = 0;
	lazy->attachment->save(lazy->attachment);
	lazy->left_copies = lazy->left;
}

void lazy_no_page(struct lazy *lazy)
{
	if (lazy->attachment->generation)
		lazy_distrust(lazy);
}

/*
 * A process that is sent SIGBUS may handle it, and so stays registered. If this worker ends, its
 * successor finds generation 0 in the record: so that happens once for an attachment.
 */
static void lazy_end_worker(struct lazy *lazy)
{
	struct attachment *attachment = lazy->attachment;
	bool last = !attachment->generation || !keeper_alive(lazy->context->keeper);
	char id[9];

	rm_short_id(remote_id(lazy->remote), id);
	log_line("please report this as a bug: a process that attached publication "
	         "%s was about to read zeros (attachment %llu, generation %llu): %s", id,
	         (unsigned long long)attachment->number,
	         (unsigned long long)attachment->generation, last ? "it gets SIGBUS" :
	         "this worker ends, and the next one gives it all pages by copies");
	lazy->broken = true;
	if (last) {
		syscall(SYS_pidfd_send_signal, attachment->pidfd, SIGBUS, NULL, 0);
		return;
	}
	attachment->generation = 0;
	attachment->save(attachment);
	abort();
}

static bool segment_filled(struct lazy *lazy, uint32_t segment)
{
	const struct rm_segment *s = &remote_table(lazy->remote)->segments[segment];
	uint64_t at = lazy->first[segment], end = at + s->length / RM_PAGE, start, count, page;
	bool asked = !lazy_shares(lazy, s->layer);

	for (; rm_bit_run(lazy->mapped, at, end, false, &start, &count); at = start + count) {
		page = start - lazy->first[segment];
		if (!file_has_pages(lazy, s, page, page + count)) {
			lazy_end_worker(lazy);
			return false;
		}
		if (!asked && !kernel_has_page(lazy, s, page, page + count)) {
			lazy_distrust(lazy);
			return false;
		}
		asked = true;
	}
	return true;
}

bool lazy_block_filled(const struct lazy *lazy, uint32_t segment, uint64_t block)
{
	const struct rm_segment *s = lazy_segment_at(lazy, segment);

	/* Holes need no proof: nothing but what is fetched is ever written into the file. */
	return !lazy->broken && lazy_shares(lazy, s->layer) &&
	       file_has_pages(lazy, s, block, block + LAZY_BLOCK);
}

bool lazy_filled(struct lazy *lazy)
{
	const struct rm_table *table = remote_table(lazy->remote);
	uint32_t i;

	for (i = 0; i < table->segment_count; i++)
		if (!segment_filled(lazy, i))
			return false;
	return true;
}
