/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - have another host take over a publication of this host (RM_MOVE)
 *
 * This makes a second publication and leaves the original. The client ends the original once it has
 * the handle of the second one. So at least one of the two exists, whatever dies in between.
 * Worker thread only; does not allocate itself.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "internal.h"
#include "../peer/peer.h"

/* The other host has answered: TEXT is the new handle, or says why it failed. */
static void request_move_done(void *arg, int error, const char *text)
{
	struct connection *connection = arg;

	/* The move is freed already: peer_moved's promise. */
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

/* 0 if another host could attach this publication, else -errno and *why. */
static int request_move_check(const struct publication *publication, const char **why)
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
	int error = publication_named(local, request->name, &publication, &why);

	assert(!connection->move);
	memcpy(order.id, request->id, RM_ID_BYTES);
	memcpy(order.secret, request->secret, RM_SECRET_BYTES);
	if (error == 0)
		error = request_move_check(publication, &why);
	if (error == 0) {
		why = nets_why(local->nets);
		error = nets_publish(local->nets, request->fabric, &peers);
	}
	if (error == 0) {
		why = text;
		error = peer_move(peers, publication, &order, request_move_done, connection, &connection->move,
		                  text, sizeof(text));
	}
	explicit_bzero(&order, sizeof(order));
	if (error < 0)
		connection_reply(connection, request->head.seq, error, why);
	else
		connection_busy(connection, request->head.seq);
}
