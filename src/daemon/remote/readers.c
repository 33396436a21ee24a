/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * readers.c - who has a publication of another host attached, and whom that host admits
 *
 * Processes of this host share its pages, but its own host counts the readers. So each new
 * user waits until that host has admitted one more, even if all pages are here already.
 * Worker thread only; user_add() allocates.
 */
#include <errno.h>
#include <stdlib.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/container.h"

void remote_notify(struct remote *remote)
{
	loop_timer(remote->remotes->context->loop, &remote->notify_timer, rm_now_ns());
}

/* done() is to be called with this error, or 0. */
static void user_due(struct remote_user *user, int error)
{
	user->due = true;
	user->error = error;
	remote_notify(user->remote);
}

/* As user_due(). -ENOSPC is this host's own limit, which remote.why does not explain. */
static void user_refuse(struct remote_user *user, int error)
{
	if (error == -ENOSPC)
		rm_format(user->why, sizeof(user->why), "%s",
		          user->remote->remotes->context->limit.why);
	user_due(user, error);
}

static void user_fetched(struct fetch_all *all, int error)
{
	struct remote_user *user = container_of(all, struct remote_user, fetch_all);

	claim_trim(user->remote);
	user_refuse(user, error);
}

/*
 * Does the user get all pages before done()? So it does if they are few, or if there are more
 * segments than lazy attachments may have, which map each segment by itself.
 */
static bool user_wants_all(const struct remote_user *user)
{
	return user->remote->data_bytes <= user->eager ||
	       remote_table(user->remote)->segment_count > RM_LAZY_SEGMENTS_MAX;
}

/* An admitted user: have fetched what it needs before done(). */
static void user_fetch(struct remote_user *user)
{
	struct remote *remote = user->remote;
	bool all = remote->absent && user_wants_all(user);
	int error = all ? claim_all(remote) : remote->absent ? claim_some(remote) : 0;

	if (error)
		user_refuse(user, error);
	else if (all)
		fetch_all_start(&user->fetch_all, remote, user->attachment, user_fetched);
	else {
		if (remote->absent)
			huge_for_lazy(remote);
		user_due(user, 0);
	}
}

/* Do for one user what the remote's state allows now. */
static void user_start(struct remote_user *user)
{
	struct remote *remote = user->remote;

	/* A lost publication still serves who was admitted, if all of it is here. */
	if (remote->state == REMOTE_LOST &&
	    (user->admission != USER_ADMITTED || remote->absent || !remote->caches))
		user_due(user, remote->error);
	else if (remote->state == REMOTE_ASKING || user->admission != USER_ADMITTED)
		return;
	else
		user_fetch(user);
}

/* Neither admitted nor refused. */
static bool user_waits(const struct remote_user *user)
{
	return user->done && !user->due && user->admission != USER_ADMITTED;
}

/*
 * Admit those who wait: one by the credit of the attach itself, the others by one question for
 * all of them. There is one question at a time.
 */
static void users_admit(struct remote *remote)
{
	struct remote_user *user;
	unsigned count = 0;

	if (remote->state != REMOTE_READY || remote->admitting || remote->dying)
		return;
	for (user = remote->users; user && count < PEER_ADMIT_MAX; user = user->next) {
		if (!user_waits(user))
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
		remote_renew(remote);   /* it was complete before a restart: no session was needed */
	if (!remote->session)
		return;                 /* it is lost, and the users were told */
	remote->admitting = true;
	peer_admit(remote->session, count);
}

void users_start(struct remote *remote)
{
	struct remote_user *user;

	for (user = remote->users; user; user = user->next)
		if (user->done && !user->due && !user->fetch_all.remote)
			user_start(user);
	users_admit(remote);
}

/*
 * Give one of *count admissions to the user. A user may have detached meanwhile; admissions that
 * are left over are dropped.
 */
static void user_answer(struct remote_user *user, int error, const char *why, unsigned *count)
{
	if (error) {
		rm_format(user->why, sizeof(user->why), "%s", why);
		user_due(user, error);
	} else if (*count) {
		--*count;
		user->admission = USER_ADMITTED;
		user_start(user);
	} else {
		user->admission = USER_WAITS;   /* asked for again: that answer says why not */
	}
}

void users_admitted(void *arg, int error, const char *why, unsigned count)
{
	struct remote *remote = arg;
	struct remote_user *user;

	remote->admitting = false;
	for (user = remote->users; user; user = user->next)
		/* If the host is silent, users who came meanwhile need not wait for it again. */
		if (user_waits(user) && (user->admission == USER_ASKED || error == -EHOSTUNREACH))
			user_answer(user, error, why, &count);
	users_admit(remote);
}

static void user_unlink(struct remote_user *user)
{
	struct remote_user **at = &user->remote->users;

	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	fetch_all_cancel(&user->fetch_all);
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

/* Call one user's done(). On an error the user is freed first. */
static void user_tell(struct remote_user *user)
{
	struct remote *remote = user->remote;
	remote_done *done = user->done;
	void *arg = user->arg;
	int error = user->error;
	char why[sizeof(user->why)];

	/* Before done(), which may detach the user, or attach others to this remote. */
	user->done = NULL;
	user->due = false;
	if (!error) {
		remote->admitted++;
		done(arg, 0, "", remote);
		return;
	}
	rm_format(why, sizeof(why), "%s", user_why(user));
	/* The owner may free its attachment in done(), so nothing refers to it by then. */
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
		/* From the head each time: done() may have freed any of them. */
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
	struct remote_user *user = log_need(sizeof(*user));

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
