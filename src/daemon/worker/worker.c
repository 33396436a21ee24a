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
#include "internal.h"

#define SECOND UINT64_C(1000000000)
#define DRAIN_TICK (SECOND / 5)

/* ---- leaving ---- */

static bool nothing_left(struct context *context)
{
	return !store_count(context->store) && !remotes_count(context->remotes) &&
	       (context->draining || !local_attachments(context->local));
}

/* Only with a keeper can somebody who connects at this moment be served after all. */
static void leave(struct running *running)
{
	struct context *context = &running->context;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	if (keeper_leave(context->keeper, fds, &count) == KEEP_STAY && count > 0) {
		local_listen(context->local, fds[0], fds + 1, count - 1);
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
	struct running *running = container_of(timer, struct running, tick);
	struct context *context = &running->context;
	bool nothing = nothing_left(context);
	uint64_t now = rm_now_ns(), next = now + context->idle_ns;

	if (context->private && !local_clients(context->local)) {
		leave(running);
	} else if (context->draining) {
		if (nothing || now >= running->grace_end)
			leave(running);
		next = now + DRAIN_TICK;
	} else if (nothing && context->idle_ns && now >= context->active_ns + context->idle_ns) {
		leave(running);
	} else if (nothing) {
		next = context->active_ns + context->idle_ns;
	}
	if (context->draining || context->idle_ns)
		loop_timer(context->loop, timer, next);
}

void worker_look(struct context *context)
{
	struct running *running = container_of(context, struct running, context);

	if (context->private)
		loop_timer(context->loop, &running->tick, rm_now_ns());
}

static void drain(struct running *running)
{
	struct context *context = &running->context;

	if (context->draining)
		return;
	context->draining = true;
	running->grace_end = rm_now_ns() + context->grace_ns;
	local_drain(context->local);
	loop_timer(context->loop, &running->tick, rm_now_ns());
}

/* ---- the keeper, and signals if there is none ---- */

static void keeper_gone(struct running *running)
{
	struct context *context = &running->context;

	loop_remove(context->loop, &running->keeper);
	keeper_dead(context->keeper);
	log_line("the keeper died: this worker goes on alone with what it holds");
}

/* The old lock stays open beside the new one: its file has no name any more. */
static void listen_anew(struct running *running, const int fds[2])
{
	struct context *context = &running->context;

	if (chdir(context->options.rundir) < 0)
		log_line("cannot enter %s: %m", context->options.rundir);
	local_listen(context->local, fds[0], NULL, 0);
	if (running->lock >= 0)
		close(running->lock);
	running->lock = fds[1];
}

static void keeper_ready(struct source *source, uint32_t events)
{
	struct running *running = container_of(source, struct running, keeper);
	uint8_t buffer[KEEP_MESSAGE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	struct keep_message message;
	unsigned count;
	ssize_t n = rm_channel_recv(source->fd, buffer, sizeof(buffer), fds, &count, 0);

	(void)events;
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		keeper_gone(running);
		return;
	}
	memset(&message, 0, sizeof(message));
	if (n >= (ssize_t)sizeof(message))
		memcpy(&message, buffer, sizeof(message));
	if (message.type == KEEP_LISTEN && count == 2) {
		listen_anew(running, fds);
		return;
	}
	for (unsigned i = 0; n > 0 && i < count; i++)
		close(fds[i]);
	if (message.type == KEEP_DRAIN)
		drain(running);
	else if (message.type == KEEP_STOP)
		loop_stop(running->context.loop);
}

/* Service managers signal every process of the service: the keeper says what to do. */
static void signal_ready(struct source *source, uint32_t events)
{
	struct running *running = container_of(source, struct running, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		if (keeper_fd(running->context.keeper) < 0)
			drain(running);
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

static void restore_lazy(struct context *context, const struct record *record)
{
	const struct lazy_record *saved = record->data;
	struct attachment *attachment = NULL;

	if (record->length >= sizeof(*saved))
		attachment = local_attachment(context->local, saved->attachment);
	if (attachment && attachment->remote) {
		lazy_restore(attachment, record);
		return;
	}
	/* its process ended, or the worker died while it detached */
	give_up(context, record);
}

static void restore_one(struct running *running, const struct record *record)
{
	struct context *context = &running->context;

	switch (record->type) {
	case RECORD_FABRIC: worker_fabric_restore(running, record); break;
	case RECORD_LAYER: store_restore_layer(context->store, record); break;
	case RECORD_PUBLICATION: store_restore(context->store, record); break;
	case RECORD_ATTEMPT: attempts_restore(context, record); break;
	case RECORD_REMOTE: remotes_restore(context->remotes, record); break;
	case RECORD_CLIENT: local_restore_client(context->local, record); break;
	case RECORD_ATTACHMENT: local_restore_attachment(context->local, record); break;
	case RECORD_LAZY: restore_lazy(context, record); break;
	}
}

static struct record record_of(const struct kept *kept)
{
	return (struct record){
		.type = kept->type, .number = kept->number, .data = kept->data,
		.length = kept->length, .fds = kept->fds, .count = kept->count,
	};
}

/* Is this what workers were killed for fetching, and has nobody got it attached? */
static bool is_given_up(const struct context *context, struct kept *const *all,
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

static int restore(struct running *running, struct records *records)
{
	struct kept **all = records_take(records);

	if (!all)
		return -ENOMEM;
	for (struct kept **k = all; *k; k++) {
		struct record record = record_of(*k);

		if (is_given_up(&running->context, all, &record))
			give_up(&running->context, &record);
		else
			restore_one(running, &record);
	}
	for (struct kept **k = all; *k; k++)
		records_free_kept(*k);
	free(all);
	store_restored(running->context.store);
	if (running->context.restarts)
		local_restored(running->context.local);
	return 0;
}

static int watch(struct running *running)
{
	struct loop *loop = running->context.loop;
	int ret;

	running->keeper.fd = keeper_fd(running->context.keeper);
	running->keeper.ready = keeper_ready;
	running->signals.fd = open_signals();
	running->signals.ready = signal_ready;
	running->tick.fire = tick;
	if (running->signals.fd < 0)
		return running->signals.fd;
	ret = loop_add(loop, &running->keeper, EPOLLIN);
	return ret < 0 ? ret : loop_add(loop, &running->signals, EPOLLIN);
}

static int set_up(struct running *running, const struct rmmapd *rmmapd, int keeper_socket,
                  struct records *records)
{
	struct context *context = &running->context;

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
	context->store = store_new(context);
	context->remotes = remotes_new(context);
	if (!context->loop || !context->keeper || !context->store || !context->remotes)
		return -ENOMEM;
	context->local = local_new(context, rmmapd->listener);
	if (!context->local || sodium_init() < 0)
		return -ENOMEM;
	return watch(running);
}

int worker_run(const struct rmmapd *rmmapd, int keeper_socket, struct records *records)
{
	static struct running running = { .lock = -1 };
	struct context *context = &running.context;
	int ret = set_up(&running, rmmapd, keeper_socket, records);

	if (ret == 0)
		ret = restore(&running, records);
	if (ret < 0) {
		char limit[256] = "";

		if (ret == -ENOMEM)
			defaults_memory(limit, sizeof(limit));
		log_line("the worker cannot start: %s%s", rm_errno_text(-ret), limit);
		return 1;
	}
	if (context->private && !local_clients(context->local)) {
		local_serve(context->local, rmmapd->served);
		worker_look(context);
	}
	/* publications may come that no process of this host ever asked for */
	if (peer_takes(context)) {
		struct peers *peers;

		if (nets_publish(context, "", &peers) < 0)
			log_line("no publication can be moved here: %s",
			         context->fabric_why);
	}
	if (context->idle_ns)
		loop_timer(context->loop, &running.tick, rm_now_ns() + context->idle_ns);
	keeper_serving(context->keeper);
	loop_run(context->loop);
	/* everything else ends with the process; who reads over the fabric is told */
	worker_fabric_close(&running);
	return 0;
}
