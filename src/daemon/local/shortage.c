/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shortage.c - refuse connections while no descriptor is left
 *
 * A process that connects must get an answer. So a few spare descriptors are kept open. When no
 * other descriptor is left, a spare one is closed, the connection is accepted in its place,
 * RM_HELLO is answered with EMFILE, and the spare descriptor is opened again. There are at most
 * REFUSALS_MAX refusals at a time, of a second at most. Further connections wait in the listener's
 * queue.
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#define REFUSAL_NS UINT64_C(1000000000)         /* how long to wait for RM_HELLO */

bool shortage_is(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void shortage_refill(struct local *local)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++)
		if (local->spares[i] < 0 && local->refusals[i].socket.fd < 0)
			/* Any file would do; with O_PATH no right to it is needed. */
			local->spares[i] = open("/", O_PATH | O_CLOEXEC);
}

static void refusal_end(struct refusal *refusal)
{
	struct loop *loop = refusal->local->context->loop;

	loop_timer_cancel(loop, &refusal->timer);
	loop_remove(loop, &refusal->socket);
	close(refusal->socket.fd);
	refusal->socket.fd = -1;
	shortage_refill(refusal->local);
}

static void refusal_expired(struct timer *timer)
{
	refusal_end(container_of(timer, struct refusal, timer));
}

/* RM_HELLO or another message came: answer it, and close the connection. */
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

/* Refuse the connection fd. False: it cannot be watched, and stays the caller's. */
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

bool shortage_accept(struct local *local)
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
		shortage_refill(local);
		return fd >= 0;
	}
	return false;
}

/* The connection was accepted, but there is no descriptor for its pidfd. */
void shortage_refuse(struct local *local, int fd)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &local->refusals[i];

		if (refusal->socket.fd < 0 && refusal_begin(refusal, fd))
			return;
	}
	close(fd);
}

void shortage_init(struct local *local)
{
	for (unsigned i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &local->refusals[i];

		local->spares[i] = -1;
		refusal->local = local;
		refusal->socket.fd = -1;
		refusal->socket.ready = refusal_ready;
		refusal->timer.fire = refusal_expired;
	}
	shortage_refill(local);
}
