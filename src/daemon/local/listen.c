/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_listen.c - processes of this host connect, and do so while no descriptor is left
 *
 * Nobody may wait for an answer that does not come, so some descriptors are kept open for
 * nothing. When there is no other, one of them is closed, the connection is accepted in its
 * place, its RM_HELLO is answered with EMFILE, and the descriptor is kept again. Few at a time,
 * each for a second at most; whoever comes beyond that waits in the listener's queue.
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/log.h"
#include "internal.h"

#define REFUSAL_NS UINT64_C(1000000000)         /* to say RM_HELLO, which comes at once */
#define ACCEPT_AGAIN_NS UINT64_C(100000000)
#define TOLD_NS UINT64_C(60000000000)

bool short_of(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Have spares again, as far as possible. */
static void short_refill(struct local *local)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++)
		if (local->spares[i] < 0 && local->refusals[i].socket.fd < 0)
			local->spares[i] = open("/", O_PATH | O_CLOEXEC);
}

static void refusal_end(struct refusal *refusal)
{
	struct loop *loop = refusal->local->context->loop;

	loop_timer_cancel(loop, &refusal->timer);
	loop_remove(loop, &refusal->socket);
	close(refusal->socket.fd);
	refusal->socket.fd = -1;
	short_refill(refusal->local);
}

static void refusal_expired(struct timer *timer)
{
	refusal_end(container_of(timer, struct refusal, timer));
}

static void refusal_ready(struct source *source, uint32_t events)
{
	struct refusal *refusal = container_of(source, struct refusal, socket);
	struct local *local = refusal->local;
	_Alignas(8) uint8_t message[RM_WIRE_MAX];
	const struct rm_wire *head = (const void *)message;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;
	ssize_t n = rm_channel_recv(source->fd, message, sizeof(message), fds, &count, 0);

	(void)events;
	if (n == -EAGAIN)
		return;
	while (n > 0 && count)
		close(fds[--count]);
	if (n > 0 && rm_wire_check(message, (size_t)n) == 0 && head->type == RM_HELLO) {
		struct rm_wire_hello_reply reply = {
			.head = { .magic = RM_WIRE_MAGIC, .version = RM_WIRE_VERSION,
			          .type = RM_HELLO_REPLY, .seq = head->seq },
			.error = EMFILE, .pid = local->context->keeper_pid,
		};

		memcpy(reply.host, local->context->host, RM_ID_BYTES);
		rm_format(reply.text, sizeof(reply.text), "%s", NO_FDS_TEXT);
		rm_channel_send(source->fd, &reply, sizeof(reply), NULL, 0, 0);
	}
	refusal_end(refusal);
}

static bool refusal_begin(struct refusal *refusal, int fd)
{
	struct loop *loop = refusal->local->context->loop;

	refusal->socket.fd = fd;
	if (loop_add(loop, &refusal->socket, EPOLLIN) < 0) {
		refusal->socket.fd = -1;
		return false;
	}
	loop_timer(loop, &refusal->timer, rm_now_ns() + REFUSAL_NS);
	return true;
}

/* Accept one by a spare descriptor, to tell it that there is none. False: nobody was accepted. */
static bool short_accept(struct local *local)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &local->refusals[i];
		int fd;

		if (refusal->socket.fd >= 0 || local->spares[i] < 0)
			continue;
		close(local->spares[i]);
		local->spares[i] = -1;
		fd = accept4(local->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0 && refusal_begin(refusal, fd))
			return true;
		if (fd >= 0)
			close(fd);
		short_refill(local);
		return fd >= 0;
	}
	return false;
}

void short_refuse(struct local *local, int fd)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &local->refusals[i];

		if (refusal->socket.fd < 0 && refusal_begin(refusal, fd))
			return;
	}
	close(fd);
}

/* Once a minute at most: whoever connects could fill the log. */
static void tell_no_room(struct local *local)
{
	uint64_t now = rm_now_ns();

	if (local->told_ns && now < local->told_ns + TOLD_NS)
		return;
	local->told_ns = now;
	log_line("no descriptor for a new connection: raise the limit of rmmapd "
	         "(ulimit -n, LimitNOFILE=)");
}

/*
 * Without descriptors whoever comes is told so, as far as spare ones go. After that the listener
 * stays ready, and the loop would do nothing else: it is looked at again in a while.
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
		if (!short_of(error))
			return;
		tell_no_room(local);
	} while (short_accept(local));
	loop_remove(local->context->loop, source);
	loop_timer(local->context->loop, &local->accept_again, rm_now_ns() + ACCEPT_AGAIN_NS);
}

static void accept_again(struct timer *timer)
{
	struct local *local = container_of(timer, struct local, accept_again);

	short_refill(local);
	loop_add(local->context->loop, &local->listener, EPOLLIN);
}

void local_listen(struct local *local, int listener, const int *connections, unsigned count)
{
	struct loop *loop = local->context->loop;

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
	for (unsigned i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &local->refusals[i];

		local->spares[i] = -1;
		refusal->local = local;
		refusal->socket.fd = -1;
		refusal->socket.ready = refusal_ready;
		refusal->timer.fire = refusal_expired;
	}
	short_refill(local);
	return listener < 0 ? 0 : loop_add(local->context->loop, &local->listener, EPOLLIN);
}
