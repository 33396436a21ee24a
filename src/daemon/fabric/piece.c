/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * piece.c - pieces of reads: their records, their posting, and those that are under way
 *
 * Worker thread only. Allocates the record of a piece. One record is enough to go on, and that one
 * may come from the reserve of reserve.h.
 */
#include <assert.h>

#include "internal.h"
#include "../base/reserve.h"

struct fabric_op *fabric_piece_new(struct fabric *fabric)
{
	struct fabric_op *op = fabric->free_pieces;

	if (op)
		fabric->free_pieces = op->next;
	else
		op = reserve_zalloc(sizeof(*op), !fabric->pieces);
	if (op)
		op->kind = FABRIC_PIECE_READ;
	return op;
}

void fabric_piece_free(struct fabric *fabric, struct fabric_op *op)
{
	if (reserve_has(op)) {
		reserve_free(op);
		return;
	}
	op->next = fabric->free_pieces;
	fabric->free_pieces = op;
}

/* The piece was posted: put it into the peer's list. */
static void piece_start(struct fabric *fabric, struct fabric_peer *peer, struct fabric_op *op)
{
	op->prev = NULL;
	op->next = peer->posted;
	if (peer->posted)
		peer->posted->prev = op;
	peer->posted = op;
	peer->pieces++;
	fabric->pieces++;
}

void fabric_piece_stop(struct fabric *fabric, struct fabric_peer *peer, struct fabric_op *op)
{
	assert(peer->pieces > 0 && fabric->pieces >= peer->pieces);
	if (op->prev)
		op->prev->next = op->next;
	else
		peer->posted = op->next;
	if (op->next)
		op->next->prev = op->prev;
	peer->pieces--;
	fabric->pieces--;
}

int fabric_piece_post(struct fabric *fabric, struct fabric_op *op)
{
	struct fabric_read *read = op->read;
	size_t offset = (size_t)((uint8_t *)op->data - (uint8_t *)read->to);
	ssize_t error;
	void *desc;

	error = fabric_local_get(fabric, op, read->around, read->around_length, &desc);
	/* The limit of locked memory is reached: pieces under way make room when they end. */
	if (error == -ENOMEM && fabric->pieces)
		return -FI_EAGAIN;
	if (error)
		return (int)error;
	error = fi_read(fabric->ep, op->data, op->length, desc, op->peer->address,
	                read->from + offset, read->key, &op->context);
	if (error) {
		fabric_local_put(fabric, op);
		return fabric_soon(error);
	}
	fabric->read_calls++;
	piece_start(fabric, op->peer, op);
	return 0;
}

bool fabric_busy(const struct fabric *fabric, const void *memory, size_t length)
{
	const struct fabric_peer *peer;
	const struct fabric_op *op;

	for (peer = fabric->peers; peer; peer = peer->next)
		for (op = peer->posted; op; op = op->next)
			if ((uintptr_t)op->data < (uintptr_t)memory + length &&
			    (uintptr_t)memory < (uintptr_t)op->data + op->length)
				return true;
	return false;
}

/* The endpoint is closed, so no piece is under way any more. */
void fabric_pieces_close(struct fabric *fabric)
{
	struct fabric_op *op;

	while ((op = fabric->free_pieces)) {
		fabric->free_pieces = op->next;
		reserve_free(op);
	}
}

uint64_t fabric_read_calls(const struct fabric *fabric)
{
	return fabric->read_calls;
}
