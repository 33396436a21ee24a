/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.c - one socket of a process of this host
 *
 * Worker thread only. Nothing here waits: what a client does not take at once is
 * queued, with descriptors of its own, and a client that lets the queue grow loses
 * its connection.
 */
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
#define QUEUE_MAX 1024                  /* messages; a reply of 16 GiB has 5 */
#define STUCK_NS (30 * SECOND)          /* a client that takes nothing for so long is broken */
#define READS_MAX 32                    /* messages of one client before others get a turn */

struct queued {
	struct queued *next;
	size_t size;
	unsigned count;
	int fds[RM_CHANNEL_FDS_MAX];
	uint8_t message[];
};

static void ready(struct source *source, uint32_t events);

static void progress(struct timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, progress);
	struct rm_wire message;

	connection_send(connection, &message, sizeof(message), RM_PROGRESS, connection->seq, NULL, 0);
	loop_timer(connection->client->local->context->loop, timer, rm_now_ns() + SECOND);
}

static void stuck(struct timer *timer)
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
	connection->socket.ready = ready;
	connection->progress.fire = progress;
	connection->stuck.fire = stuck;
	if (loop_add(client->local->context->loop, &connection->socket, EPOLLIN) < 0) {
		free(connection);
		return NULL;
	}
	connection->next = client->connections;
	client->connections = connection;
	return connection;
}

static void drop_first(struct connection *connection)
{
	struct queued *queued = connection->first;

	connection->first = queued->next;
	connection->queued--;
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
	connection->client->local->requests->closing(connection);
	while (connection->first)
		drop_first(connection);
	attempt_end(context, connection->record, 0);
	/* the keeper's copy would keep the client waiting until it read the next line */
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

/* Where there is no descriptor for the copies, in place of the message: that, as its answer. */
static void queue_no_fds(struct queued *queued)
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

static bool enqueue(struct connection *connection, const void *message, size_t size,
                    const int *fds, unsigned count)
{
	struct queued *queued = NULL;

	if (connection->queued < QUEUE_MAX)
		queued = malloc(sizeof(*queued) + RM_WIRE_MAX);
	if (!queued)
		return false;
	queued->next = NULL;
	queued->size = size;
	memcpy(queued->message, message, size);
	for (queued->count = 0; queued->count < count; queued->count++) {
		int fd = fcntl(fds[queued->count], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			queue_no_fds(queued);
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

/* While something waits to go out nothing is read: a client takes its replies first. */
static void flush(struct connection *connection)
{
	struct loop *loop = connection->client->local->context->loop;

	while (connection->first) {
		struct queued *queued = connection->first;
		int ret = rm_channel_send(connection->socket.fd, queued->message, queued->size,
		                          queued->fds, queued->count, 0);

		if (ret == -EAGAIN)
			return;
		if (ret < 0) {
			connection->deaf = true;
			connection_fail(connection);
			break;
		}
		drop_first(connection);
		loop_timer(loop, &connection->stuck, rm_now_ns() + STUCK_NS);
	}
	loop_timer_cancel(loop, &connection->stuck);
	loop_change(loop, &connection->socket, EPOLLIN);
}

static void wait_for_room(struct connection *connection)
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
	int ret = -EAGAIN;

	memcpy(message, &head, sizeof(head));
	if (!connection->first)
		ret = rm_channel_send(connection->socket.fd, message, size, fds, count, 0);
	if (ret == -EAGAIN) {
		wait_for_room(connection);
		if (enqueue(connection, message, size, fds, count))
			return;
	}
	if (ret < 0) {
		connection->deaf = true;
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
 * One request at a time: more is a broken client, except for the one under way once
 * more, which a client sends after RM_RESTARTED.
 */
static void received(struct connection *connection, const void *message, size_t size,
                     const int *fds, unsigned count)
{
	const struct rm_wire *head = message;
	int ret = rm_wire_check(message, size);
	bool busy = connection->progress.index != 0;

	connection->client->local->context->active_ns = rm_now_ns();
	if (ret == 0 && !busy) {
		connection->latest = head->seq;
		connection->client->local->requests->request(connection, message, fds, count);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	if (ret == -EPROTO)
		connection->client->local->requests->other_version(connection, head);
	else if (ret < 0 || head->seq != connection->seq)
		connection_fail(connection);
}

static void gone(struct connection *connection)
{
	connection->deaf |= connection->first != NULL;
	connection->client->local->requests->hung_up(connection);
	connection_free(connection);
}

static void ready(struct source *source, uint32_t events)
{
	struct connection *connection = container_of(source, struct connection, socket);

	/* the other end closed with answers unread: see attach_connection_gone() */
	if (events & EPOLLERR)
		connection->deaf = true;
	if (events & EPOLLOUT)
		flush(connection);
	for (int i = 0; i < READS_MAX && events & (EPOLLIN | EPOLLHUP | EPOLLERR); i++) {
		_Alignas(8) uint8_t message[RM_WIRE_MAX];
		int fds[RM_CHANNEL_FDS_MAX];
		unsigned count = 0;
		ssize_t n;

		memset(message, 0, sizeof(struct rm_wire));
		n = rm_channel_recv(source->fd, message, sizeof(message), fds, &count, 0);
		if (n == -EAGAIN)
			return;
		if (n == -EMFILE &&
		    connection->client->local->requests->no_fds(connection, (const void *)message))
			continue;
		if (n <= 0) {
			gone(connection);
			return;
		}
		received(connection, message, (size_t)n, fds, count);
		if (connection->first && !(events & EPOLLHUP))
			return;
	}
}
