/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c - does nobody listen at a peer's port?
 *
 * A provider over TCP does not report a refused connection. It tries again and returns EAGAIN, as
 * for a slow peer. So if the first request is not answered soon, this module connects to the
 * peer's port and hangs up. If it is refused each time for REFUSED_NS, nobody listens. One refusal
 * proves nothing: a worker that died is replaced in less than that time.
 *
 * Only a host that has never answered is probed. If it has, and a wire was cut, both hosts may be
 * connecting to each other; with a probe besides, ofi_rxm 1.17 went on refusing one connection for
 * the other (tests/remote/namespaces.sh, 4 of 4).
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/say.h"
#include "session.h"

#define FIRST_NS 100000000u     /* until the first probe: a healthy host has answered by then */
#define AGAIN_NS 100000000u     /* between two probes */
#define REFUSED_NS 1400000000u  /* between the first refusal and the last */

static void probe_hang_up(struct peer_probe *probe)
{
	if (probe->socket.fd < 0)
		return;
	if (probe->waiting)
		loop_remove(probe->peers->context->loop, &probe->socket);
	probe->waiting = false;
	close(probe->socket.fd);
	probe->socket.fd = -1;
}

/*
 * The connect has ended. Anything but a refusal ends the probe: the request has its own deadline.
 */
static void probe_result(struct peer_probe *probe, int error)
{
	uint64_t now = rm_now_ns();

	probe_hang_up(probe);
	if (error != ECONNREFUSED)
		return;
	if (!probe->since)
		probe->since = now;
	/* refused() stops the probe, and may free it. */
	if (now - probe->since >= REFUSED_NS)
		probe->refused(probe);
	else
		loop_timer(probe->peers->context->loop, &probe->timer, now + AGAIN_NS);
}

static void probe_ready(struct source *source, uint32_t events)
{
	struct peer_probe *probe = container_of(source, struct peer_probe, socket);
	socklen_t size = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	probe_result(probe, error);
}

/* The timer: connect once, unless the provider does not use TCP. */
static void probe_look(struct timer *timer)
{
	struct peer_probe *probe = container_of(timer, struct peer_probe, timer);
	struct sockaddr_storage address;
	socklen_t size = fabric_tcp_address(probe->peers->fabric, probe->peer, &address);

	if (!size)
		return;
	/* Without a descriptor there is no probe: the request's own deadline is left. */
	probe->socket.fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->socket.fd < 0)
		return;
	probe->socket.ready = probe_ready;
	if (!connect(probe->socket.fd, (struct sockaddr *)&address, size))
		probe_result(probe, 0);
	else if (errno != EINPROGRESS)
		probe_result(probe, errno);
	else if (loop_add(probe->peers->context->loop, &probe->socket, EPOLLOUT) < 0)
		probe_hang_up(probe);
	else
		probe->waiting = true;
}

void probe_start(struct peer_probe *probe, struct peers *peers, struct fabric_peer *peer,
                 void (*refused)(struct peer_probe *probe))
{
	*probe = (struct peer_probe){
		.peers = peers, .peer = peer, .refused = refused, .socket.fd = -1,
		.timer.fire = probe_look,
	};
	loop_timer(peers->context->loop, &probe->timer, rm_now_ns() + FIRST_NS);
}

void probe_stop(struct peer_probe *probe)
{
	if (!probe->peers)
		return;
	loop_timer_cancel(probe->peers->context->loop, &probe->timer);
	probe_hang_up(probe);
	probe->peers = NULL;
}

void peer_unanswered(const char *host, bool refused, char *why, size_t size)
{
	if (refused)
		rm_format(why, size, "%s does not answer: it refuses the connection, so no rmmapd "
		          "listens there any more; publish again on that host", host);
	else
		rm_format(why, size, "%s does not answer: see whether that host is up and rmmapd "
		          "runs there (rmmap info), and whether a firewall lets this port through",
		          host);
}
