/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * read.c - reads from other hosts' memory, cut into pieces
 *
 * Each peer has a queue of reads in the order of asking. At most FABRIC_PEER_PIECES pieces of them
 * are under way, so a peer that stops answering delays nobody else. A read that is given up
 * (deadline, cancel) leaves its pieces behind without an owner: the provider cannot take back a
 * posted read. If the peer is just slow they still arrive, with the right bytes, at the place that
 * was named. fabric_busy() says where; nothing else may be put there until then.
 *
 * Worker thread only. Allocates records of pieces; see piece.c.
 */
#include <assert.h>
#include <errno.h>

#include "../../common/channel.h"
#include "internal.h"

/*
 * Move the read from its peer's queue to the finished ones. done() is called from the poller, never
 * from inside fabric_read().
 */
static void read_finish(struct fabric *fabric, struct fabric_read *read, int error)
{
	struct fabric_peer *peer = read->peer;

	assert(!read->outstanding && peer->first);
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

/* Finish the read if nothing of it is under way, and nothing is left to post or it failed. */
static void read_settle(struct fabric *fabric, struct fabric_read *read)
{
	if (!read->outstanding && (read->error || read->posted == read->length))
		read_finish(fabric, read, read->error);
}

/* Finish the read now. Its pieces under way lose their owner. */
static void read_give_up(struct fabric *fabric, struct fabric_read *read, int error)
{
	struct fabric_op *op, **link = &read->peer->again;

	for (op = read->peer->posted; op; op = op->next)
		if (op->read == read)
			op->read = NULL;
	while ((op = *link)) {
		if (op->read == read) {
			*link = op->next;
			fabric_piece_free(fabric, op);
		} else {
			link = &op->next;
		}
	}
	read->outstanding = 0;
	if (!read->peer->stuck_since)
		fabric_peer_stuck(fabric, read->peer);
	read_finish(fabric, read, error);
}

/* The first low-priority read of which no piece was posted. NULL: none. */
static struct fabric_read *peer_first_low(const struct fabric_peer *peer)
{
	struct fabric_read *read = peer->cursor;

	if (read && read->posted)
		read = read->next;
	while (read && !read->low_priority)
		read = read->next;
	return read;
}

void fabric_read(struct fabric *fabric, struct fabric_read *read)
{
	struct fabric_peer *peer = read->peer;
	struct fabric_read *next = read->low_priority ? NULL : peer_first_low(peer);

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
		read_settle(fabric, read);
}

/* Post the next piece of read. 0; -EAGAIN; or why it cannot be posted. */
static int read_post_next(struct fabric *fabric, struct fabric_read *read)
{
	size_t length = read->length - read->posted;
	struct fabric_op *op = fabric_piece_new(fabric);
	int error;

	if (!op)                /* a piece that ends leaves its record */
		return fabric->pieces ? -FI_EAGAIN : -ENOMEM;
	op->peer = read->peer;
	op->read = read;
	op->data = (uint8_t *)read->to + read->posted;
	op->length = length < fabric->piece_size ? length : fabric->piece_size;
	error = fabric_piece_post(fabric, op);
	if (error) {
		fabric_piece_free(fabric, op);
		return error;
	}
	read->posted += op->length;
	read->outstanding++;
	return 0;
}

/* Post the pieces that met the end of a connection, unless their read has failed since. */
static bool peer_post_again(struct fabric *fabric, struct fabric_peer *peer)
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
			error = fabric_piece_post(fabric, op);
		if (!error) {
			any = true;
		} else if (error == -FI_EAGAIN) {
			op->next = peer->again;
			peer->again = op;
			peer->stalled = true;
		} else {
			fabric_piece_free(fabric, op);
			read->error = error;
			assert(read->outstanding > 0);
			read->outstanding--;
			read_settle(fabric, read);
		}
	}
	return any;
}

/* True: it posted something. */
static bool peer_post(struct fabric *fabric, struct fabric_peer *peer)
{
	bool any = peer_post_again(fabric, peer);
	struct fabric_read *read;
	int error;

	while ((read = peer->cursor) && !peer->stalled) {
		if (read->error || read->posted == read->length) {
			peer->cursor = read->next;
			read_settle(fabric, read);
			continue;
		}
		if (peer->pieces >= FABRIC_PEER_PIECES || fabric->pieces >= FABRIC_PIECES)
			break;
		error = fabric_peer_reach(fabric, peer);
		if (!error)
			error = read_post_next(fabric, read);
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
		any |= peer_post(fabric, peer);
	return any;
}

/*
 * ENOTCONN: the connection was gone before the piece was sent, so it is posted again on a new one.
 * If the peer is gone for good, the deadline ends that.
 */
void fabric_piece_done(struct fabric *fabric, struct fabric_op *op, int error)
{
	struct fabric_peer *peer = op->peer;
	struct fabric_read *read = op->read;

	fabric_piece_stop(fabric, peer, op);
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
		assert(read->outstanding > 0);
		read->outstanding--;
		if (!error)
			read->completed += op->length;
		else if (!read->error)
			read->error = error;
		read_settle(fabric, read);
	}
	fabric_piece_free(fabric, op);
	fabric_peer_reap(fabric, peer);
}

/*
 * The read's deadline has passed. It is meant for peers that do not answer, so it is put off in two
 * cases: pieces from the peer still arrive, so the peer is just slow; or we look at the deadline
 * late, because this process had no core or was stopped or its virtual machine was paused, so that
 * completions were not read, or the read was never posted. Each read is put off at most
 * FABRIC_RESPITES times. True: it has a later deadline.
 */
static bool read_put_off(struct fabric_read *read, uint64_t now)
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
			if (now >= read->deadline && !read_put_off(read, now)) {
				/*
				 * A peer this late may be gone: connect anew once that is possible.
				 */
				peer->broken = true;
				read_give_up(fabric, read, read->error ? read->error : -ETIMEDOUT);
			} else if (read->deadline < fabric->next_deadline) {
				fabric->next_deadline = read->deadline;
			}
		}
	}
}

/* done() may start, cancel and drop anything, so one read at a time is taken off the list. */
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

/* Call done() of this peer's reads that have finished, with their own result. */
static void peer_tell_finished(struct fabric *fabric, struct fabric_peer *peer)
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
		link = &fabric->finished;       /* done() may have changed the list */
	}
}

void fabric_cancel(struct fabric *fabric, struct fabric_peer *peer)
{
	peer->users++;                  /* done() may put the peer */
	while (peer->first)
		read_give_up(fabric, peer->first, -ECANCELED);
	peer_tell_finished(fabric, peer);
	peer->users--;
	fabric_peer_reap(fabric, peer);
}
