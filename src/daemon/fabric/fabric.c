/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric.c - one endpoint: opened, driven by the loop, closed
 *
 * The provider makes progress only while its completion queue is read, also with what other hosts
 * read here. So the poller runs whenever the queue's descriptor fires. After each event it goes on
 * polling for as long as poll_time.h says, and then the loop sleeps on the descriptor. A provider
 * without a descriptor, or with one that does not work, is polled once a millisecond.
 *
 * Worker thread only. Allocates struct fabric with malloc.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"

#define AGAIN_NS 2000000000u    /* how long to try for the port of an earlier worker */

/* Post what waits. Peers that got EAGAIN are tried again after progress, or after a while. */
static bool fabric_post(struct fabric *fabric, bool progress, uint64_t now)
{
	struct fabric_peer *peer;
	bool any, stalled = false;

	/* Failures are completions too. A broken peer waits for the retry, or this would spin. */
	for (peer = fabric->peers; peer; peer = peer->next)
		if (now >= fabric->retry_at || (progress && !peer->broken))
			peer->stalled = false;
	any = fabric_messages_post(fabric, now);
	any |= fabric_reads_post(fabric);
	for (peer = fabric->peers; peer; peer = peer->next)
		stalled |= peer->stalled;
	if (!stalled && !fabric->unposted_receives)
		fabric->retry_at = UINT64_MAX;
	else if (fabric->retry_at == UINT64_MAX || now >= fabric->retry_at)
		fabric->retry_at = now + FABRIC_RETRY_NS;
	return any;
}

/* Wake the poller at the next deadline or retry. */
static void fabric_set_timer(struct fabric *fabric, uint64_t now)
{
	uint64_t at = fabric->next_deadline;

	if (fabric->retry_at < at)
		at = fabric->retry_at;
	if (fabric->idle_at < at)
		at = fabric->idle_at;
	if (fabric->wait.fd < 0 && now + FABRIC_RETRY_NS < at)
		at = now + FABRIC_RETRY_NS;
	if (at == UINT64_MAX)
		loop_timer_cancel(fabric->loop, &fabric->timer);
	else if (!fabric->timer.index || fabric->timer.at != at)
		loop_timer(fabric->loop, &fabric->timer, at);
}

static bool fabric_poll(struct poller *poller)
{
	struct fabric *fabric = container_of(poller, struct fabric, poller);
	bool progress;
	uint64_t now;

	/* The loop was woken for something else: nothing has come, and nothing was asked. */
	if (fabric->quiet && !fabric->asked)
		return false;
	fabric->quiet = false;
	progress = fabric_queue_read(fabric);
	now = rm_now_ns();
	fabric->asked = false;
	fabric_reads_expire(fabric, now);
	fabric_peers_expire(fabric, now);
	progress |= fabric_post(fabric, progress, now);
	progress |= fabric_reads_finish(fabric);
	if (progress || fabric->woken)
		fabric->active_until = poll_time_until(&fabric->poll_time, now);
	fabric->woken = false;
	if (now < fabric->active_until)
		return true;
	fabric_set_timer(fabric, now);
	return false;
}

/* True: the loop may sleep on the descriptor. False: something has come or is to be posted. */
static bool fabric_arm(struct poller *poller)
{
	struct fabric *fabric = container_of(poller, struct fabric, poller);
	struct fid *fids[1] = { &fabric->cq->fid };

	if (fabric->asked)
		return false;
	if (fabric->quiet)
		return true;
	fabric->armed = fabric->wait.fd < 0 || fi_trywait(fabric->net, fids, 1) == FI_SUCCESS;
	/* A device's connections may need the poller more often than the descriptor fires. */
	fabric->quiet = fabric->armed && fabric->wait.fd >= 0 && !fabric_device(fabric);
	return fabric->armed;
}

/* Between two calls of fi_trywait() the descriptor stays readable, which is no event. */
static void fabric_ready(struct source *source, uint32_t events)
{
	struct fabric *fabric = container_of(source, struct fabric, wait);

	(void)events;
	fabric->woken = fabric->armed;
	fabric->armed = fabric->quiet = false;
}

/* A timer fires between polling and sleeping: make the loop poll once more. */
static void fabric_wake(struct timer *timer)
{
	container_of(timer, struct fabric, timer)->asked = true;
}

/* 0 or -errno; endpoint_close() closes what was opened in either case. */
static int endpoint_open(struct fabric *fabric)
{
	struct fi_av_attr attr = { .type = FI_AV_UNSPEC };
	int error;

	error = fi_fabric(fabric->info->fabric_attr, &fabric->net, NULL);
	if (!error)
		error = fi_domain(fabric->net, fabric->info, &fabric->domain, NULL);
	if (!error)
		error = fi_av_open(fabric->domain, &attr, &fabric->av, NULL);
	if (!error)
		error = fabric_queue_open(fabric);
	if (!error)
		error = fi_endpoint(fabric->domain, fabric->info, &fabric->ep, NULL);
	if (!error)
		error = fi_ep_bind(fabric->ep, &fabric->av->fid, 0);
	if (!error)
		error = fi_ep_bind(fabric->ep, &fabric->cq->fid, FI_SEND | FI_RECV);
	return error ? error : fi_enable(fabric->ep);
}

static void fid_close(struct fid *fid)
{
	if (fid)
		fi_close(fid);
}

/* First the endpoint, so that nothing is under way any more in what is closed after it. */
static void endpoint_close(struct fabric *fabric)
{
	fid_close(fabric->ep ? &fabric->ep->fid : NULL);
	fabric->ep = NULL;
	fabric_messages_close(fabric);
	fabric_pieces_close(fabric);
	fabric_locals_close(fabric);
	fid_close(fabric->cq ? &fabric->cq->fid : NULL);
	fid_close(fabric->av ? &fabric->av->fid : NULL);
	fid_close(fabric->domain ? &fabric->domain->fid : NULL);
	fid_close(fabric->net ? &fabric->net->fid : NULL);
	if (fabric->info)
		fi_freeinfo(fabric->info);
}

/* Set fabric->addr. */
static int fabric_describe(struct fabric *fabric)
{
	const char *provider = fabric->info->fabric_attr->prov_name;
	size_t length = sizeof(fabric->addr.name);
	int error = fi_getname(&fabric->ep->fid, fabric->addr.name, &length);

	if (error || length > sizeof(fabric->addr.name) ||
	    strlen(provider) >= sizeof(fabric->addr.provider))
		return error ? error : -FI_ETOOSMALL;
	strcpy(fabric->addr.provider, provider);
	fabric->addr.length = (uint8_t)length;
	fabric->addr.protocol = fabric->info->ep_attr->protocol;
	fabric->addr.protocol_version = fabric->info->ep_attr->protocol_version;
	fabric->addr.fi_version = fi_version();
	fabric->addr.addr_format = fabric->info->addr_format;
	return 0;
}

/* One attempt. On failure everything is closed again, and *out is not set. */
static int fabric_try_open(struct fabric **out, const struct rm_fabric_spec *spec,
                           const struct rm_fabric_addr *again, bool rdma, char *why,
                           size_t why_size)
{
	struct fabric *fabric = calloc(1, sizeof(*fabric));
	int error;

	if (!fabric)
		return -ENOMEM;
	fabric->wait.fd = -1;
	fabric->retry_at = fabric->next_deadline = fabric->idle_at = UINT64_MAX;
	fabric->finished_end = &fabric->finished;
	error = fabric_choose(spec, again, rdma, &fabric->info, why, why_size);
	if (error) {
		free(fabric);
		return error;
	}
	fabric->piece_size = fabric->info->ep_attr->max_msg_size;
	if (fabric->piece_size > FABRIC_PIECE)
		fabric->piece_size = FABRIC_PIECE;
	/* Other limits do not matter: fi_inject() is not used, nor two buffers in one operation. */
	error = fabric->piece_size < FABRIC_MESSAGE_MAX ? -FI_EMSGSIZE : endpoint_open(fabric);
	if (!error && !fabric_queue_wakes(fabric))
		fabric->wait.fd = -1;
	if (!error)
		error = fabric_messages_open(fabric);
	if (!error)
		error = fabric_describe(fabric);
	if (!error)
		error = fabric_mr_probe(fabric);
	if (error) {
		fabric_failed(fabric->info, error, why, why_size);
		endpoint_close(fabric);
		free(fabric);
		return error;
	}
	*out = fabric;
	return 0;
}

/* At an earlier worker's address. The kernel may need a moment to close that one's sockets. */
static int fabric_reopen(struct fabric **out, const struct rm_fabric_spec *spec,
                         const struct rm_fabric_addr *again, char *why, size_t why_size)
{
	uint64_t end = rm_now_ns() + AGAIN_NS;
	struct timespec pause = { .tv_nsec = 20000000 };
	int error;

	for (;;) {
		error = fabric_try_open(out, spec, again, true, why, why_size);
		if (error != -EADDRINUSE || rm_now_ns() >= end)
			return error;
		nanosleep(&pause, NULL);
	}
}

/* The best provider that there is. If that is an RDMA device and fails, the best without one. */
static int fabric_open_new(struct fabric **out, const struct rm_fabric_spec *spec, char *why,
                           size_t why_size)
{
	char reason[160], again[160] = "";
	int error = fabric_try_open(out, spec, NULL, true, why, why_size);

	if (!error || spec->provider[0])
		return error;
	rm_format(reason, sizeof(reason), "%s", why);
	if (fabric_try_open(out, spec, NULL, false, again, sizeof(again)))
		return error;
	rm_format(why, why_size, "RDMA is not used: %s", reason);
	return 0;
}

int fabric_open(struct fabric **out, struct loop *loop, const struct rm_fabric_spec *spec,
                const struct rm_fabric_addr *again, const struct fabric_events *events,
                char *why, size_t why_size)
{
	char old[80], reason[160];
	struct fabric *fabric;
	int error = -EADDRINUSE;

	fabric_environment();
	why[0] = 0;
	if (again)
		error = fabric_reopen(&fabric, spec, again, why, why_size);
	if (error) {
		rm_format(reason, sizeof(reason), "%s", why);
		why[0] = 0;
		error = fabric_open_new(&fabric, spec, why, why_size);
		if (error)
			return error;
		if (again) {
			fabric_addr_text(again, old, sizeof(old));
			rm_format(why, why_size, "the address %s that handles name cannot be had "
			          "again (%s): they are unreachable", old, reason);
		}
	}
	fabric->loop = loop;
	fabric->events = *events;
	fabric->poller.poll = fabric_poll;
	fabric->poller.arm = fabric_arm;
	fabric->timer.fire = fabric_wake;
	fabric->wait.ready = fabric_ready;
	if (fabric->wait.fd >= 0)
		error = loop_add(loop, &fabric->wait, EPOLLIN);
	if (error) {
		rm_format(why, why_size, "epoll: %s", rm_errno_text(-error));
		endpoint_close(fabric);
		free(fabric);
		return error;
	}
	loop_poller(loop, &fabric->poller);
	*out = fabric;
	return 0;
}

/* done() may drop any peer, so the search starts anew after each. */
static void fabric_cancel_all(struct fabric *fabric)
{
	struct fabric_peer *peer = fabric->peers;

	while (peer) {
		if (peer->first) {
			fabric_cancel(fabric, peer);
			peer = fabric->peers;
		} else {
			peer = peer->next;
		}
	}
	fabric_reads_finish(fabric);
}

void fabric_close(struct fabric *fabric)
{
	struct fabric_peer *peer;
	struct fabric_op *op;

	if (!fabric)
		return;
	fabric_cancel_all(fabric);
	loop_poller_remove(fabric->loop, &fabric->poller);
	loop_timer_cancel(fabric->loop, &fabric->timer);
	if (fabric->wait.fd >= 0)
		loop_remove(fabric->loop, &fabric->wait);
	while ((peer = fabric->peers)) {
		fabric->peers = peer->next;
		while ((op = peer->posted)) {
			peer->posted = op->next;
			op->next = fabric->free_pieces;
			fabric->free_pieces = op;
		}
		free(peer);
	}
	endpoint_close(fabric);
	free(fabric);
}

