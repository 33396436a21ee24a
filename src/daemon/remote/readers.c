/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_users.c - who has which publication of another host, and whom that host admits
 *
 * Pages are shared here, readers are counted there: each new user waits until the other
 * host has said that one more may come, also where all pages are here already. Worker
 * thread; allocates.
 */
#include <errno.h>
#include <stdlib.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/container.h"

void remote_kick(struct remote *remote)
{
	loop_timer(remote->remotes->context->loop, &remote->kick, rm_now_ns());
}

static void user_due(struct remote_user *user, int error)
{
	user->due = true;
	user->error = error;
	remote_kick(user->remote);
}

/* There is no memory for what it needs. */
static void user_refuse(struct remote_user *user, int error)
{
	if (error == -ENOSPC)
		rm_format(user->why, sizeof user->why, "%s",
		          user->remote->remotes->context->limit.why);
	user_due(user, error);
}

static void swept(struct sweep *sweep, int error)
{
	struct remote_user *user = container_of(sweep, struct remote_user, sweep);

	claim_trim(user->remote);
	user_refuse(user, error);
}

/* Pages that come one by one need each segment mapped by itself, in each process. */
static bool comes_whole(const struct remote_user *user)
{
	return user->remote->data_bytes <= user->eager ||
	       remote_table(user->remote)->segment_count > RM_LAZY_SEGMENTS_MAX;
}

/* It is admitted: get what it needs before it is told. */
static void user_fetch(struct remote_user *user)
{
	struct remote *remote = user->remote;
	bool all = remote->absent && comes_whole(user);
	int error = all ? claim_all(remote) : remote->absent ? claim_some(remote) : 0;

	if (error)
		user_refuse(user, error);
	else if (all)
		sweep_start(&user->sweep, remote, user->attachment, swept);
	else
		user_due(user, 0);
}

static void user_start(struct remote_user *user)
{
	struct remote *remote = user->remote;

	if (remote->state == REMOTE_LOST &&
	    (user->admission != USER_ADMITTED || remote->absent || !remote->caches))
		user_due(user, remote->error);
	else if (remote->state == REMOTE_ASKING || user->admission != USER_ADMITTED)
		return;
	else
		user_fetch(user);
}

static bool waits(const struct remote_user *user)
{
	return user->done && !user->due && user->admission != USER_ADMITTED;
}

/* For those who wait: the one reader that the attach was for, then the question for more. */
static void admit(struct remote *remote)
{
	struct remote_user *user;
	unsigned count = 0;

	if (remote->state != REMOTE_READY || remote->admitting || remote->dying)
		return;
	for (user = remote->users; user && count < PEER_ADMIT_MAX; user = user->next) {
		if (!waits(user))
			continue;
		if (remote->credit) {
			remote->credit = false;
			user->admission = USER_ADMITTED;
			user_start(user);
		} else {
			user->admission = USER_ASKED;
			count++;
		}
	}
	if (!count)
		return;
	if (!remote->session)
		remote_renew(remote);   /* complete since before a restart: it had no need of one */
	if (!remote->session)
		return;                 /* lost, and they will be told */
	remote->admitting = true;
	peer_admit(remote->session, count);
}

void users_start(struct remote *remote)
{
	struct remote_user *user;

	for (user = remote->users; user; user = user->next)
		if (user->done && !user->due && !user->sweep.remote)
			user_start(user);
	admit(remote);
}

/* Of those asked for: they may have left meanwhile; what is over then is nobody's. */
static void user_answer(struct remote_user *user, int error, const char *why, unsigned *count)
{
	if (error) {
		rm_format(user->why, sizeof user->why, "%s", why);
		user_due(user, error);
	} else if (*count) {
		--*count;
		user->admission = USER_ADMITTED;
		user_start(user);
	} else {
		user->admission = USER_WAITS;   /* asked for again, to be refused in words */
	}
}

void users_admitted(void *arg, int error, const char *why, unsigned count)
{
	struct remote *remote = arg;
	struct remote_user *user;

	remote->admitting = false;
	for (user = remote->users; user; user = user->next)
		/* Who came while a silent host was asked does not wait as long once more. */
		if (waits(user) && (user->admission == USER_ASKED || error == -EHOSTUNREACH))
			user_answer(user, error, why, &count);
	admit(remote);
}

static void user_unlink(struct remote_user *user)
{
	struct remote_user **at = &user->remote->users;

	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	sweep_cancel(&user->sweep);
	claim_trim(user->remote);
	user->attachment->remote = NULL;
}

static const char *user_why(const struct remote_user *user)
{
	if (!user->error)
		return "";
	if (user->why[0])
		return user->why;
	return user->remote->why[0] ? user->remote->why :
		"the other host stopped answering while its pages were fetched";
}

/* Call one user's done(): what it was waiting for is there, or cannot be had. */
static void user_tell(struct remote_user *user)
{
	struct remote *remote = user->remote;
	remote_done *done = user->done;
	void *arg = user->arg;
	int error = user->error;
	char why[sizeof user->why];

	user->done = NULL;
	user->due = false;
	if (!error) {
		remote->admitted++;
		done(arg, 0, "", remote);
		return;
	}
	rm_format(why, sizeof why, "%s", user_why(user));
	user_unlink(user);
	free(user);
	if (!remote->users && !remote->dying)
		remote_drop(remote);
	done(arg, error, why, NULL);
}

void users_tell(struct remote *remote)
{
	struct remote_user *user;

	do {
		user = remote->users;
		while (user && !user->due)
			user = user->next;
		if (user)
			user_tell(user);
	} while (user);
}

void user_add(struct remote *remote, struct attachment *attachment, uint64_t eager,
              remote_done *done, void *arg)
{
	struct remote_user *user = log_need(sizeof *user);

	user->attachment = attachment;
	attachment->remote = remote;
	user->remote = remote;
	user->eager = eager;
	user->done = done;
	user->arg = arg;
	user->admission = done ? USER_WAITS : USER_ADMITTED;
	user->next = remote->users;
	remote->users = user;
}

void remote_detach(struct attachment *attachment)
{
	struct remote *remote = attachment->remote;
	struct remote_user *user = remote ? remote->users : NULL;

	while (user && user->attachment != attachment)
		user = user->next;
	if (!user)
		return;
	user_unlink(user);
	free(user);
	if (!remote->users && !remote->dying)
		remote_drop(remote);
}
