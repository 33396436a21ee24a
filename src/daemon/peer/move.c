/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - hands a publication of this host to another host
 *
 * The other host fetches it like any reader and makes a publication of its own from it. This host
 * chooses id and secret of the copy: so a request may be repeated, also to a worker that was
 * replaced in between, and no copy is made twice. The original stays; the rmmap command ends it
 * after it has the new handle. A move that fails is undone on the other host.
 *
 * Worker thread only. Allocates a move with malloc.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/say.h"
#include "session.h"

#define STUCK_NS (60 * PEER_SECOND)     /* it answers, but no page came for this long */

/* A move under way. In peers->moves. */
struct peer_move {
	struct peers *peers;
	struct fabric_peer *peer;
	struct rm_fabric_addr addr;
	struct peer_keys keys;
	struct peer_move_body body;
	uint8_t publication[RM_ID_BYTES];       /* id of the original, which may end meanwhile */
	uint8_t host[RM_ID_BYTES];      /* the host that takes it; set when MOVE_GO is sent */
	bool credit;                    /* that host may attach once without being counted */
	uint64_t session;               /* random */
	uint64_t number;                /* of the last request; it only grows */
	uint64_t answered, progressed;  /* ns: the last answer; the last page that came */
	uint64_t left;                  /* pages, as the other host said last */
	struct timer timer;             /* the next repetition */
	struct peer_probe probe;        /* runs until the first answer */
	peer_moved *done;               /* NULL: it is being undone */
	void *arg;
	struct peer_move *next;
};

/* done() is not called. */
static void move_free(struct peer_move *move)
{
	struct peers *peers = move->peers;
	struct peer_move **link = &peers->moves;

	while (*link != move)
		link = &(*link)->next;
	*link = move->next;
	probe_stop(&move->probe);
	loop_timer_cancel(peers->context->loop, &move->timer);
	fabric_peer_put(peers->fabric, move->peer);
	sodium_memzero(move, sizeof(*move));
	free(move);
}

/* Send the current request, with a new number, and repeat it later. */
static void move_send(struct peer_move *move)
{
	struct peers *peers = move->peers;
	struct peer_message message;
	uint8_t bytes[PEER_BODY_MAX];

	if (peer_request(peers, PEER_MOVE, move->publication, move->session, ++move->number,
	                 move->keys.request, bytes, peer_put_move(&move->body, bytes), &message))
		peer_send(peers, move->peer, &message, peers->times.retry);
	sodium_memzero(bytes, sizeof(bytes));
	loop_timer(peers->context->loop, &move->timer, rm_now_ns() + peers->times.retry);
}

/*
 * Tell the other host to undo it, until it answers or for some seconds. If it was never told to go,
 * it has nothing to undo.
 */
static void move_undo(struct peer_move *move)
{
	bool gone = move->body.step != MOVE_GO;

	move->done = NULL;
	if (gone) {
		move_free(move);
		return;
	}
	move->body.step = MOVE_UNDO;
	sodium_memzero(move->body.handle, sizeof(move->body.handle));
	move->answered = rm_now_ns();
	move_send(move);
}

/* Call done(), once. The move may be gone after this. */
static void move_end(struct peer_move *move, int error, const char *text)
{
	peer_moved *done = move->done;
	void *arg = move->arg;

	if (error)
		move_undo(move);
	else
		move_free(move);
	done(arg, error, text);
}

/* End the move with an error text that begins with the other host's address. */
static void move_fail(struct peer_move *move, int error, const char *what)
{
	char host[80], why[RM_TEXT_MAX];

	fabric_addr_text(&move->addr, host, sizeof(host));
	rm_format(why, sizeof(why), "%s %s", host, what);
	move_end(move, error, why);
}

/* Repeat the request, or give up. */
static void move_tick(struct timer *timer)
{
	struct peer_move *move = container_of(timer, struct peer_move, timer);
	uint64_t now = rm_now_ns();
	bool silent = now - move->answered >= move->peers->times.answer;

	if (!move->done && silent)
		move_free(move);
	else if (silent)
		move_fail(move, -EHOSTUNREACH, "does not answer: does rmmapd listen there (rmmap "
		          "info), with a move.key in its run directory?");
	else if (move->body.step == MOVE_GO && now - move->progressed >= STUCK_NS)
		move_fail(move, -ETIMEDOUT, "could not fetch a page for a minute");
	else
		move_send(move);
}

static void move_nobody_listens(struct peer_probe *probe)
{
	struct peer_move *move = container_of(probe, struct peer_move, probe);

	if (move->done && move->body.step == MOVE_ASK)
		move_fail(move, -EHOSTUNREACH, "does not answer: it refuses the connection, so no "
		          "rmmapd listens there; one that has a move.key in its run directory does "
		          "(rmmap info)");
}

int peer_move(struct peers *peers, struct publication *publication, const struct peer_order *order,
              peer_moved *done, void *arg, struct peer_move **out, char *why, size_t why_size)
{
	struct peer_move *move = calloc(1, sizeof(*move));
	int error;

	rm_format(why, why_size, "rmmapd has no memory");
	if (!move)
		return -ENOMEM;
	error = peer_key(peers->context, &move->keys, why, why_size);
	if (!error)
		error = fabric_addr_of(peers->fabric, order->host, order->port, &move->addr,
		                       why, why_size);
	if (!error)
		error = fabric_peer(peers->fabric, &move->addr, &move->peer, why, why_size);
	if (error) {
		sodium_memzero(move, sizeof(*move));
		free(move);
		return error;
	}
	move->peers = peers;
	memcpy(move->publication, publication->id, RM_ID_BYTES);
	memcpy(move->body.id, order->id, RM_ID_BYTES);
	memcpy(move->body.secret, order->secret, RM_SECRET_BYTES);
	move->body.step = MOVE_ASK;
	move->body.terms = rm_terms_left(publication->terms, publication->admitted);
	move->body.bytes = publication->data_bytes + publication->table.size;
	move->done = done;
	move->arg = arg;
	randombytes_buf(&move->session, sizeof(move->session));
	move->number = rm_now_ns();
	move->answered = rm_now_ns();
	move->timer.fire = move_tick;
	move->next = peers->moves;
	peers->moves = move;
	move_send(move);
	probe_start(&move->probe, peers, move->peer, move_nobody_listens);
	*out = move;
	return 0;
}

void peer_move_cancel(struct peer_move *move)
{
	move_undo(move);
}

/* ---- admitting the other host ---- */

bool move_admits(struct nets *nets, const struct publication *publication,
                 const uint8_t host[RM_ID_BYTES])
{
	for (struct peers *peers = nets->first; peers; peers = peers->next)
		for (struct peer_move *move = peers->moves; move; move = move->next)
			if (move->credit &&
			    !memcmp(move->publication, publication->id, RM_ID_BYTES) &&
			    !memcmp(move->host, host, RM_ID_BYTES)) {
				move->credit = false;
				return true;
			}
	return false;
}

/* ---- answers ---- */

/* The original's handle, for the other host. It is sent sealed with the key of move.key. */
static int move_write_handle(struct peer_move *move, const struct publication *publication)
{
	struct rm_handle handle = { .layout = rm_layout_here() };
	int error;

	handle.fabric = *fabric_addr(move->peers->fabric);
	memcpy(handle.id, publication->id, RM_ID_BYTES);
	memcpy(handle.secret, publication->secret, RM_SECRET_BYTES);
	memcpy(handle.host, move->peers->context->host, RM_ID_BYTES);
	error = rm_handle_encode(&handle, move->body.handle, sizeof(move->body.handle));
	sodium_memzero(&handle, sizeof(handle));
	return error;
}

/* The other host is ready: let it fetch. The copy gets the readers that are left. */
static void move_go(struct peer_move *move, const struct peer_moving_body *answer)
{
	struct publication *publication = store_find(move->peers->nets->store,
	                                             move->publication);

	if (!publication || publication->unpublished) {
		move_end(move, -ENOENT,
		         "the publication was unpublished, or has expired, meanwhile");
		return;
	}
	if (rm_terms_used_up(publication->terms, publication->admitted)) {
		move_end(move, -ENOENT, "all readers of the publication have been admitted: nobody "
		         "could attach it over there");
		return;
	}
	move->body.terms = rm_terms_left(publication->terms, publication->admitted);
	if (move_write_handle(move, publication)) {
		move_end(move, -ERANGE, "the fabric's address does not fit a handle: name another "
		         "provider in RMMAP_FABRIC");
		return;
	}
	memcpy(move->host, answer->host, RM_ID_BYTES);
	move->body.step = MOVE_GO;
	move->body.challenge = answer->challenge;
	move->credit = true;
	move->progressed = rm_now_ns();
	move_send(move);
}

/* Is text a handle of the copy that was asked for? */
static bool move_handle_matches(const struct peer_move *move, const char *text)
{
	struct rm_handle handle;
	bool same = !rm_handle_decode(text, &handle) &&
	            !memcmp(handle.id, move->body.id, RM_ID_BYTES) &&
	            !sodium_memcmp(handle.secret, move->body.secret, RM_SECRET_BYTES);

	sodium_memzero(&handle, sizeof(handle));
	return same;
}

/* An answer was opened. The move may be gone after this. */
static void move_answered(struct peer_move *move, const struct peer_moving_body *answer)
{
	char why[RM_TEXT_MAX], host[80];

	move->answered = rm_now_ns();
	probe_stop(&move->probe);
	if (!move->done) {
		if (answer->step == MOVE_FAILED)
			move_free(move);
		return;
	}
	switch (answer->step) {
	case MOVE_READY:
		if (move->body.step == MOVE_ASK || answer->challenge != move->body.challenge)
			move_go(move, answer);
		break;
	case MOVE_FETCHING:
		if (answer->left != move->left)
			move->progressed = rm_now_ns();
		move->left = answer->left;
		break;
	case MOVE_DONE:
		if (move_handle_matches(move, answer->text))
			move_end(move, 0, answer->text);
		else
			move_fail(move, -EPROTO, "answers what makes no sense: are the versions of "
			          "rmmap the same?");
		break;
	default:
		fabric_addr_text(&move->addr, host, sizeof(host));
		rm_format(why, sizeof(why), "%s: %s", host, answer->text);
		move_end(move, -(int)answer->error, why);
	}
}

void move_answer(struct peers *peers, const void *message, const struct peer_envelope *envelope)
{
	struct peer_move *move = peers->moves;
	struct peer_moving_body answer;
	uint8_t body[FABRIC_MESSAGE_MAX];
	size_t size = 0;

	while (move && (move->session != envelope->head.session ||
	                envelope->head.number > move->number))
		move = move->next;
	if (!move)
		return;
	if (envelope->head.type == PEER_DENIED) {
		if (move->done)
			move_fail(move, -EACCES, "takes no publications from this host: it needs "
			          "the same move.key in its run directory");
		else
			move_free(move);
	} else if (!peer_open_from(&move->addr, message, envelope, move->keys.reply, body,
	                           &size) &&
	           !peer_get_moving(body, size, &answer)) {
		move_answered(move, &answer);
		sodium_memzero(&answer, sizeof(answer));
	}
	sodium_memzero(body, sizeof(body));
}

void moves_free(struct peers *peers)
{
	while (peers->moves)
		move_free(peers->moves);
}
