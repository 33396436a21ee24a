/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.c - one socket of a process of this host: messages in, replies out
 *
 * Worker thread only; allocates. Nothing here waits. A message that the client does not take at
 * once is queued, with duplicates of its descriptors, and a client that lets the queue grow loses
 * its connection.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../keeper/defaults.h"
#include "../keeper/attempts.h"
#include "internal.h"

#define SECOND UINT64_C(1000000000)
#define QUEUE_MAX 1024                  /* messages; the reply for 16 GiB of data has 5 */
#define STUCK_NS (30 * SECOND)          /* a client that takes no message for so long is broken */
#define READS_MAX 32                    /* messages of one client before others get a turn */

/* A message that waits to be sent. It owns its descriptors. */
struct queued {
	struct queued *next;
	size_t size;                    /* of the message: <= RM_WIRE_MAX, which is allocated */
	unsigned count;                 /* of descriptors */
	int fds[RM_CHANNEL_FDS_MAX];
	uint8_t message[];
};

static void connection_ready(struct source *source, uint32_t events);

static void connection_progress(struct timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, progress);
	struct rm_wire message;

	connection_send(connection, &message, sizeof(message), RM_PROGRESS, connection->seq, NULL, 0);
	loop_timer(connection->client->local->context->loop, timer, rm_now_ns() + SECOND);
}

static void connection_stuck(struct timer *timer)
{
	connection_fail(container_of(timer, struct connection, stuck));
}

struct connection *connection_new(struct client *client, int fd, uint64_t record)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->client = client;
	connection->record = record;
	connection->socket.fd = fd;
	connection->socket.ready = connection_ready;
	connection->progress.fire = connection_progress;
	connection->stuck.fire = connection_stuck;
	if (loop_add(client->local->context->loop, &connection->socket, EPOLLIN) < 0) {
		free(connection);
		return NULL;
	}
	connection->next = client->connections;
	client->connections = connection;
	return connection;
}

static void queue_drop_first(struct connection *connection)
{
	struct queued *queued = connection->first;

	assert(queued && connection->queued > 0);
	connection->first = queued->next;
	connection->queued--;
	assert((connection->first == NULL) == (connection->queued == 0));
	for (unsigned i = 0; i < queued->count; i++)
		close(queued->fds[i]);
	free(queued);
}

void connection_free(struct connection *connection)
{
	struct context *context = connection->client->local->context;
	struct connection **link = &connection->client->connections;

	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	loop_remove(context->loop, &connection->socket);
	loop_timer_cancel(context->loop, &connection->progress);
	loop_timer_cancel(context->loop, &connection->stuck);
	/*
	 * While the connection is whole: a publish under way makes it idle, and drops its
	 * descriptors.
	 */
	connection->client->local->requests->closing(connection);
	while (connection->first)
		queue_drop_first(connection);
	attempt_end(context, connection->record, 0);
	/*
	 * The keeper's duplicate of the socket is open until it reads KEEP_DELETE. Without shutdown()
	 * the client would wait until then.
	 */
	shutdown(connection->socket.fd, SHUT_RDWR);
	keeper_delete(context->keeper, connection->record);
	close(connection->socket.fd);
	free(connection);
}

void connection_fail(struct connection *connection)
{
	shutdown(connection->socket.fd, SHUT_RDWR);
}

/* ---- out ---- */

/*
 * No descriptor is left for the duplicates that a queued message needs. Replace the message by a
 * reply that says so.
 */
static void queued_replace(struct queued *queued)
{
	struct rm_wire_reply reply = { .error = EMFILE };

	memcpy(&reply.head, queued->message, sizeof(reply.head));
	reply.head.type = RM_REPLY;
	rm_format(reply.text, sizeof(reply.text), "%s", NO_FDS_TEXT);
	memcpy(queued->message, &reply, sizeof(reply));
	queued->size = sizeof(reply);
	while (queued->count)
		close(queued->fds[--queued->count]);
}

/* Append a message to the queue. False: the queue is full, or no memory. */
static bool queue_append(struct connection *connection, const void *message, size_t size,
                         const int *fds, unsigned count)
{
	struct queued *queued = NULL;

	if (connection->queued < QUEUE_MAX)
		queued = malloc(sizeof(*queued) + RM_WIRE_MAX);
	if (!queued)
		return false;
	assert(size <= RM_WIRE_MAX && count <= RM_CHANNEL_FDS_MAX);
	queued->next = NULL;
	queued->size = size;
	memcpy(queued->message, message, size);
	for (queued->count = 0; queued->count < count; queued->count++) {
		int fd = fcntl(fds[queued->count], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			queued_replace(queued);
			break;
		}
		queued->fds[queued->count] = fd;
	}
	if (connection->first)
		connection->last->next = queued;
	else
		connection->first = queued;
	connection->last = queued;
	connection->queued++;
	return true;
}

/*
 * Send queued messages until the socket is full. While messages are queued the connection waits for
 * EPOLLOUT only and reads nothing: a client has to take its replies first.
 */
static void queue_flush(struct connection *connection)
{
	struct loop *loop = connection->client->local->context->loop;

	while (connection->first) {
		struct queued *queued = connection->first;
		int error = rm_channel_send(connection->socket.fd, queued->message, queued->size,
		                            queued->fds, queued->count, 0);

		if (error == -EAGAIN)
			return;
		if (error < 0) {
			connection->unread = true;
			connection_fail(connection);
			break;
		}
		queue_drop_first(connection);
		/* It has taken a message, so its time begins anew. */
		loop_timer(loop, &connection->stuck, rm_now_ns() + STUCK_NS);
	}
	loop_timer_cancel(loop, &connection->stuck);
	loop_change(loop, &connection->socket, EPOLLIN);
}

/* The socket is full. Called before the first message is queued. */
static void queue_wait(struct connection *connection)
{
	struct loop *loop = connection->client->local->context->loop;

	if (connection->first)
		return;
	loop_change(loop, &connection->socket, EPOLLOUT);
	loop_timer(loop, &connection->stuck, rm_now_ns() + STUCK_NS);
}

void connection_send(struct connection *connection, void *message, size_t size, uint16_t type,
                     uint64_t seq, const int *fds, unsigned count)
{
	struct rm_wire head = { .magic = RM_WIRE_MAGIC, .version = RM_WIRE_VERSION,
	                        .type = type, .seq = seq };
	int error = -EAGAIN;

	memcpy(message, &head, sizeof(head));
	/*
	 * Behind a message that waits, every later one waits: their order is part of the
	 * protocol.
	 */
	if (!connection->first)
		error = rm_channel_send(connection->socket.fd, message, size, fds, count, 0);
	if (error == -EAGAIN) {
		queue_wait(connection);
		if (queue_append(connection, message, size, fds, count))
			return;
	}
	if (error < 0) {
		connection->unread = true;
		connection_fail(connection);
	}
}

void connection_why(char text[RM_TEXT_MAX], int error, const char *why)
{
	char limit[256] = "";

	if (error == -ENOMEM)
		defaults_memory(limit, sizeof(limit));
	rm_format(text, RM_TEXT_MAX, "%s%s", why, limit);
}

void connection_reply(struct connection *connection, uint64_t seq, int error, const char *text)
{
	struct rm_wire_reply reply = { .error = -error };

	connection_why(reply.text, error, text);
	connection_send(connection, &reply, sizeof(reply), RM_REPLY, seq, NULL, 0);
}

void connection_busy(struct connection *connection, uint64_t seq)
{
	assert(!connection->progress.index);
	connection->seq = seq;
	loop_timer(connection->client->local->context->loop, &connection->progress,
	           rm_now_ns() + SECOND);
}

void connection_idle(struct connection *connection)
{
	loop_timer_cancel(connection->client->local->context->loop, &connection->progress);
}

/* ---- in ---- */

/*
 * A message was read. A client has one request under way at a time, so a second one means that the
 * client is broken. The exception is the same request again, which a client sends after
 * RM_RESTARTED: it is ignored.
 */
static void connection_received(struct connection *connection, const void *message, size_t size,
                                const int *fds, unsigned count)
{
	const struct rm_wire *head = message;
	int error = rm_wire_check(message, size);
	bool busy = connection->progress.index != 0;

	connection->client->local->context->active_ns = rm_now_ns();
	if (error == 0 && !busy) {
		connection->latest = head->seq;
		connection->client->local->requests->request(connection, message, fds, count);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	if (error == -EPROTO)
		connection->client->local->requests->other_version(connection, head);
	else if (error < 0 || head->seq != connection->seq)
		connection_fail(connection);
}

/* The other end is closed, or the socket has failed. */
static void connection_gone(struct connection *connection)
{
	connection->unread |= connection->first != NULL;
	connection->client->local->requests->hung_up(connection);
	connection_free(connection);
}

/* Read until the socket is empty, or READS_MAX messages, or something is queued. */
static void connection_ready(struct source *source, uint32_t events)
{
	struct connection *connection = container_of(source, struct connection, socket);

	/* The other end was closed with messages unread: see attachment_is_unread(). */
	if (events & EPOLLERR)
		connection->unread = true;
	if (events & EPOLLOUT)
		queue_flush(connection);
	for (int i = 0; i < READS_MAX && events & (EPOLLIN | EPOLLHUP | EPOLLERR); i++) {
		_Alignas(8) uint8_t message[RM_WIRE_MAX];
		int fds[RM_CHANNEL_FDS_MAX];
		unsigned count = 0;
		ssize_t n;

		/* no_fds() reads the head, which must not be what the stack had there */
		memset(message, 0, sizeof(struct rm_wire));
		n = rm_channel_recv(source->fd, message, sizeof(message), fds, &count, 0);
		if (n == -EAGAIN)
			return;
		if (n == -EMFILE &&
		    connection->client->local->requests->no_fds(connection, (const void *)message))
			continue;
		if (n <= 0) {
			connection_gone(connection);
			return;
		}
		connection_received(connection, message, (size_t)n, fds, count);
		/* After EPOLLHUP the queue cannot be sent: read until the end of the stream. */
		if (connection->first && !(events & EPOLLHUP))
			return;
	}
}
