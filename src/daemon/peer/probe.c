/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_probe.c - does anybody listen where a peer should be?
 *
 * A provider over TCP keeps a refused connection to itself and goes on trying: all that is seen of
 * it is EAGAIN, as for a peer that is slow. So where the first request is not answered soon, the
 * peer's port is connected to from here, and hung up on. Refused all the while: nobody listens.
 * A worker that has died is replaced sooner, so one refusal alone proves nothing.
 *
 * Only a host that was never heard of is asked so. Where it was and a wire was cut, both hosts
 * may be connecting to each other: with this beside it ofi_rxm 1.17 went on refusing one
 * connection for the other (tests/remote/namespaces.sh, 4 of 4).
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"

#define FIRST_NS 100000000u     /* a host that is well has answered by then */
#define AGAIN_NS 100000000u
#define REFUSED_NS 1400000000u

static void hang_up(struct peer_probe *probe)
{
	if (probe->socket.fd < 0)
		return;
	if (probe->waiting)
		loop_remove(probe->peers->context->loop, &probe->socket);
	probe->waiting = false;
	close(probe->socket.fd);
	probe->socket.fd = -1;
}

/* What the connect came to. Anything but a refusal leaves it to those who wait for an answer. */
static void result(struct peer_probe *probe, int error)
{
	uint64_t now = rm_now_ns();

	hang_up(probe);
	if (error != ECONNREFUSED)
		return;
	if (!probe->since)
		probe->since = now;
	if (now - probe->since >= REFUSED_NS)
		probe->refused(probe);
	else
		loop_timer(probe->peers->context->loop, &probe->timer, now + AGAIN_NS);
}

static void ready(struct source *source, uint32_t events)
{
	struct peer_probe *probe = container_of(source, struct peer_probe, socket);
	socklen_t size = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	result(probe, error);
}

static void look(struct timer *timer)
{
	struct peer_probe *probe = container_of(timer, struct peer_probe, timer);
	struct sockaddr_storage address;
	socklen_t size = fabric_tcp_address(probe->peers->fabric, probe->peer, &address);

	if (!size)
		return;
	probe->socket.fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->socket.fd < 0)
		return;
	probe->socket.ready = ready;
	if (!connect(probe->socket.fd, (struct sockaddr *)&address, size))
		result(probe, 0);
	else if (errno != EINPROGRESS)
		result(probe, errno);
	else if (loop_add(probe->peers->context->loop, &probe->socket, EPOLLOUT) < 0)
		hang_up(probe);
	else
		probe->waiting = true;
}

void probe_start(struct peer_probe *probe, struct peers *peers, struct fabric_peer *peer,
                 void (*refused)(struct peer_probe *probe))
{
	*probe = (struct peer_probe){
		.peers = peers, .peer = peer, .refused = refused, .socket.fd = -1,
		.timer.fire = look,
	};
	loop_timer(peers->context->loop, &probe->timer, rm_now_ns() + FIRST_NS);
}

void probe_stop(struct peer_probe *probe)
{
	if (!probe->peers)
		return;
	loop_timer_cancel(probe->peers->context->loop, &probe->timer);
	hang_up(probe);
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
