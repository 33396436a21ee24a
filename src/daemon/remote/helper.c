/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helper.c - pages of another host's publication, from a third host that reads it too
 *
 * If the publisher's host named a helper, long pieces are asked of it. Whatever goes wrong with
 * the helper, the piece is read from the publisher's host instead. A fault's few pages are not
 * worth the question. Worker thread only; does not allocate, but for fanout_ask_new().
 */
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "internal.h"
#include "../base/container.h"

#define PIECE_MIN 64                    /* pages: reading fewer is quicker than asking for them */
#define READ_NS 2000000000ull           /* one read of a helper's memory */
#define REFUSALS 8                      /* in a row: the helper lacks these pages, so */
#define PAUSE_NS 1000000000ull          /* it is not asked for this long */

static void helper_unlink(struct remote *remote, struct piece *piece)
{
	struct piece **at = &remote->helper.waiting;

	while (*at != piece)
		at = &(*at)->next;
	*at = piece->next;
}

/* Do not ask this helper any more. */
static void helper_give_up(struct remote *remote, const char *why)
{
	char id[9];

	if (remote->helper.bad)
		return;
	remote->helper.bad = true;
	fanout_ask_stop(remote->helper.asker);
	rm_short_id(remote->handle.id, id);
	log_line("a helper for publication %s %s: its pages come from "
	         "the publisher's host", id, why);
}

/* The helper's answer: where the piece is in its memory, or that it does not have it. */
static void helper_granted(struct fanout_want *want, int error, uint64_t base, uint64_t key)
{
	struct piece *piece = container_of(want, struct piece, want);
	struct remote *remote = piece->remote;
	struct helper *helper = &remote->helper;

	remote_hold(remote);
	/* First, since what follows may settle the piece and so free it. */
	helper_unlink(remote, piece);
	if (!error) {
		helper->refusals = 0;
		fetch_from_helper(piece, fanout_ask_peer(helper->asker), base, key,
		                  rm_now_ns() + READ_NS);
	} else {
		if (error == -EHOSTUNREACH) {
			helper_give_up(remote, "does not answer");
		} else if (++helper->refusals >= REFUSALS) {
			helper->refusals = 0;
			helper->pause_until = rm_now_ns() + PAUSE_NS;
		}
		fetch_direct(piece);
	}
	remote_unhold(remote);
}

static bool helper_take(struct piece *piece)
{
	struct helper *helper = &piece->remote->helper;

	if (!helper->asker || helper->bad || piece->count < PIECE_MIN ||
	    rm_now_ns() < helper->pause_until)
		return false;
	piece->turn = helper->turn;
	piece->want = (struct fanout_want){
		.layer = piece->layer,
		.page = piece->page,
		.count = (uint32_t)piece->count,
		.granted = helper_granted,
	};
	piece->next = helper->waiting;
	helper->waiting = piece;
	fanout_ask_for(helper->asker, &piece->want);
	return true;
}

static void helper_over(struct piece *piece, int error)
{
	struct remote *remote = piece->remote;
	struct helper *helper = &remote->helper;
	bool mine = helper->asker && piece->turn == helper->turn;

	if (!error)
		helper->bytes += piece->count * RM_PAGE;
	if (mine)
		fanout_ask_done(helper->asker, piece->want.number);
	if (mine && error && error != -ECANCELED)
		helper_give_up(remote, "cannot be read");
}

static void helper_end(struct helper *helper)
{
	if (helper->asker)
		fanout_ask_end(helper->asker);
	helper->asker = NULL;
}

void helper_begin(struct remote *remote, const struct rm_fabric_addr *address)
{
	struct helper *helper = &remote->helper;
	struct piece *piece;

	if (!address || (helper->asker && helper->address.length == address->length &&
	                 !memcmp(helper->address.name, address->name, address->length)))
		return;
	helper_end(helper);
	helper->address = *address;
	helper->bad = false;
	helper->pause_until = 0;
	helper->turn++;
	helper->asker = fanout_ask_new(remote->session, address);
	while ((piece = helper->waiting)) {  /* for the earlier helper, which is gone */
		helper->waiting = piece->next;
		fetch_direct(piece);
	}
}

static struct piece *helper_stop(struct remote *remote)
{
	struct piece *waiting = remote->helper.waiting;

	remote->helper.waiting = NULL;
	helper_end(&remote->helper);
	fanout_give_drop(remote->remotes->nets, remote);
	return waiting;
}

const struct piece_source helper_source = {
	.take = helper_take,
	.over = helper_over,
	.stop = helper_stop,
};
