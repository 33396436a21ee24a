/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * take.c - a publication of another host that this host is to take over as its own
 *
 * A request must be sealed with the key that both hosts have, and must name the number that this
 * host chose a moment ago (the challenge): so a recorded request that is played back has no
 * effect. All pages are fetched as for any reader. Then the caches become layers, and the table
 * becomes a publication. Until then nothing outlives this worker: the other host asks again.
 *
 * Worker thread only; allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "../base/log.h"
#include "../../common/say.h"
#include "../store/layers.h"
#include "../peer/served.h"
#include "remote.h"

#define INCOMING_MAX 16
#define ASKED_NS (10 * PEER_SECOND)     /* how long the challenge is valid */
#define OVER_NS (30 * PEER_SECOND)      /* how long the last answer is kept, to be repeated */

/*
 * In peers->incoming_moves. Zeroed before it is freed: order and answer hold handles, and so
 * secrets.
 */
struct incoming_move {
	struct peers *peers;
	uint64_t session;               /* of the other host; unique among those of peers */
	struct peer_move_body order;    /* the last one; only a seal with the common key gets it
	                                   here */
	struct peer_moving_body answer; /* the present state, sent for each order; its challenge
	                                   never changes */
	struct attachment attachment;   /* this host's own; its remote is set while it fetches */
	struct timer timer;             /* frees this; does not run while it fetches */
	struct incoming_move *next;
};

/* Free it after this time. */
static void incoming_keep(struct incoming_move *incoming, uint64_t ns)
{
	loop_timer(incoming->peers->context->loop, &incoming->timer, rm_now_ns() + ns);
}

static void incoming_free(struct incoming_move *incoming)
{
	struct peers *peers = incoming->peers;
	struct incoming_move **link = &peers->incoming_moves;

	while (*link != incoming)
		link = &(*link)->next;
	*link = incoming->next;
	loop_timer_cancel(peers->context->loop, &incoming->timer);
	if (incoming->attachment.remote)
		remote_detach(&incoming->attachment);
	process_counters_unref(incoming->attachment.counters);
	sodium_memzero(incoming, sizeof(*incoming));
	free(incoming);
}

static void incoming_timer_fired(struct timer *timer)
{
	incoming_free(container_of(timer, struct incoming_move, timer));
}

static void incoming_failed(struct incoming_move *incoming, int error, const char *why)
{
	incoming->answer.step = MOVE_FAILED;
	incoming->answer.error = (uint32_t)-error;
	rm_format(incoming->answer.text, sizeof(incoming->answer.text), "%s", why);
	incoming_keep(incoming, OVER_NS);
}

/* The publication is here: answer with its handle. */
static void incoming_done(struct incoming_move *incoming, const struct publication *publication)
{
	struct rm_handle handle = { .layout = rm_layout_here() };

	handle.fabric = *fabric_addr(incoming->peers->fabric);
	memcpy(handle.id, publication->id, RM_ID_BYTES);
	memcpy(handle.secret, publication->secret, RM_SECRET_BYTES);
	memcpy(handle.host, incoming->peers->context->host, RM_ID_BYTES);
	if (rm_handle_encode(&handle, incoming->answer.text, sizeof(incoming->answer.text))) {
		incoming_failed(incoming, -ERANGE, "its address does not fit a handle");
	} else {
		incoming->answer.step = MOVE_DONE;
		incoming_keep(incoming, OVER_NS);
	}
	sodium_memzero(&handle, sizeof(handle));
}

/* ---- making a publication of what was fetched ---- */

/* Make a layer of each cache. 0 or -errno; layers has a reference to each that was made. */
static int incoming_adopt(struct incoming_move *incoming, struct remote *remote,
                          struct stored_layer **layers)
{
	struct layers *all = store_layers(incoming->peers->nets->store);
	const struct rm_table *table = remote_table(remote);
	bool whole;
	int error = 0;

	for (uint32_t i = 0; !error && i < table->layer_count; i++) {
		const uint64_t *visible = remote_visible(remote, i, &whole);

		error = layers_adopt(all, &table->layers[i], remote_layer_fd(remote, i), visible,
		                     whole, &layers[i]);
	}
	return error;
}

/* Publish it as a process would whose layers are all held already. */
static int incoming_publish(struct incoming_move *incoming, struct remote *remote,
                            struct publication **publication, char *why, size_t why_size)
{
	const struct rm_table *table = remote_table(remote);
	struct rm_wire_publish request = {
		.terms = incoming->order.terms,
		.layer_count = table->layer_count, .known_layers = table->layer_count,
		.slot = rm_slot_of(table->root),
	};
	int fd = fcntl(remote_table_fd(remote, &request.table_size), F_DUPFD_CLOEXEC, 3), error;

	if (fd < 0) {
		error = -errno;
		rm_format(why, why_size, "its rmmapd has no descriptors left");
		return error;
	}
	memcpy(request.id, incoming->order.id, RM_ID_BYTES);
	memcpy(request.secret, incoming->order.secret, RM_SECRET_BYTES);
	error = store_add(incoming->peers->nets->store, &request, 0, fd, -1, NULL, publication,
	                  why, why_size);
	sodium_memzero(&request, sizeof(request));
	return error;
}

static void incoming_take_over(struct incoming_move *incoming, struct remote *remote)
{
	uint32_t count = remote_layers(remote);
	struct stored_layer **layers = calloc(count, sizeof(*layers));
	struct publication *publication;
	char why[RM_TEXT_MAX] = "its rmmapd has no memory or descriptors left", id[9];
	int error = layers ? incoming_adopt(incoming, remote, layers) : -ENOMEM;

	if (!error)
		error = incoming_publish(incoming, remote, &publication, why, sizeof(why));
	/*
	 * The publication has references of its own. Until store_add() had taken them, these kept
	 * the layers in the store, where it finds them by their ids.
	 */
	for (uint32_t i = 0; layers && i < count; i++)
		if (layers[i])
			layer_unref(layers[i]);
	free(layers);
	if (error) {
		incoming_failed(incoming, error, why);
		return;
	}
	rm_short_id(publication->id, id);
	log_line("publication %s was taken over from another host", id);
	incoming_done(incoming, publication);
}

/* remote_done: all pages are here, or (error) cannot be had. */
static void incoming_fetched(void *arg, int error, const char *why, struct remote *remote)
{
	struct incoming_move *incoming = arg;

	if (error) {
		incoming_failed(incoming, error, why);
		return;
	}
	/*
	 * The layers have duplicates of the caches' descriptors, so they outlive the remote,
	 * which goes with this detach.
	 */
	incoming_take_over(incoming, remote);
	remote_detach(&incoming->attachment);
}

/* ---- requests ---- */

/* Checked before anything is fetched. The store checks once more when all is here. */
static bool incoming_over_limit(const struct nets *nets, uint64_t bytes)
{
	uint64_t limit = nets->context->options.limit;

	if (!limit || (bytes <= limit && store_bytes(nets->store) <= limit - bytes))
		return false;
	layers_let_go(store_layers(nets->store));
	return bytes > limit || store_bytes(nets->store) > limit - bytes;
}

/* 0 and the handle if the order can be carried out, else -errno and why. */
static int incoming_check(struct incoming_move *incoming, struct rm_handle *handle,
                          const char **why)
{
	struct context *context = incoming->peers->context;

	*why = "the handle of what it is to take makes no sense to it: are the versions of rmmap the "
	       "same?";
	if (rm_handle_decode(incoming->order.handle, handle))
		return -EPROTO;
	*why = "its rmmapd is stopping";
	if (context->draining)
		return -ECONNREFUSED;
	*why = "the publication is there already: that is this very host and run directory";
	if (!memcmp(handle->host, context->host, RM_ID_BYTES))
		return -EINVAL;
	*why = "its rmmapd holds as much as RMMAP_LIMIT allows: unpublish something there, or raise "
	       "the limit";
	return incoming_over_limit(incoming->peers->nets, incoming->order.bytes) ? -ENOSPC : 0;
}

static void incoming_start(struct incoming_move *incoming)
{
	struct context *context = incoming->peers->context;
	struct publication *known = store_find(incoming->peers->nets->store, incoming->order.id);
	struct rm_handle handle;
	const char *why;
	int error;

	if (known && !known->unpublished &&
	    !sodium_memcmp(known->secret, incoming->order.secret, RM_SECRET_BYTES)) {
		incoming_done(incoming, known);         /* an earlier worker has taken it over */
		return;
	}
	error = incoming_check(incoming, &handle, &why);
	if (error) {
		incoming_failed(incoming, error, why);
	} else {
		loop_timer_cancel(context->loop, &incoming->timer);
		incoming->answer.step = MOVE_FETCHING;
		remote_attach(incoming->peers->take_arg, &incoming->attachment, &handle, UINT64_MAX,
		              incoming_fetched, incoming);
	}
	sodium_memzero(&handle, sizeof(handle));
}

static void incoming_undo(struct incoming_move *incoming)
{
	struct publication *publication = store_find(incoming->peers->nets->store,
	                                             incoming->order.id);

	if (incoming->attachment.remote)
		remote_detach(&incoming->attachment);
	if (publication && !publication->unpublished &&
	    !sodium_memcmp(publication->secret, incoming->order.secret, RM_SECRET_BYTES))
		store_unpublish(publication);
	incoming_failed(incoming, -ECANCELED, "the move was given up");
}

/* The one of this session, a new one if there is none. NULL: no room. */
static struct incoming_move *incoming_of(struct peers *peers, uint64_t session)
{
	struct incoming_move *incoming = peers->incoming_moves;
	unsigned count = 0;

	for (; incoming && incoming->session != session; incoming = incoming->next)
		count++;
	if (incoming || count >= INCOMING_MAX)
		return incoming;
	incoming = calloc(1, sizeof(*incoming));
	if (!incoming)
		return NULL;
	incoming->attachment.counters = process_counters_new();
	if (!incoming->attachment.counters) {
		free(incoming);
		return NULL;
	}
	incoming->attachment.pidfd = -1;
	incoming->peers = peers;
	incoming->session = session;
	incoming->timer.fire = incoming_timer_fired;
	incoming->answer.step = MOVE_READY;
	memcpy(incoming->answer.host, peers->context->host, RM_ID_BYTES);
	randombytes_buf(&incoming->answer.challenge, sizeof(incoming->answer.challenge));
	incoming->next = peers->incoming_moves;
	peers->incoming_moves = incoming;
	incoming_keep(incoming, ASKED_NS);
	return incoming;
}

static void incoming_step(struct peers *peers, const struct peer_keys *keys,
                    const struct peer_envelope *envelope, const struct peer_move_body *order)
{
	struct incoming_move *incoming = incoming_of(peers, envelope->head.session);
	uint8_t bytes[PEER_BODY_MAX];

	if (!incoming)
		return;                 /* it will ask again */
	incoming->order = *order;
	if (order->step == MOVE_GO && incoming->answer.step == MOVE_READY &&
	    order->challenge == incoming->answer.challenge)
		incoming_start(incoming);
	/*
	 * Without a challenge: each move has an id of its own, so a request that is played back
	 * undoes what was given up already.
	 */
	else if (order->step == MOVE_UNDO && incoming->answer.error != ECANCELED)
		incoming_undo(incoming);
	if (incoming->attachment.remote)
		incoming->answer.left = remote_absent(incoming->attachment.remote);
	peers->context->active_ns = rm_now_ns();
	served_reply(peers, envelope, PEER_MOVING, keys, bytes,
	           peer_put_moving(&incoming->answer, bytes));
	sodium_memzero(bytes, sizeof(bytes));
}

static void incoming_request(struct peers *peers, const void *message,
                           const struct peer_envelope *envelope)
{
	struct peer_move_body order;
	struct peer_keys keys;
	uint8_t body[FABRIC_MESSAGE_MAX];
	char why[8];
	size_t size = 0;

	if (peer_key(peers->context, &keys, why, sizeof(why)) ||
	    peer_open_request(message, envelope, keys.request, body, &size))
		served_reply_bare(peers, envelope, PEER_DENIED);
	else if (!peer_get_move(body, size, &order))
		incoming_step(peers, &keys, envelope, &order);
	sodium_memzero(&keys, sizeof(keys));
	sodium_memzero(&order, sizeof(order));
	sodium_memzero(body, sizeof(body));
}

static void incoming_free_all(struct peers *peers)
{
	while (peers->incoming_moves)
		incoming_free(peers->incoming_moves);
}

void remotes_take(struct remotes *remotes, struct peers *peers)
{
	peers->take_arg = remotes;
	peers->take = incoming_request;
	peers->take_end = incoming_free_all;
}
