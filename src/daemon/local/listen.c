/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.c - the listener: accept connections of processes of this host
 *
 * Worker thread only. Does not allocate itself; connection_take() does.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/log.h"
#include "internal.h"

#define ACCEPT_AGAIN_NS UINT64_C(100000000)     /* without descriptors: when to accept again */
#define TOLD_NS UINT64_C(60000000000)           /* between two lines in the log */

/* Log this at most once a minute, since processes that connect could fill the log. */
static void log_no_room(struct local *local)
{
	uint64_t now = rm_now_ns();

	if (local->told_ns && now < local->told_ns + TOLD_NS)
		return;
	local->told_ns = now;
	log_line("no descriptor for a new connection: raise the limit of rmmapd "
	         "(ulimit -n, LimitNOFILE=)");
}

/*
 * If no descriptor is left, connections are refused by means of the spare ones. When these are used
 * up, too, the listener stays ready, and the loop would do nothing else. So it is not watched for
 * ACCEPT_AGAIN_NS.
 */
static void accept_ready(struct source *source, uint32_t events)
{
	struct local *local = container_of(source, struct local, listener);
	int fd, error;

	(void)events;
	do {
		while ((fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
			connection_take(local, fd);
		error = errno;
		if (!shortage_is(error))
			return;
		log_no_room(local);
	} while (shortage_accept(local));
	loop_remove(local->context->loop, source);
	loop_timer(local->context->loop, &local->accept_again, rm_now_ns() + ACCEPT_AGAIN_NS);
}

static void accept_again(struct timer *timer)
{
	struct local *local = container_of(timer, struct local, accept_again);

	shortage_refill(local);
	loop_add(local->context->loop, &local->listener, EPOLLIN);
}

void local_listen(struct local *local, int listener, const int *connections, unsigned count)
{
	struct loop *loop = local->context->loop;

	/* Or it would add the listener a second time. */
	loop_timer_cancel(loop, &local->accept_again);
	loop_remove(loop, &local->listener);
	close(local->listener.fd);
	local->listener.fd = listener;
	loop_add(loop, &local->listener, EPOLLIN);
	for (unsigned i = 0; i < count; i++)
		connection_take(local, connections[i]);
}

int listen_init(struct local *local, int listener)
{
	local->listener.fd = listener;
	local->listener.ready = accept_ready;
	local->accept_again.fire = accept_again;
	shortage_init(local);
	return listener < 0 ? 0 : loop_add(local->context->loop, &local->listener, EPOLLIN);
}
