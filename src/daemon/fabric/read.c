/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_rma.c - reads from other hosts' memory, cut into pieces
 *
 * Each peer has a queue of reads in the order of asking; at most FABRIC_PEER_PIECES pieces
 * of them are under way, so a peer that stops answering holds up nobody else. A read that
 * is given up (deadline, cancel) leaves its pieces behind without an owner: the provider
 * cannot take a posted read back, and while the peer is merely slow they may still arrive,
 * with the bytes that were asked for, in the place that was named. fabric_busy() tells
 * where; nothing else may come to stand there until then.
 *
 * Worker thread only. Allocates the record of a piece; with one it gets by, see reserve.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/channel.h"
#include "internal.h"
#include "../base/reserve.h"

static struct fabric_op *new_piece(struct fabric *fabric)
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

static void free_piece(struct fabric *fabric, struct fabric_op *op)
{
	if (reserve_has(op)) {
		reserve_free(op);
		return;
	}
	op->next = fabric->free_pieces;
	fabric->free_pieces = op;
}

/* Under way: in the peer's list of posted pieces. */
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

static void piece_stop(struct fabric *fabric, struct fabric_peer *peer, struct fabric_op *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		peer->posted = op->next;
	if (op->next)
		op->next->prev = op->prev;
	peer->pieces--;
	fabric->pieces--;
}

/* Off its peer's queue; done() is called from the poller, never from inside a caller's call. */
static void finish(struct fabric *fabric, struct fabric_read *read, int error)
{
	struct fabric_peer *peer = read->peer;

	if (peer->cursor == read)
		peer->cursor = read->next;
	if (read->prev)
		read->prev->next = read->next;
	else
		peer->first = read->next;
	if (read->next)
		read->next->prev = read->prev;
	else
		peer->last = read->prev;
	read->error = error;
	read->prev = NULL;
	read->next = NULL;
	*fabric->finished_end = read;
	fabric->finished_end = &read->next;
}

/* Nothing of it is under way: finished, if nothing is left to post or it failed. */
static void settle(struct fabric *fabric, struct fabric_read *read)
{
	if (!read->outstanding && (read->error || read->posted == read->length))
		finish(fabric, read, read->error);
}

/* Its pieces under way lose their owner. */
static void give_up(struct fabric *fabric, struct fabric_read *read, int error)
{
	struct fabric_op *op, **link = &read->peer->again;

	for (op = read->peer->posted; op; op = op->next)
		if (op->read == read)
			op->read = NULL;
	while ((op = *link)) {
		if (op->read == read) {
			*link = op->next;
			free_piece(fabric, op);
		} else {
			link = &op->next;
		}
	}
	read->outstanding = 0;
	if (!read->peer->stuck_since)
		fabric_peer_stuck(fabric, read->peer);
	finish(fabric, read, error);
}

/* The first that may wait, of those that were not begun: a read that may not goes before it. */
static struct fabric_read *first_later(const struct fabric_peer *peer)
{
	struct fabric_read *read = peer->cursor;

	if (read && read->posted)
		read = read->next;
	while (read && !read->later)
		read = read->next;
	return read;
}

void fabric_read(struct fabric *fabric, struct fabric_read *read)
{
	struct fabric_peer *peer = read->peer;
	struct fabric_read *next = read->later ? NULL : first_later(peer);

	read->posted = read->completed = 0;
	read->outstanding = 0;
	read->respites = 0;
	read->asked = rm_now_ns();
	read->error = 0;
	fabric->asked = true;
	read->next = next;
	read->prev = next ? next->prev : peer->last;
	if (read->prev)
		read->prev->next = read;
	else
		peer->first = read;
	if (next)
		next->prev = read;
	else
		peer->last = read;
	if (!peer->cursor || peer->cursor == next)
		peer->cursor = read;
	if (read->deadline < fabric->next_deadline)
		fabric->next_deadline = read->deadline;
	if (!read->length)
		settle(fabric, read);
}

static int post_piece(struct fabric *fabric, struct fabric_op *op)
{
	struct fabric_read *read = op->read;
	size_t offset = (size_t)((uint8_t *)op->data - (uint8_t *)read->to);
	ssize_t error;
	void *desc;

	error = fabric_local_get(fabric, op, read->around, read->around_length, &desc);
	/* The limit of locked memory: those under way make room when they end. */
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

/* Post the next piece of read. 0, -EAGAIN, or why it cannot be done. */
static int post_next(struct fabric *fabric, struct fabric_read *read)
{
	size_t length = read->length - read->posted;
	struct fabric_op *op = new_piece(fabric);
	int error;

	if (!op)                /* when one ends there is one more */
		return fabric->pieces ? -FI_EAGAIN : -ENOMEM;
	op->peer = read->peer;
	op->read = read;
	op->data = (uint8_t *)read->to + read->posted;
	op->length = length < fabric->piece_size ? length : fabric->piece_size;
	error = post_piece(fabric, op);
	if (error) {
		free_piece(fabric, op);
		return error;
	}
	read->posted += op->length;
	read->outstanding++;
	return 0;
}

/* Pieces that were caught in a connection's end, unless their read failed since. */
static bool post_again(struct fabric *fabric, struct fabric_peer *peer)
{
	struct fabric_read *read;
	struct fabric_op *op;
	bool any = false;
	int error;

	while ((op = peer->again) && !peer->stalled) {
		read = op->read;
		peer->again = op->next;
		error = read->error ? read->error : fabric_peer_reach(fabric, peer);
		if (!error)
			error = post_piece(fabric, op);
		if (!error) {
			any = true;
		} else if (error == -FI_EAGAIN) {
			op->next = peer->again;
			peer->again = op;
			peer->stalled = true;
		} else {
			free_piece(fabric, op);
			read->error = error;
			read->outstanding--;
			settle(fabric, read);
		}
	}
	return any;
}

static bool post_peer(struct fabric *fabric, struct fabric_peer *peer)
{
	bool any = post_again(fabric, peer);
	struct fabric_read *read;
	int error;

	while ((read = peer->cursor) && !peer->stalled) {
		if (read->error || read->posted == read->length) {
			peer->cursor = read->next;
			settle(fabric, read);
			continue;
		}
		if (peer->pieces >= FABRIC_PEER_PIECES || fabric->pieces >= FABRIC_PIECES)
			break;
		error = fabric_peer_reach(fabric, peer);
		if (!error)
			error = post_next(fabric, read);
		if (error == -FI_EAGAIN)
			peer->stalled = true;
		else if (error)
			read->error = error;
		else
			any = true;
	}
	return any;
}

bool fabric_reads_post(struct fabric *fabric)
{
	struct fabric_peer *peer;
	bool any = false;

	for (peer = fabric->peers; peer; peer = peer->next)
		any |= post_peer(fabric, peer);
	return any;
}

/*
 * ENOTCONN: the connection was gone before the piece left; a new one is made on the next
 * try, and a peer that is gone for good is the deadline's matter.
 */
void fabric_piece_done(struct fabric *fabric, struct fabric_op *op, int error)
{
	struct fabric_peer *peer = op->peer;
	struct fabric_read *read = op->read;

	piece_stop(fabric, peer, op);
	fabric_local_put(fabric, op);
	if (peer->stuck_since)
		fabric_peer_stuck(fabric, peer);
	if (error)
		peer->broken = true;
	else
		peer->moved = rm_now_ns();
	if (error == -FI_ENOTCONN && read && !read->error) {
		op->next = peer->again;
		peer->again = op;
		peer->stalled = true;
		return;
	}
	if (read) {
		read->outstanding--;
		if (!error)
			read->completed += op->length;
		else if (!read->error)
			read->error = error;
		settle(fabric, read);
	}
	free_piece(fabric, op);
	fabric_peer_reap(fabric, peer);
}

/*
 * A deadline is for a peer that does not answer. One that is merely slow, on a crowded machine
 * say, still sends what was asked of it; and where it is us who were away (no core, a stopped
 * process, a virtual machine that was paused) what it sent was not looked at, or the read was
 * never posted. Both only so often. True: there is a later deadline.
 */
static bool put_off(struct fabric_read *read, uint64_t now)
{
	uint64_t until = 0;

	if (read->error || read->respites == FABRIC_RESPITES)
		return false;
	if (read->peer->moved > read->asked)
		until = read->peer->moved + FABRIC_MOVED_NS;
	if (now - read->deadline > FABRIC_LATE_NS && until < now + FABRIC_GRACE_NS)
		until = now + FABRIC_GRACE_NS;
	if (until <= now)
		return false;
	read->respites++;
	read->deadline = until;
	return true;
}

void fabric_reads_expire(struct fabric *fabric, uint64_t now)
{
	struct fabric_peer *peer;
	struct fabric_read *read, *next;

	if (now < fabric->next_deadline)
		return;
	fabric->next_deadline = UINT64_MAX;
	for (peer = fabric->peers; peer; peer = peer->next) {
		for (read = peer->first; read; read = next) {
			next = read->next;
			if (now >= read->deadline && !put_off(read, now)) {
				/* A peer this late may be gone: connect anew once that is possible. */
				peer->broken = true;
				give_up(fabric, read, read->error ? read->error : -ETIMEDOUT);
			} else if (read->deadline < fabric->next_deadline) {
				fabric->next_deadline = read->deadline;
			}
		}
	}
}

/* done() may start, cancel and drop anything: take one at a time off the list. */
bool fabric_reads_finish(struct fabric *fabric)
{
	struct fabric_read *read;
	bool any = false;

	while ((read = fabric->finished)) {
		fabric->finished = read->next;
		if (!fabric->finished)
			fabric->finished_end = &fabric->finished;
		read->next = NULL;
		any = true;
		read->done(read, read->error);
	}
	return any;
}

/* Those of this peer that finished but were not told yet: with their own result. */
static void tell_finished(struct fabric *fabric, struct fabric_peer *peer)
{
	struct fabric_read *read, **link = &fabric->finished;

	while ((read = *link)) {
		if (read->peer != peer) {
			link = &read->next;
			continue;
		}
		*link = read->next;
		if (!*link)
			fabric->finished_end = link;
		read->next = NULL;
		read->done(read, read->error);
		link = &fabric->finished;       /* done() may have changed it */
	}
}

void fabric_cancel(struct fabric *fabric, struct fabric_peer *peer)
{
	peer->users++;                  /* done() may put it */
	while (peer->first)
		give_up(fabric, peer->first, -ECANCELED);
	tell_finished(fabric, peer);
	peer->users--;
	fabric_peer_reap(fabric, peer);
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

/* The endpoint is closed: no piece is under way any more. */
void fabric_reads_close(struct fabric *fabric)
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
