/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - the worker's life: restore, serve, leave when there is nothing left
 *
 * The worker is the one process that calls libfabric and userfaultfd. It may die at
 * any line: what must survive that is a record of the keeper's before it is promised
 * to anybody.
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "../keeper/defaults.h"
#include "../keeper/attempts.h"
#include "../local/local.h"
#include "../pager/pager.h"
#include "../peer/peer.h"
#include "../remote/remote.h"
#include "../base/reserve.h"
#include "../store/store.h"
#include "../base/container.h"
#include "../base/context.h"
#include "../peer/nets.h"
#include "../remote/attachment.h"
#include "worker.h"

#define SECOND UINT64_C(1000000000)
#define DRAIN_TICK (SECOND / 5)

struct worker {
	struct context context;
	struct store *store;            /* publications of this host */
	struct nets *nets;              /* control between hosts */
	struct remotes *remotes;        /* publications of other hosts */
	struct local *local;            /* processes of this host */
	struct source keeper, signals;
	struct timer tick;              /* is there anything left to do? */
	uint64_t grace_end;             /* draining: until then */
	int lock;                       /* of a run directory that was made anew; -1: not */
};

/* ---- leaving ---- */

static bool nothing_left(const struct worker *worker)
{
	return !store_count(worker->store) && !remotes_count(worker->remotes) &&
	       (worker->context.draining || !local_attachments(worker->local));
}

/* Only with a keeper can somebody who connects at this moment be served after all. */
static void leave(struct worker *worker)
{
	struct context *context = &worker->context;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	if (keeper_leave(context->keeper, fds, &count) == KEEP_STAY && count > 0) {
		local_listen(worker->local, fds[0], fds + 1, count - 1);
		context->active_ns = rm_now_ns();
		return;
	}
	if (keeper_fd(context->keeper) < 0 && !context->private)
		unlink(RM_SOCKET_NAME);
	log_line("nothing is left to serve: leaving");
	loop_stop(context->loop);
}

static void tick(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, tick);
	struct context *context = &worker->context;
	bool nothing = nothing_left(worker);
	uint64_t now = rm_now_ns(), next = now + context->idle_ns;

	if (context->private && !local_clients(worker->local)) {
		leave(worker);
	} else if (context->draining) {
		if (nothing || now >= worker->grace_end)
			leave(worker);
		next = now + DRAIN_TICK;
	} else if (nothing && context->idle_ns && now >= context->active_ns + context->idle_ns) {
		leave(worker);
	} else if (nothing) {
		next = context->active_ns + context->idle_ns;
	}
	if (context->draining || context->idle_ns)
		loop_timer(context->loop, timer, next);
}

static void process_gone(void *arg)
{
	struct worker *worker = arg;
	struct context *context = &worker->context;

	if (context->private)
		loop_timer(context->loop, &worker->tick, rm_now_ns());
}

static void drain(struct worker *worker)
{
	struct context *context = &worker->context;

	if (context->draining)
		return;
	context->draining = true;
	worker->grace_end = rm_now_ns() + context->grace_ns;
	local_drain(worker->local);
	loop_timer(context->loop, &worker->tick, rm_now_ns());
}

/* ---- the keeper, and signals if there is none ---- */

static void keeper_gone(struct worker *worker)
{
	struct context *context = &worker->context;

	loop_remove(context->loop, &worker->keeper);
	keeper_dead(context->keeper);
	log_line("the keeper died: this worker goes on alone with what it holds");
}

/* The old lock stays open beside the new one: its file has no name any more. */
static void listen_anew(struct worker *worker, const int fds[2])
{
	struct context *context = &worker->context;

	if (chdir(context->options.rundir) < 0)
		log_line("cannot enter %s: %m", context->options.rundir);
	local_listen(worker->local, fds[0], NULL, 0);
	if (worker->lock >= 0)
		close(worker->lock);
	worker->lock = fds[1];
}

static void keeper_ready(struct source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, keeper);
	uint8_t buffer[KEEP_MESSAGE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	struct keep_message message;
	unsigned count;
	ssize_t n = rm_channel_recv(source->fd, buffer, sizeof(buffer), fds, &count, 0);

	(void)events;
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		keeper_gone(worker);
		return;
	}
	memset(&message, 0, sizeof(message));
	if (n >= (ssize_t)sizeof(message))
		memcpy(&message, buffer, sizeof(message));
	if (message.type == KEEP_LISTEN && count == 2) {
		listen_anew(worker, fds);
		return;
	}
	for (unsigned i = 0; n > 0 && i < count; i++)
		close(fds[i]);
	if (message.type == KEEP_DRAIN)
		drain(worker);
	else if (message.type == KEEP_STOP)
		loop_stop(worker->context.loop);
}

/* Service managers signal every process of the service: the keeper says what to do. */
static void signal_ready(struct source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		if (keeper_fd(worker->context.keeper) < 0)
			drain(worker);
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- birth ---- */

static void give_up(struct context *context, const struct record *record)
{
	for (unsigned i = 0; i < record->count; i++)
		close(record->fds[i]);
	keeper_delete(context->keeper, record->number);
}

static void restore_lazy(struct worker *worker, const struct record *record)
{
	const struct lazy_record *saved = record->data;
	struct attachment *attachment = NULL;

	if (record->length >= sizeof(*saved))
		attachment = local_find_attachment(worker->local, saved->attachment);
	if (attachment && attachment->remote) {
		lazy_restore(attachment, record);
		return;
	}
	/* its process ended, or the worker died while it detached */
	give_up(&worker->context, record);
}

static void restore_one(struct worker *worker, const struct record *record)
{
	switch (record->type) {
	case RECORD_FABRIC: nets_restore(worker->nets, record); break;
	case RECORD_LAYER: store_restore_layer(worker->store, record); break;
	case RECORD_PUBLICATION: store_restore(worker->store, record); break;
	case RECORD_ATTEMPT: attempts_restore(&worker->context, record); break;
	case RECORD_REMOTE: remotes_restore(worker->remotes, record); break;
	case RECORD_CLIENT: local_restore_client(worker->local, record); break;
	case RECORD_ATTACHMENT: local_restore_attachment(worker->local, record); break;
	case RECORD_LAZY: restore_lazy(worker, record); break;
	}
}

static struct record record_of(const struct stored_record *kept)
{
	return (struct record){
		.type = kept->type, .number = kept->number, .data = kept->data,
		.length = kept->length, .fds = kept->fds, .count = kept->count,
	};
}

/* Is this what workers were killed for fetching, and has nobody got it attached? */
static bool is_given_up(const struct context *context, struct stored_record *const *all,
                        const struct record *record)
{
	const uint8_t *id = record->type == RECORD_REMOTE ? remote_record_id(record) : NULL;

	if (!id || !attempts_failed_of(context, id))
		return false;
	for (; *all; all++) {
		struct record other = record_of(*all);

		if (other.type == RECORD_ATTACHMENT && local_record_attaches(&other, id))
			return false;
	}
	return true;
}

static int restore(struct worker *worker, struct records *records)
{
	struct stored_record **all = records_take(records);

	if (!all)
		return -ENOMEM;
	for (struct stored_record **k = all; *k; k++) {
		struct record record = record_of(*k);

		if (is_given_up(&worker->context, all, &record))
			give_up(&worker->context, &record);
		else
			restore_one(worker, &record);
	}
	for (struct stored_record **k = all; *k; k++)
		stored_record_free(*k);
	free(all);
	store_restored(worker->store);
	if (worker->context.restarts)
		local_restored(worker->local);
	return 0;
}

static int watch(struct worker *worker)
{
	struct loop *loop = worker->context.loop;
	int ret;

	worker->keeper.fd = keeper_fd(worker->context.keeper);
	worker->keeper.ready = keeper_ready;
	worker->signals.fd = open_signals();
	worker->signals.ready = signal_ready;
	worker->tick.fire = tick;
	if (worker->signals.fd < 0)
		return worker->signals.fd;
	ret = loop_add(loop, &worker->keeper, EPOLLIN);
	return ret < 0 ? ret : loop_add(loop, &worker->signals, EPOLLIN);
}

/* ---- its parts, and what they tell each other ---- */

static void publication_dropped(void *arg, struct publication *publication)
{
	struct worker *worker = arg;

	peers_drop(worker->nets, publication);
}

static void fabric_opened(void *arg, struct peers *peers)
{
	struct worker *worker = arg;

	remotes_take(worker->remotes, peers);
}

/* ---- who holds memory ---- */

static uint64_t held_published(void *arg)
{
	const struct worker *worker = arg;

	return store_bytes(worker->store);
}

static uint64_t held_both(void *arg)
{
	const struct worker *worker = arg;

	return worker->remotes ? remotes_adopted(worker->remotes, store_layers(worker->store)) : 0;
}

static void held_release(void *arg)
{
	const struct worker *worker = arg;

	layers_let_go(store_layers(worker->store));
}

static uint64_t held_evict(void *arg)
{
	const struct worker *worker = arg;

	return worker->remotes ? remotes_evict(worker->remotes) : 0;
}

static int parts_new(struct worker *worker, int listener)
{
	struct context *context = &worker->context;
	struct store_events store_events = { .arg = worker, .dropped = publication_dropped };
	struct nets_events nets_events = { .arg = worker, .opened = fabric_opened };
	struct local_events local_events = { .arg = worker, .client_gone = process_gone };
	struct local_parts parts;

	worker->store = store_new(context, &store_events);
	if (worker->store)
		context->limit.holders = (struct limit_holders){
			.arg = worker, .published = held_published, .both = held_both,
			.release_holdings = held_release, .evict = held_evict,
		};
	if (worker->store)
		worker->nets = nets_new(context, worker->store, &nets_events);
	if (worker->nets)
		worker->remotes = remotes_new(context, worker->nets);
	if (!worker->remotes)
		return -ENOMEM;
	parts.store = worker->store;
	parts.nets = worker->nets;
	parts.remotes = worker->remotes;
	worker->local = local_new(context, &parts, &local_events, listener);
	return worker->local ? 0 : -ENOMEM;
}

static int set_up(struct worker *worker, const struct rmmapd *rmmapd, int keeper_socket,
                  struct records *records)
{
	struct context *context = &worker->context;

	context->options = rmmapd->options;
	memcpy(context->host, rmmapd->host, RM_ID_BYTES);
	context->idle_ns = rmmapd->idle_ns;
	context->grace_ns = rmmapd->grace_ns;
	context->started_ns = rmmapd->started_ns;
	context->active_ns = rm_now_ns();
	context->keeper_pid = rmmapd->keeper_pid;
	context->restarts = rmmapd->restarts;
	context->death = rmmapd->death;
	context->private = rmmapd->served >= 0;
	reserve_open();
	context->loop = loop_new();
	context->keeper = keeper_new(keeper_socket, records_highest(records));
	if (!context->loop || !context->keeper || sodium_init() < 0 ||
	    parts_new(worker, rmmapd->listener) < 0)
		return -ENOMEM;
	return watch(worker);
}

int worker_run(const struct rmmapd *rmmapd, int keeper_socket, struct records *records)
{
	static struct worker the_worker = { .lock = -1 };
	struct worker *worker = &the_worker;
	struct context *context = &worker->context;
	int ret = set_up(worker, rmmapd, keeper_socket, records);

	if (ret == 0)
		ret = restore(worker, records);
	if (ret < 0) {
		char limit[256] = "";

		if (ret == -ENOMEM)
			defaults_memory(limit, sizeof(limit));
		log_line("the worker cannot start: %s%s", rm_errno_text(-ret), limit);
		return 1;
	}
	if (context->private && !local_clients(worker->local)) {
		local_serve(worker->local, rmmapd->served);
		process_gone(worker);
	}
	/* publications may come that no process of this host ever asked for */
	if (peer_takes(context)) {
		struct peers *peers;

		if (nets_publish(worker->nets, "", &peers) < 0)
			log_line("no publication can be moved here: %s", nets_why(worker->nets));
	}
	if (context->idle_ns)
		loop_timer(context->loop, &worker->tick, rm_now_ns() + context->idle_ns);
	keeper_serving(context->keeper);
	loop_run(context->loop);
	/* everything else ends with the process; who reads over the fabric is told */
	nets_free(worker->nets);
	return 0;
}
