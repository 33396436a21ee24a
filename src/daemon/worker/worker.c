/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - the worker's life: it restores records, serves, and leaves when nothing is left
 *
 * The worker is the one process that calls libfabric and userfaultfd. It may die at any line. So
 * the keeper has a record of whatever must survive that, before any process is told of it. The
 * worker's one thread; allocates.
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../../common/say.h"
#include "../base/container.h"
#include "../base/log.h"
#include "../base/reserve.h"
#include "../keeper/defaults.h"
#include "../local/local.h"
#include "../peer/nets.h"
#include "../peer/peer.h"
#include "../remote/remote.h"
#include "../store/store.h"
#include "internal.h"
#include "worker.h"

#define SECOND UINT64_C(1000000000)
#define DRAIN_TICK (SECOND / 5)

/* ---- leaving ---- */

/* True if no publication is here, and nothing is attached that must be waited for. */
static bool nothing_left(const struct worker *worker)
{
	return !store_count(worker->store) && !remotes_count(worker->remotes) &&
	       (worker->context.draining || !local_attachments(worker->local));
}

/*
 * Leave if the keeper agrees. It does not if a process has connected at this moment: then it sends
 * the connection. Without a keeper such a process is not served.
 */
static void worker_leave(struct worker *worker)
{
	struct context *context = &worker->context;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	if (keeper_leave(context->keeper, fds, &count) == KEEP_STAY && count > 0) {
		local_listen(worker->local, fds[0], fds + 1, count - 1);
		/* Otherwise the next tick would find it idle for long and leave again. */
		context->active_ns = rm_now_ns();
		return;
	}
	if (keeper_fd(context->keeper) < 0 && !context->private)
		unlink(RM_SOCKET_NAME);
	log_line("nothing is left to serve: leaving");
	loop_stop(context->loop);
}

/* Leave if it is time to, else set the timer for the next look. */
static void worker_tick(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, tick);
	struct context *context = &worker->context;
	bool nothing = nothing_left(worker);
	uint64_t now = rm_now_ns(), next = now + context->idle_ns;

	if (context->private && !local_clients(worker->local)) {
		worker_leave(worker);
	} else if (context->draining) {
		if (nothing || now >= worker->grace_end)
			worker_leave(worker);
		next = now + DRAIN_TICK;
	} else if (nothing && context->idle_ns && now >= context->active_ns + context->idle_ns) {
		worker_leave(worker);
	} else if (nothing) {
		next = context->active_ns + context->idle_ns;
	}
	if (context->draining || context->idle_ns)
		loop_timer(context->loop, timer, next);
}

/* local_events.client_gone: with --private the worker ends with its one process. */
static void process_gone(void *arg)
{
	struct worker *worker = arg;
	struct context *context = &worker->context;

	if (context->private)
		/*
		 * From the loop, since leaving needs local/, which must not be called from here.
		 */
		loop_timer(context->loop, &worker->tick, rm_now_ns());
}

/* SIGTERM came. Publications are served until nothing is attached, for the grace time at most. */
static void worker_drain(struct worker *worker)
{
	struct context *context = &worker->context;

	if (context->draining)
		return;
	context->draining = true;
	worker->grace_end = rm_now_ns() + context->grace_ns;
	local_drain(worker->local);
	loop_timer(context->loop, &worker->tick, rm_now_ns());
}

/* ---- the keeper; and signals, for when the keeper is dead ---- */

static void keeper_gone(struct worker *worker)
{
	struct context *context = &worker->context;

	/* Before keeper_dead(), which closes the descriptor. */
	loop_remove(context->loop, &worker->keeper);
	keeper_dead(context->keeper);
	log_line("the keeper died: this worker goes on alone with what it holds");
}

/*
 * The keeper has made socket and lock anew. The lock that this process inherited stays open, which
 * does not matter: its file has no name any more.
 */
static void listener_replace(struct worker *worker, const int fds[2])
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
		listener_replace(worker, fds);
		return;
	}
	for (unsigned i = 0; n > 0 && i < count; i++)
		close(fds[i]);
	if (message.type == KEEP_DRAIN)
		worker_drain(worker);
	else if (message.type == KEEP_STOP)
		loop_stop(worker->context.loop);
}

/*
 * Service managers send signals to every process of a service. So a signal counts only if the
 * keeper is dead. Else the keeper gets it, too, and sends KEEP_DRAIN.
 */
static void signal_ready(struct source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		if (keeper_fd(worker->context.keeper) < 0)
			worker_drain(worker);
}

static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* The keeper had them blocked when it forked this process, so none was lost before. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- start ---- */

/* Watch the keeper and the signals. */
static int worker_watch(struct worker *worker)
{
	struct loop *loop = worker->context.loop;
	int error;

	worker->keeper.fd = keeper_fd(worker->context.keeper);
	worker->keeper.ready = keeper_ready;
	worker->signals.fd = signals_open();
	worker->signals.ready = signal_ready;
	worker->tick.fire = worker_tick;
	if (worker->signals.fd < 0)
		return worker->signals.fd;
	error = loop_add(loop, &worker->keeper, EPOLLIN);
	return error < 0 ? error : loop_add(loop, &worker->signals, EPOLLIN);
}

/* ---- the event tables by which parts call up ---- */

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

/* ---- limit_holders: the parts that hold memory ---- */

static uint64_t held_published(void *arg)
{
	const struct worker *worker = arg;

	return store_bytes(worker->store);
}

/* The remotes are built after the store, so that they may be absent here. */
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

/* ---- start ---- */

/* Build the parts in the order of the rooms: each needs those before it. 0 or -ENOMEM. */
static int worker_new_parts(struct worker *worker, int listener)
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

static int worker_set_up(struct worker *worker, const struct rmmapd *rmmapd, int keeper_socket,
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
	    worker_new_parts(worker, rmmapd->listener) < 0)
		return -ENOMEM;
	return worker_watch(worker);
}

int worker_run(const struct rmmapd *rmmapd, int keeper_socket, struct records *records)
{
	static struct worker the_worker = { .lock = -1 };
	struct worker *worker = &the_worker;
	struct context *context = &worker->context;
	int error = worker_set_up(worker, rmmapd, keeper_socket, records);

	if (error == 0)
		error = worker_restore(worker, records);
	if (error < 0) {
		char limit[256] = "";

		if (error == -ENOMEM)
			defaults_memory(limit, sizeof(limit));
		log_line("the worker cannot start: %s%s", rm_errno_text(-error), limit);
		return 1;
	}
	if (context->private && !local_clients(worker->local)) {
		local_serve(worker->local, rmmapd->served);
		process_gone(worker);
	}
	/* Another host may move publications here before any process of this host asks. */
	if (peer_takes(context)) {
		struct peers *peers;

		if (nets_publish(worker->nets, "", &peers) < 0)
			log_line("no publication can be moved here: %s", nets_why(worker->nets));
	}
	if (context->idle_ns)
		loop_timer(context->loop, &worker->tick, rm_now_ns() + context->idle_ns);
	/*
	 * Last: from here on the start counts as successful. If the first worker exits before,
	 * the keeper gives up instead of forking another one.
	 */
	keeper_serving(context->keeper);
	loop_run(context->loop);
	/* Tell hosts that read from this one. All else ends with the process. */
	nets_free(worker->nets);
	return 0;
}
