/* SPDX-License-Identifier: BSD-2-Clause */
/* asked.c - ranges of rmmap_prefetch(), fetched in turn. Worker thread only; allocates. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#define ASKED_WINDOW 512                /* pages under way for rmmap_prefetch() */
#define ASKED_MAX 1024                  /* ranges of rmmap_prefetch() that wait */

bool asked_fetch(struct lazy *lazy)
{
	struct lazy_ahead *ahead = &lazy->ahead;
	struct lazy_asked *asked = ahead->asked;
	uint64_t page, count, pages, block;
	uint32_t segment;
	bool whole;

	if (!asked || ahead->flying >= AHEAD_FLYING_MAX || ahead->flying_pages >= ASKED_WINDOW)
		return false;
	segment = lazy_segment(lazy, asked->at);
	page = asked->at - lazy->first[segment];
	pages = remote_table(lazy->remote)->segments[segment].length / RM_PAGE;
	whole = asked->end - asked->at >= LAZY_BLOCK &&
	        block_find(lazy, segment, page, &block) && block == page;
	count = whole ? LAZY_BLOCK : LAZY_PART;
	count = asked->end - asked->at < count ? asked->end - asked->at : count;
	if (count > pages - page)
		count = pages - page;
	assert(asked->at < asked->end && ahead->asked_count > 0);
	asked->at += count;
	if (asked->at >= asked->end) {
		ahead->asked = asked->next;
		ahead->asked_count--;
		free(asked);
	}
	if (whole)
		block_fetch(lazy, segment, page, RM_AHEAD_ASKED);
	else
		lazy_fetch(lazy, segment, page, count, RM_AHEAD_ASKED, LAZY_NOBODY);
	return true;
}

int asked_add(struct lazy *lazy, uint64_t at, uint64_t end)
{
	struct lazy_ahead *ahead = &lazy->ahead;
	struct lazy_asked **last = &ahead->asked, *asked;

	while (*last && (*last)->next)
		last = &(*last)->next;
	/* The next segment or the next call often continues the last range. */
	if (*last && (*last)->end == at) {
		(*last)->end = end;
		return 0;
	}
	if (ahead->asked_count == ASKED_MAX)
		return -EAGAIN;
	asked = calloc(1, sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	asked->at = at;
	asked->end = end;
	if (*last)
		last = &(*last)->next;
	*last = asked;
	ahead->asked_count++;
	return 0;
}

void asked_free(struct lazy *lazy)
{
	struct lazy_asked *asked;

	while ((asked = lazy->ahead.asked)) {
		lazy->ahead.asked = asked->next;
		free(asked);
	}
}
