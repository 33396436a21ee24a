/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_take.c - a publication of another host that this host is to have as its own
 *
 * Only who seals the request with the key that both have in common is heard, and only who
 * knows the number that was chosen here a moment ago is obeyed: a recorded request, played
 * back, is none. All of it is fetched as for any reader; then the caches become layers, and
 * the table a publication. Until then nothing outlives this worker: the other host asks again.
 *
 * Worker thread only.
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
#include "../peer/internal.h"
#include "remote.h"

#define TAKINGS_MAX 16
#define ASKED_NS (10 * PEER_SECOND)     /* so long the number holds */
#define OVER_NS (30 * PEER_SECOND)      /* and the answer, for who did not get it */

struct peer_taking {
	struct peers *peers;
	uint64_t session;
	struct peer_move_body order;
	struct peer_moving_body answer;
	struct attachment attachment;   /* of nobody: the reader is this host */
	struct timer timer;             /* its end, unless it fetches */
	struct peer_taking *next;
};

static void keep_for(struct peer_taking *taking, uint64_t ns)
{
	loop_timer(taking->peers->context->loop, &taking->timer, rm_now_ns() + ns);
}

static void taking_free(struct peer_taking *taking)
{
	struct peers *peers = taking->peers;
	struct peer_taking **link = &peers->takings;

	while (*link != taking)
		link = &(*link)->next;
	*link = taking->next;
	loop_timer_cancel(peers->context->loop, &taking->timer);
	if (taking->attachment.remote)
		remote_detach(&taking->attachment);
	process_counters_unref(taking->attachment.counters);
	sodium_memzero(taking, sizeof(*taking));
	free(taking);
}

static void over(struct timer *timer)
{
	taking_free(container_of(timer, struct peer_taking, timer));
}

static void failed(struct peer_taking *taking, int error, const char *why)
{
	taking->answer.step = MOVE_FAILED;
	taking->answer.error = (uint32_t)-error;
	rm_format(taking->answer.text, sizeof(taking->answer.text), "%s", why);
	keep_for(taking, OVER_NS);
}

static void taken(struct peer_taking *taking, const struct publication *publication)
{
	struct rm_handle handle = { .layout = rm_layout_here() };

	handle.fabric = *fabric_addr(taking->peers->fabric);
	memcpy(handle.id, publication->id, RM_ID_BYTES);
	memcpy(handle.secret, publication->secret, RM_SECRET_BYTES);
	memcpy(handle.host, taking->peers->context->host, RM_ID_BYTES);
	if (rm_handle_encode(&handle, taking->answer.text, sizeof(taking->answer.text))) {
		failed(taking, -ERANGE, "its address does not fit a handle");
	} else {
		taking->answer.step = MOVE_DONE;
		keep_for(taking, OVER_NS);
	}
	sodium_memzero(&handle, sizeof(handle));
}

/* ---- what is here, made a publication ---- */

static int adopt(struct peer_taking *taking, struct remote *remote, struct layer **layers)
{
	struct layers *all = store_layers(taking->peers->nets->store);
	const struct rm_table *table = remote_table(remote);
	bool whole;
	int error = 0;

	for (uint32_t i = 0; !error && i < table->layer_count; i++) {
		const uint64_t *shown = remote_shown(remote, i, &whole);

		error = layers_adopt(all, &table->layers[i], remote_layer_fd(remote, i), shown, whole,
		                     &layers[i]);
	}
	return error;
}

/* As a process's publication all of whose layers are known. */
static int publish(struct peer_taking *taking, struct remote *remote,
                   struct publication **publication, char *why, size_t why_size)
{
	const struct rm_table *table = remote_table(remote);
	struct rm_wire_publish request = {
		.terms = taking->order.terms,
		.layer_count = table->layer_count, .known_layers = table->layer_count,
		.slot = rm_slot_of(table->root),
	};
	int fd = fcntl(remote_table_fd(remote, &request.table_size), F_DUPFD_CLOEXEC, 3), error;

	if (fd < 0) {
		error = -errno;
		rm_format(why, why_size, "its rmmapd has no descriptors left");
		return error;
	}
	memcpy(request.id, taking->order.id, RM_ID_BYTES);
	memcpy(request.secret, taking->order.secret, RM_SECRET_BYTES);
	error = store_add(taking->peers->nets->store, &request, 0, fd, -1, NULL, publication,
	                  why, why_size);
	sodium_memzero(&request, sizeof(request));
	return error;
}

static void take_over(struct peer_taking *taking, struct remote *remote)
{
	uint32_t count = remote_layers(remote);
	struct layer **layers = calloc(count, sizeof(*layers));
	struct publication *publication;
	char why[RM_TEXT_MAX] = "its rmmapd has no memory or descriptors left", id[9];
	int error = layers ? adopt(taking, remote, layers) : -ENOMEM;

	if (!error)
		error = publish(taking, remote, &publication, why, sizeof(why));
	for (uint32_t i = 0; layers && i < count; i++)
		if (layers[i])
			layer_unref(layers[i]);
	free(layers);
	if (error) {
		failed(taking, error, why);
		return;
	}
	rm_short_id(publication->id, id);
	log_line("publication %s was taken over from another host", id);
	taken(taking, publication);
}

static void here(void *arg, int error, const char *why, struct remote *remote)
{
	struct peer_taking *taking = arg;

	if (error) {
		failed(taking, error, why);
		return;
	}
	take_over(taking, remote);
	remote_detach(&taking->attachment);
}

/* ---- what is asked ---- */

/* Said before anything is fetched; the store looks once more when it is here. */
static bool too_much(const struct nets *nets, uint64_t bytes)
{
	uint64_t limit = nets->context->options.limit;

	if (!limit || (bytes <= limit && store_bytes(nets->store) <= limit - bytes))
		return false;
	layers_let_go(store_layers(nets->store));
	return bytes > limit || store_bytes(nets->store) > limit - bytes;
}

static int acceptable(struct peer_taking *taking, struct rm_handle *handle, const char **why)
{
	struct context *context = taking->peers->context;

	*why = "the handle of what it is to take makes no sense to it: are the versions of rmmap the "
	       "same?";
	if (rm_handle_decode(taking->order.handle, handle))
		return -EPROTO;
	*why = "its rmmapd is stopping";
	if (context->draining)
		return -ECONNREFUSED;
	*why = "the publication is there already: that is this very host and run directory";
	if (!memcmp(handle->host, context->host, RM_ID_BYTES))
		return -EINVAL;
	*why = "its rmmapd holds as much as RMMAP_LIMIT allows: unpublish something there, or raise "
	       "the limit";
	return too_much(taking->peers->nets, taking->order.bytes) ? -ENOSPC : 0;
}

static void start(struct peer_taking *taking)
{
	struct context *context = taking->peers->context;
	struct publication *known = store_find(taking->peers->nets->store, taking->order.id);
	struct rm_handle handle;
	const char *why;
	int error;

	if (known && !known->unpublished &&
	    !sodium_memcmp(known->secret, taking->order.secret, RM_SECRET_BYTES)) {
		taken(taking, known);   /* by a worker before this one */
		return;
	}
	error = acceptable(taking, &handle, &why);
	if (error) {
		failed(taking, error, why);
	} else {
		loop_timer_cancel(context->loop, &taking->timer);
		taking->answer.step = MOVE_FETCHING;
		remote_attach(taking->peers->take_arg, &taking->attachment, &handle, UINT64_MAX,
		              here, taking);
	}
	sodium_memzero(&handle, sizeof(handle));
}

static void undo(struct peer_taking *taking)
{
	struct publication *publication = store_find(taking->peers->nets->store,
	                                             taking->order.id);

	if (taking->attachment.remote)
		remote_detach(&taking->attachment);
	if (publication && !publication->unpublished &&
	    !sodium_memcmp(publication->secret, taking->order.secret, RM_SECRET_BYTES))
		store_unpublish(publication);
	failed(taking, -ECANCELED, "the move was given up");
}

static struct peer_taking *taking_of(struct peers *peers, uint64_t session)
{
	struct peer_taking *taking = peers->takings;
	unsigned count = 0;

	for (; taking && taking->session != session; taking = taking->next)
		count++;
	if (taking || count >= TAKINGS_MAX)
		return taking;
	taking = calloc(1, sizeof(*taking));
	if (!taking)
		return NULL;
	taking->attachment.counters = process_counters_new();
	if (!taking->attachment.counters) {
		free(taking);
		return NULL;
	}
	taking->attachment.pidfd = -1;
	taking->peers = peers;
	taking->session = session;
	taking->timer.fire = over;
	taking->answer.step = MOVE_READY;
	memcpy(taking->answer.host, peers->context->host, RM_ID_BYTES);
	randombytes_buf(&taking->answer.challenge, sizeof(taking->answer.challenge));
	taking->next = peers->takings;
	peers->takings = taking;
	keep_for(taking, ASKED_NS);
	return taking;
}

static void on_move(struct peers *peers, const struct peer_keys *keys,
                    const struct peer_envelope *envelope, const struct peer_move_body *order)
{
	struct peer_taking *taking = taking_of(peers, envelope->head.session);
	uint8_t bytes[PEER_BODY_MAX];

	if (!taking)
		return;                 /* it will ask again */
	taking->order = *order;
	if (order->step == MOVE_GO && taking->answer.step == MOVE_READY &&
	    order->challenge == taking->answer.challenge)
		start(taking);
	else if (order->step == MOVE_UNDO && taking->answer.error != ECANCELED)
		undo(taking);
	if (taking->attachment.remote)
		taking->answer.left = remote_absent(taking->attachment.remote);
	peers->context->active_ns = rm_now_ns();
	served_reply(peers, envelope, PEER_MOVING, keys, bytes,
	           peer_put_moving(&taking->answer, bytes));
	sodium_memzero(bytes, sizeof(bytes));
}

static void taking_request(struct peers *peers, const void *message,
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
		on_move(peers, &keys, envelope, &order);
	sodium_memzero(&keys, sizeof(keys));
	sodium_memzero(&order, sizeof(order));
	sodium_memzero(body, sizeof(body));
}

static void takings_free(struct peers *peers)
{
	while (peers->takings)
		taking_free(peers->takings);
}

void remotes_take(struct remotes *remotes, struct peers *peers)
{
	peers->take_arg = remotes;
	peers->take = taking_request;
	peers->take_end = takings_free;
}
