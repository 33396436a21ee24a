/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * life.c - how long a publication of another host stays in memory, and finding it
 *
 * A function that calls back holds it meanwhile. When nobody has it attached, nothing holds it
 * and no read is under way, it is idle, and remote.c frees it. Worker thread only; does not
 * allocate.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"

void remote_hold(struct remote *remote)
{
	remote->hold++;
}

void remote_unhold(struct remote *remote)
{
	assert(remote->hold > 0);
	/*
	 * A read that is under way keeps it too. The end of the last read holds and unholds once
	 * more, in piece_read_done(), so that no dying remote is forgotten.
	 */
	if (!--remote->hold && remote->dying && !remote->fetch.outstanding)
		remote->remotes->ops->idle(remote);
}

struct remote *remotes_find(struct remotes *remotes, const uint8_t id[RM_ID_BYTES])
{
	struct remote *remote;

	for (remote = remotes->first; remote; remote = remote->next)
		if (!remote->dying && remote->state == REMOTE_READY &&
		    !memcmp(remote->handle.id, id, RM_ID_BYTES))
			return remote;
	return NULL;
}

bool remote_whole(const struct remote *remote)
{
	const struct remote_user *user;

	if (remote->caches && !remote->absent)
		return true;
	for (user = remote->users; user; user = user->next)
		if (user->fetch_all.remote || (user->done && user->eager == UINT64_MAX))
			return true;
	return false;
}
