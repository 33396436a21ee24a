/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * requests.c - the table of requests, and the events of connections
 *
 * A new type of request takes a line in this table, its sizes in rm_wire_check(), and a function.
 * The functions may rely on rm_wire_check(): the size is right for the type, and strings end.
 * Worker thread only; does not allocate itself.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static void hello_reply(struct connection *connection, uint64_t seq, int error, const char *text)
{
	struct context *context = connection->client->local->context;
	struct rm_wire_hello_reply reply = { .error = -error, .pid = context->keeper_pid };

	memcpy(reply.host, context->host, RM_ID_BYTES);
	rm_format(reply.text, sizeof(reply.text), "%s", text);
	connection_send(connection, &reply, sizeof(reply), RM_HELLO_REPLY, seq, NULL, 0);
}

static void reply_other_version(struct connection *connection, const struct rm_wire *head)
{
	char text[RM_TEXT_MAX];

	rm_format(text, sizeof(text), "rmmapd speaks version %d and this process version %u: it was "
	          "started by another installation of rmmap; stop it, or use another RMMAP_RUNDIR",
	          RM_WIRE_VERSION, head->version);
	hello_reply(connection, head->seq, -EPROTO, text);
	connection_fail(connection);
}

/*
 * A process of a build with another layout of the address space is refused: no process here, itself
 * included, could attach what it publishes, and it could not map what is published here.
 */
static void request_hello(struct connection *connection, const void *message)
{
	/* The pid in it is not used: it may be of another pid namespace. See connection_take(). */
	const struct rm_wire_hello *request = message;
	const struct rm_layout here = rm_layout_here(), *there = &request->layout;
	char text[RM_TEXT_MAX], what[RM_TEXT_MAX - 128];

	if (rm_layout_same(there, &here)) {
		hello_reply(connection, request->head.seq, 0, "");
		return;
	}
	rm_layout_difference("this process's", there, "this rmmapd's", what, sizeof(what));
	rm_format(text, sizeof(text), "%s; or use another RMMAP_RUNDIR, or end this rmmapd and have "
	          "RMMAP_DAEMON name the right one", what);
	hello_reply(connection, request->head.seq, -EPROTO, text);
	connection_fail(connection);
}

/*
 * rmmapd can have no more descriptors, and rm_channel_recv() has closed those that came. The sender
 * waits for an answer: a message with descriptors is a request, or belongs to a publish. The head
 * is checked here, since rm_wire_check() was not called.
 */
static bool reply_no_fds(struct connection *connection, const struct rm_wire *head)
{
	if (publish_no_fds(connection))
		return true;
	if (head->magic != RM_WIRE_MAGIC || head->version != RM_WIRE_VERSION)
		return false;
	if (head->type == RM_PUBLISH || head->type == RM_LAZY)
		connection_reply(connection, head->seq, -EMFILE, NO_FDS_TEXT);
	return head->type == RM_PUBLISH || head->type == RM_LAZY || head->type == RM_LAYERS;
}

static const struct request {
	uint16_t type;
	/* One of these two is set. With run(), descriptors of the message are closed before. */
	void (*run)(struct connection *connection, const void *message);
	void (*run_with_fds)(struct connection *connection, const void *message, const int *fds,
	                     unsigned count);
} requests[] = {
	{ RM_HELLO, request_hello, NULL },
	{ RM_PUBLISH, NULL, request_publish },
	{ RM_LAYERS, NULL, request_layers },
	{ RM_UNPUBLISH, request_unpublish, NULL },
	{ RM_MOVE, request_move, NULL },
	{ RM_ATTACH, request_attach, NULL },
	{ RM_LAZY, NULL, request_lazy },
	{ RM_COMPLETE, request_complete, NULL },
	{ RM_PREFETCH, request_prefetch, NULL },
	{ RM_DETACH, request_detach, NULL },
	{ RM_LIST, request_info, NULL },
	{ RM_STAT, request_info, NULL },
	{ RM_INFO, request_info, NULL },
	{ RM_STATS, request_info, NULL },
};

/* A type that is not in the table means a broken client. */
static void request_dispatch(struct connection *connection, const void *message, const int *fds,
                             unsigned count)
{
	const struct rm_wire *head = message;
	const struct request *request = requests, *end = request + sizeof(requests) / sizeof(*requests);

	while (request < end && request->type != head->type)
		request++;
	if (request < end && request->run_with_fds) {
		request->run_with_fds(connection, message, fds, count);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	if (request < end)
		request->run(connection, message);
	else
		connection_fail(connection);
}

static void connection_closing(struct connection *connection)
{
	publish_forget(connection);
	if (connection->completion)
		connection->completion->connection = NULL;
	move_forget(connection);
}

const struct connection_events local_requests = {
	.request = request_dispatch,
	.other_version = reply_other_version,
	.no_fds = reply_no_fds,
	.hung_up = attach_connection_gone,
	.closing = connection_closing,
};
