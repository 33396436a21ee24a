/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.c - publications of other hosts, and the session with each one's host
 *
 * A secret is compared here only with one that the other host has accepted. So while that host
 * is still being asked, two attachments with different secrets ask separately. A lost
 * publication serves those who have it attached with the pages that are here; for a new
 * attachment the other host is asked again. Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/container.h"

#define GRACE_NS 30000000000ull         /* after a restart, for attachments to come back */
#define BUSY_NS 200000000ull            /* between two looks at memory that is still written */

static void session_renew(struct remote *remote);
static void notify_timer_fired(struct timer *timer);
static void grace_timer_fired(struct timer *timer);

static void remote_dismiss(struct remote *remote);
static void remote_idle(struct remote *remote);

static const struct remote_ops remote_ops = {
	.renew = session_renew, .drop = remote_dismiss, .idle = remote_idle,
};

struct remotes *remotes_new(struct context *context, struct nets *nets)
{
	struct remotes *remotes = calloc(1, sizeof(*remotes));

	if (remotes) {
		remotes->context = context;
		remotes->ops = &remote_ops;
		remotes->nets = nets;
		nets_pass_on(nets, &pass_on_source, remotes);
	}
	return remotes;
}

static struct remote *remote_new(struct remotes *remotes, const struct rm_handle *handle)
{
	struct remote *remote = log_need(sizeof(*remote));

	remote->remotes = remotes;
	remote->handle = *handle;
	remote->table_fd = remote->state_fd = -1;
	remote->notify_timer.fire = notify_timer_fired;
	remote->grace_timer.fire = grace_timer_fired;
	remote->created_ns = rm_now_ns();
	remote->source = &helper_source;
	fetch_init(remote);
	remote->next = remotes->first;
	remotes->first = remote;
	return remote;
}

static void remote_free(struct remote *remote)
{
	struct remote **at = &remote->remotes->first;
	struct loop *loop = remote->remotes->context->loop;

	while (*at != remote)
		at = &(*at)->next;
	*at = remote->next;
	loop_timer_cancel(loop, &remote->notify_timer);
	loop_timer_cancel(loop, &remote->grace_timer);
	if (remote->session)
		peer_detach(remote->session);
	remote_unbuild(remote);
	sodium_memzero(&remote->handle, sizeof(remote->handle));
	free(remote);
}

/* May a read that was given up still write into one of the caches? */
static bool remote_memory_busy(const struct remote *remote)
{
	const struct fabric *fabric = remote->fabric;
	uint32_t i;

	for (i = 0; fabric && remote->caches && i < remote->table.layer_count; i++)
		if (remote->caches[i].writable &&
		    fabric_busy(fabric, remote->caches[i].map, remote->caches[i].mapped))
			return true;
	return false;
}

/* See remote_ops. */
static void remote_idle(struct remote *remote)
{
	assert(remote->dying && !remote->users && !remote->fetch.outstanding);
	if (remote->session)
		peer_detach(remote->session);
	remote->session = NULL;
	if (remote_memory_busy(remote))
		loop_timer(remote->remotes->context->loop, &remote->grace_timer,
		           rm_now_ns() + BUSY_NS);
	else
		remote_free(remote);
}

/*
 * See remote_ops. Reads that are under way write into its memory, so it is freed after them. The
 * session is detached after them, too: a read that meets a closed key ends the connection, and
 * the next message would be lost with it and repeated a second later.
 */
static void remote_dismiss(struct remote *remote)
{
	assert(!remote->users);
	remote_hold(remote);
	remote->dying = true;
	fetch_fail(remote, -ECANCELED);
	remote_unhold(remote);
}

void remotes_free(struct remotes *remotes)
{
	if (!remotes)
		return;
	while (remotes->first) {
		struct remote *remote = remotes->first;

		remote_hold(remote);    /* a dying one would be freed by fetch_fail(), too */
		while (remote->users) {
			struct remote_user *user = remote->users;

			remote->users = user->next;
			fetch_all_cancel(&user->fetch_all);
			free(user);
		}
		fetch_fail(remote, -ECANCELED);
		remote_free(remote);
	}
	free(remotes);
}

static void notify_timer_fired(struct timer *timer)
{
	struct remote *remote = container_of(timer, struct remote, notify_timer);

	remote_hold(remote);
	if (remote->restored && remote->absent)
		session_renew(remote);  /* so that its lease with the other host goes on */
	remote->restored = false;
	users_tell(remote);
	remote_unhold(remote);
}

static void grace_timer_fired(struct timer *timer)
{
	struct remote *remote = container_of(timer, struct remote, grace_timer);

	remote_hold(remote);
	if (!remote->users && !remote->dying)
		remote_dismiss(remote);
	remote_unhold(remote);  /* if it is dying, this looks at its memory once more */
}

/* ---- the session ---- */

/* No further page will come. Everybody who waits is told. */
static void remote_lose(struct remote *remote, int error, const char *why)
{
	char id[9];

	rm_short_id(remote->handle.id, id);
	log_line("publication %s of another host is lost: %s", id,
	         why && *why ? why : rm_errno_text(-error));
	/* First of all, so that what done() of a waiter starts now fails at once. */
	remote->state = REMOTE_LOST;
	remote->renewing = remote->admitting = false;
	remote->error = error;
	rm_format(remote->why, sizeof(remote->why), "%s",
	          why && *why ? why : rm_errno_text(-error));
	remote_hold(remote);
	fetch_fail(remote, error);
	users_start(remote);
	remote_unhold(remote);
}

/* Take what the other host answered: keys alone, or the table, all keys, and perhaps all data. */
static int snapshot_take(struct remote *remote, const struct peer_snapshot *snapshot,
                         const char **why)
{
	int error = 0;

	if (!snapshot->table)
		return remote_keys(remote, snapshot->regions, snapshot->region_count, why);
	if (!remote->table_map) {
		error = remote_build(remote, snapshot->table, snapshot->table_size, why);
	} else if (snapshot->table_size != remote->table_size ||
	           memcmp(snapshot->table, remote->table_map, remote->table_size)) {
		*why = "the other host now has something else under this id";
		error = -EPROTO;
	}
	if (!error)
		error = remote_regions(remote, snapshot->regions, snapshot->region_count, why);
	if (!error && snapshot->data)
		error = remote_take(remote, snapshot->data, snapshot->data_size, why);
	return error;
}

static void session_attached(void *arg, int error, const char *why,
                             const struct peer_snapshot *snapshot)
{
	struct remote *remote = arg;
	const char *reason = NULL;

	if (error) {
		remote->session = NULL; /* the session ends with the error */
		remote_lose(remote, error, why);
		return;
	}
	error = snapshot_take(remote, snapshot, &reason);
	if (error) {
		peer_detach(remote->session);
		remote->session = NULL;
		remote_lose(remote, error, reason);
		return;
	}
	/* The answer to a first attach admits one reader, a renewal admits none. */
	if (remote->state == REMOTE_ASKING)
		remote->credit = true;
	remote->state = REMOTE_READY;
	remote->renewing = false;
	remote_hold(remote);
	helper_begin(remote, snapshot->helper);
	fetch_renewed(remote);
	users_start(remote);
	remote_unhold(remote);
}

static void session_lost(void *arg, int error, const char *why)
{
	struct remote *remote = arg;

	remote->session = NULL;
	remote_lose(remote, error, why);
}

static unsigned session_wants(void *arg, struct peer_want *wants, unsigned most)
{
	return fetch_wants(arg, wants, most);
}

static bool session_complete(void *arg)
{
	const struct remote *remote = arg;

	return remote->state == REMOTE_READY && !remote->absent;
}

static bool session_whole(void *arg)
{
	return remote_whole(arg);
}

static const struct peer_events session_events = {
	.attached = session_attached,
	.admitted = users_admitted,
	.lost = session_lost,
	.wants = session_wants,
	.complete = session_complete,
	.whole = session_whole,
	.data = true,
};

/* Ask its host, as for a first attach or, if it is ready, for a renewal. */
static void session_open(struct remote *remote)
{
	struct nets *nets = remote->remotes->nets;
	char why[sizeof(remote->why)] = "";
	struct peers *peers;
	int error = nets_reach(nets, "", &remote->handle.fabric, &peers);

	if (error) {
		rm_format(why, sizeof(why), "%s", nets_why(nets));
	} else {
		remote->fabric = peers_fabric(peers);
		error = peer_attach(peers, &remote->handle, remote->state == REMOTE_READY,
		                    &session_events, remote, &remote->session, why, sizeof(why));
	}
	if (error) {
		remote->session = NULL;
		remote_lose(remote, error, why);
	}
}

/* See remote_ops. Does nothing while a renewal is under way. */
static void session_renew(struct remote *remote)
{
	if (remote->renewing || remote->dying || remote->state != REMOTE_READY)
		return;
	remote->renewing = true;
	if (remote->session)
		peer_again(remote->session);
	else
		session_open(remote);
}

/* ---- the interface ---- */

static bool remote_same_secret(const struct remote *remote, const struct rm_handle *handle)
{
	return !sodium_memcmp(remote->handle.secret, handle->secret, RM_SECRET_BYTES);
}

/*
 * The one that an attachment joins: it is ready, or is being asked for with the same secret. One
 * that is ready may have another secret: then remote_attach() refuses the attachment.
 */
static struct remote *remote_find(struct remotes *remotes, const struct rm_handle *handle)
{
	struct remote *remote;

	for (remote = remotes->first; remote; remote = remote->next) {
		if (remote->dying || memcmp(remote->handle.id, handle->id, RM_ID_BYTES))
			continue;
		if (remote->state == REMOTE_READY ||
		    (remote->state == REMOTE_ASKING && remote_same_secret(remote, handle)))
			return remote;
	}
	return NULL;
}

/* Make a new remote refuse its user as the other host would: it is lost from the start. */
static void remote_refuse(struct remote *remote)
{
	remote->state = REMOTE_LOST;
	remote->error = -EACCES;
	rm_format(remote->why, sizeof(remote->why),
	          "the secret in the handle is wrong: use the handle as it was printed");
	users_start(remote);
}

void remote_attach(struct remotes *remotes, struct attachment *attachment,
                   const struct rm_handle *handle, uint64_t eager, remote_done *done, void *arg)
{
	struct remote *known = remote_find(remotes, handle), *remote = known;

	if (!known || !remote_same_secret(known, handle))
		remote = remote_new(remotes, handle);
	user_add(remote, attachment, eager, done, arg);
	if (remote == known)
		users_start(remote);
	else if (known)
		remote_refuse(remote);
	else
		session_open(remote);
}

void remote_reattach(struct remote *remote, struct attachment *attachment)
{
	user_add(remote, attachment, 0, NULL, NULL);
}

/*
 * A worker that died after it had put its own record of a remote, and before it had deleted the
 * earlier worker's record, left both. They are restored in that order, and the last one has all
 * pages of the others.
 */
static void remotes_drop_earlier(struct remotes *remotes, const struct remote *last)
{
	struct remote *remote, *next;

	for (remote = remotes->first; remote; remote = next) {
		next = remote->next;
		/*
		 * Freed at once: attachments are restored later, so it has no users, and it has
		 * not read anything.
		 */
		if (remote != last && remote->origin == last->origin)
			remote_free(remote);
	}
}

void remotes_restore(struct remotes *remotes, const struct record *record)
{
	const struct rm_handle *handle = remote_record_handle(record);
	struct remote *remote;
	unsigned i;
	int error;

	if (!handle) {
		for (i = 0; i < record->count; i++)
			close(record->fds[i]);
		keeper_delete(remotes->context->keeper, record->number);
		return;
	}
	remote = remote_new(remotes, handle);
	error = remote_rebuild(remote, record);
	if (error) {
		log_line("a publication of another host cannot be taken over "
		         "from the last worker: %s", rm_errno_text(-error));
		remote_free(remote);
		return;
	}
	remotes_drop_earlier(remotes, remote);
	remote->state = REMOTE_READY;
	remote->restored = true;
	remote_notify(remote);
	loop_timer(remotes->context->loop, &remote->grace_timer, rm_now_ns() + GRACE_NS);
}
