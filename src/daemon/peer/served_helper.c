/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_helpers.c - which reader's host is sent to which other one for its pages
 *
 * The first few hosts read here. Who comes later is told of one that came before it, has all
 * pages or is fetching them, and passes them on to few others yet: a tree, filled in the order
 * of coming, so that its depth is the logarithm of their number. Only pages come from there:
 * each has its session, and so its lease and its keys, here, and reads here what it cannot
 * have there.
 *
 * Worker thread only.
 */
#include <string.h>

#include "internal.h"

static bool may_help(const struct peer_served *other, const struct peer_served *served,
                     unsigned most)
{
	return other != served && other->publication == served->publication && other->whole &&
	       other->helped < most && memcmp(other->host, served->host, RM_ID_BYTES);
}

/*
 * Nobody is sent to who came after it, or two could wait for each other; so neither is a host
 * that comes again, whose earlier session others may have been sent to.
 */
void helper_choose(struct peer_served *served, bool again)
{
	unsigned most = served->peers->context->options.fan_out, direct = 0;
	struct peer_served *other, *oldest = NULL;

	if (again || !most)
		return;
	for (other = served->peers->served; other; other = other->next) {
		if (may_help(other, served, most))
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

	if (served->helper)
		served->helper->helped--;
	served->helper = NULL;
	for (other = served->peers->served; other; other = other->next)
		if (other->helper == served)
			other->helper = NULL;
}
