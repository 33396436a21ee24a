/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message.c - messages: posted receives, and a bounded pool of sends
 *
 * A send is in fabric->free_sends, in fabric->queue (waiting to be posted), or posted. Messages
 * have no reports: whoever sends one repeats it until it is answered.
 *
 * Worker thread only. All buffers are one mapping, made when the fabric is opened; nothing is
 * allocated after that.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../../common/channel.h"
#include "internal.h"

#define SLAB_SIZE ((size_t)(FABRIC_RECEIVES + FABRIC_SENDS) * FABRIC_MESSAGE_MAX)

static void receive_post(struct fabric *fabric, struct fabric_op *op)
{
	op->posted = !fi_recv(fabric->ep, op->data, FABRIC_MESSAGE_MAX, fabric->slab_region.desc,
	                      FI_ADDR_UNSPEC, &op->context);
	if (!op->posted)
		fabric->unposted_receives++;
}

/* Receives that the provider did not take are offered again. */
static void receives_repost(struct fabric *fabric)
{
	unsigned i;

	if (!fabric->unposted_receives)
		return;
	fabric->unposted_receives = 0;
	for (i = 0; i < fabric->receive_count; i++)
		if (!fabric->receives[i].posted)
			receive_post(fabric, &fabric->receives[i]);
}

int fabric_messages_open(struct fabric *fabric)
{
	uint8_t *at;
	int error;
	unsigned i;

	fabric->queue_end = &fabric->queue;
	at = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	fabric->slab = at;
	if (fabric->info->domain_attr->mr_mode & FI_MR_LOCAL) {
		error = fabric_mr_open(fabric, at, SLAB_SIZE, FI_SEND | FI_RECV,
		                       &fabric->slab_region);
		if (error)
			return error;
	}
	/* No more than the provider takes: the rest would be offered again and again. */
	fabric->receive_count = FABRIC_RECEIVES;
	if (fabric->info->rx_attr->size && fabric->info->rx_attr->size < FABRIC_RECEIVES)
		fabric->receive_count = (unsigned)fabric->info->rx_attr->size;
	for (i = 0; i < fabric->receive_count; i++, at += FABRIC_MESSAGE_MAX) {
		fabric->receives[i].kind = FABRIC_RECEIVE;
		fabric->receives[i].data = at;
		receive_post(fabric, &fabric->receives[i]);
	}
	for (i = 0; i < FABRIC_SENDS; i++, at += FABRIC_MESSAGE_MAX) {
		fabric->sends[i].kind = FABRIC_SEND;
		fabric->sends[i].data = at;
		fabric->sends[i].next = fabric->free_sends;
		fabric->free_sends = &fabric->sends[i];
	}
	return 0;
}

/* The endpoint is closed, so nothing is under way any more. */
void fabric_messages_close(struct fabric *fabric)
{
	fabric_unregister(fabric, &fabric->slab_region);
	if (fabric->slab)
		munmap(fabric->slab, SLAB_SIZE);
}

/* The send has ended, or was dropped. This may free its peer. */
static void send_free(struct fabric *fabric, struct fabric_op *op)
{
	struct fabric_peer *peer = op->peer;

	assert(peer->sends > 0 && fabric->sending > 0 && peer->posted_sends <= peer->sends);
	if (op->posted) {
		assert(peer->posted_sends > 0);
		peer->posted_sends--;
	}
	op->posted = false;
	op->peer = NULL;
	op->next = fabric->free_sends;
	fabric->free_sends = op;
	peer->sends--;
	fabric->sending--;
	fabric_peer_reap(fabric, peer);
}

bool fabric_room(const struct fabric *fabric, const struct fabric_peer *peer, unsigned messages)
{
	return fabric->sending + messages <= FABRIC_SENDS - FABRIC_SENDS_LEFT &&
	       peer->sends + messages <= FABRIC_PEER_SENDS;
}

int fabric_send(struct fabric *fabric, struct fabric_peer *peer, const void *data, size_t length,
                uint64_t deadline)
{
	struct fabric_op *op = fabric->free_sends;

	if (!length || length > FABRIC_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!op || peer->sends >= FABRIC_PEER_SENDS)
		return -EAGAIN;
	assert(!op->peer && fabric->sending < FABRIC_SENDS);
	fabric->free_sends = op->next;
	memcpy(op->data, data, length);
	op->length = length;
	op->deadline = deadline;
	op->peer = peer;
	op->posted = false;
	op->next = NULL;
	peer->sends++;
	fabric->sending++;
	fabric->asked = true;
	*fabric->queue_end = op;
	fabric->queue_end = &op->next;
	return 0;
}

/*
 * Post what the provider takes now. It returns EAGAIN while a connection is being made, and perhaps
 * for ever if the peer is gone: so each message has a deadline.
 */
bool fabric_messages_post(struct fabric *fabric, uint64_t now)
{
	struct fabric_op *op, **link = &fabric->queue;
	bool any = false;
	ssize_t error;

	receives_repost(fabric);
	while ((op = *link)) {
		error = -FI_EAGAIN;
		if (now >= op->deadline)
			error = -FI_ETIMEDOUT;
		else if (!op->peer->stalled)
			error = fabric_peer_reach(fabric, op->peer);
		if (!error)
			error = fabric_soon(fi_send(fabric->ep, op->data, op->length,
			                            fabric->slab_region.desc,
			                            op->peer->address, &op->context));
		if (error == -FI_EAGAIN) {
			op->peer->stalled = true;
			link = &op->next;
			continue;
		}
		*link = op->next;
		if (!op->next)
			fabric->queue_end = link;
		if (error) {
			send_free(fabric, op);
		} else {
			op->posted = true;
			op->peer->posted_sends++;
			any = true;
		}
	}
	return any;
}

void fabric_message_done(struct fabric *fabric, struct fabric_op *op, size_t length, int error)
{
	if (op->kind == FABRIC_SEND) {
		if (error)
			op->peer->broken = true;
		send_free(fabric, op);
		return;
	}
	op->posted = false;
	/* The handler may send. The buffer is not posted again before it returns. */
	if (!error && length)
		fabric->events.message(fabric->events.arg, op->data, length);
	receive_post(fabric, op);
}
