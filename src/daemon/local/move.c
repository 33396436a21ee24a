/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_move.c - a publication of this host is to be another host's too
 *
 * Worker thread only. Who asked ends the original, once it has the handle of the other one:
 * so whatever dies in between, one of the two is there.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"
#include "../peer/peer.h"

static void moved(void *arg, int error, const char *text)
{
	struct connection *connection = arg;

	connection->move = NULL;
	connection_idle(connection);
	connection_reply(connection, connection->seq, error, text);
}

void move_forget(struct connection *connection)
{
	if (connection->move)
		peer_move_cancel(connection->move);
	connection->move = NULL;
}

static int movable(const struct publication *publication, const char **why)
{
	*why = "the publication was unpublished already";
	if (publication->unpublished)
		return -ENOENT;
	*why = "all readers of the publication have been admitted: nobody could attach it over there";
	if (rm_terms_used_up(publication->terms, publication->admitted))
		return -ENOENT;
	return 0;
}

void request_move(struct connection *connection, const void *message)
{
	const struct rm_wire_move *request = message;
	struct local *local = connection->client->local;
	struct publication *publication;
	struct peer_order order = { .host = request->host, .port = (uint16_t)request->port };
	struct peers *peers;
	char text[RM_TEXT_MAX];
	const char *why = text;
	int ret = publication_named(local, request->name, &publication, &why);

	memcpy(order.id, request->id, RM_ID_BYTES);
	memcpy(order.secret, request->secret, RM_SECRET_BYTES);
	if (ret == 0)
		ret = movable(publication, &why);
	if (ret == 0) {
		why = nets_why(local->nets);
		ret = nets_publish(local->nets, request->fabric, &peers);
	}
	if (ret == 0) {
		why = text;
		ret = peer_move(peers, publication, &order, moved, connection, &connection->move,
		                text, sizeof(text));
	}
	explicit_bzero(&order, sizeof(order));
	if (ret < 0)
		connection_reply(connection, request->head.seq, ret, why);
	else
		connection_busy(connection, request->head.seq);
}
