/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helper.c - pages of another host's publication, from a third host that reads it too
 *
 * Long pieces are asked of the helper that the publisher's host named, if it named one;
 * whatever goes wrong with that, they are read from the publisher's host as if there were
 * none. A fault's few pages are not worth the question. Worker thread; allocates not.
 */
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/container.h"

#define PIECE_MIN 64                    /* pages: a shorter one is read sooner than asked for */
#define READ_NS 2000000000ull
#define REFUSALS 8                      /* in a row: it has not got that far, */
#define PAUSE_NS 1000000000ull          /* leave it alone for a while */

static void unlink_piece(struct remote *remote, struct piece *piece)
{
	struct piece **at = &remote->relay.waiting;

	while (*at != piece)
		at = &(*at)->next;
	*at = piece->next;
}

static void give_up(struct remote *remote, const char *why)
{
	char id[9];

	if (remote->relay.bad)
		return;
	remote->relay.bad = true;
	peer_asker_stop(remote->relay.asker);
	rm_short_id(remote->handle.id, id);
	log_line("a helper for publication %s %s: its pages come from "
	         "the publisher's host", id, why);
}

static void granted(struct peer_ask *want, int error, uint64_t base, uint64_t key)
{
	struct piece *piece = container_of(want, struct piece, want);
	struct remote *remote = piece->remote;
	struct relay *relay = &remote->relay;

	remote_hold(remote);
	unlink_piece(remote, piece);
	if (!error) {
		relay->refusals = 0;
		fetch_relayed(piece, peer_asker_peer(relay->asker), base, key,
		              rm_now_ns() + READ_NS);
	} else {
		if (error == -EHOSTUNREACH) {
			give_up(remote, "does not answer");
		} else if (++relay->refusals >= REFUSALS) {
			relay->refusals = 0;
			relay->pause_until = rm_now_ns() + PAUSE_NS;
		}
		fetch_direct(piece);
	}
	remote_unhold(remote);
}

static bool helper_take(struct piece *piece)
{
	struct relay *relay = &piece->remote->relay;

	if (!relay->asker || relay->bad || piece->count < PIECE_MIN ||
	    rm_now_ns() < relay->pause_until)
		return false;
	piece->want = (struct peer_ask){
		.layer = piece->layer,
		.page = piece->page,
		.count = (uint32_t)piece->count,
		.granted = granted,
	};
	piece->next = relay->waiting;
	relay->waiting = piece;
	peer_ask(relay->asker, &piece->want);
	return true;
}

static void helper_over(struct piece *piece, int error)
{
	struct remote *remote = piece->remote;
	struct relay *relay = &remote->relay;

	if (!error)
		relay->bytes += piece->count * RM_PAGE;
	if (relay->asker)
		peer_asked(relay->asker, piece->want.number);
	if (error && error != -ECANCELED && relay->asker)
		give_up(remote, "cannot be read");
}

static void helper_end(struct relay *relay)
{
	if (relay->asker)
		peer_asker_end(relay->asker);
	relay->asker = NULL;
}

/* The publisher's host has named one, or none: the same again stays as it is. */
void relay_begin(struct remote *remote, const struct rm_fabric_addr *helper)
{
	struct relay *relay = &remote->relay;
	struct piece *piece;

	if (!helper || (relay->asker && relay->helper.length == helper->length &&
	                !memcmp(relay->helper.name, helper->name, helper->length)))
		return;
	helper_end(relay);
	relay->helper = *helper;
	relay->bad = false;
	relay->pause_until = 0;
	relay->asker = peer_asker_new(remote->session, helper);
	while ((piece = relay->waiting)) {      /* the earlier one was asked */
		relay->waiting = piece->next;
		fetch_direct(piece);
	}
}

static struct piece *helper_stop(struct remote *remote)
{
	struct piece *waiting = remote->relay.waiting;

	remote->relay.waiting = NULL;
	helper_end(&remote->relay);
	peers_relay_drop(remote->remotes->nets, remote);
	return waiting;
}

const struct piece_source helper_source = {
	.take = helper_take,
	.over = helper_over,
	.stop = helper_stop,
};
