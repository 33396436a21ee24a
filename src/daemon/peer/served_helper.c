/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served_helper.c - which reader's host passes pages on to which other one
 *
 * The first few hosts read here. A later one is told of a helper: a host that came before it, has
 * all pages or is fetching them, and helps only few others so far. The hosts form a tree in the
 * order of coming, whose depth is the logarithm of their number. Only pages come from a helper:
 * each host has its session, and so its lease and its keys, here, and reads here what its helper
 * does not have.
 *
 * Worker thread only. Does not allocate.
 */
#include <assert.h>
#include <string.h>

#include "served.h"

/* May other help served, if a host helps at most most others? */
static bool served_may_help(const struct peer_served *other, const struct peer_served *served,
                            unsigned most)
{
	return other != served && other->publication == served->publication && other->whole &&
	       other->helped < most && memcmp(other->host, served->host, RM_ID_BYTES);
}

/*
 * A helper must have come before the host that it helps, or two hosts could wait for each other.
 * For the same reason a host that comes again gets no helper: others may have its earlier session
 * as theirs.
 */
void helper_choose(struct peer_served *served, bool again)
{
	unsigned most = served->peers->context->options.fan_out, direct = 0;
	struct peer_served *other, *oldest = NULL;

	if (again || !most)
		return;
	for (other = served->peers->served; other; other = other->next) {
		if (served_may_help(other, served, most))
			oldest = other;         /* the list has the newest first */
		direct += other != served && other->publication == served->publication &&
		          !other->helper;
	}
	if (direct < most || !oldest)
		return;
	served->helper = oldest;
	oldest->helped++;
}

void helper_forget(struct peer_served *served)
{
	struct peer_served *other;

	if (served->helper) {
		assert(served->helper->helped > 0);
		served->helper->helped--;
	}
	served->helper = NULL;
	for (other = served->peers->served; other; other = other->next)
		if (other->helper == served)
			other->helper = NULL;
}
