/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_table.c - a table that did not fit a message is read from the other host's memory
 *
 * Worker thread only. Allocates a fetch with malloc; the table's memory is a mapping of its own.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "session.h"

#define SLOWEST 10000000u       /* bytes in a second: a slower host counts as gone */

int fetch_deliver(struct peer_session *session, const struct peer_attached_body *body,
                  uint8_t *memory, table_done *done)
{
	size_t blob = peer_inline_size(body->table_size, body->region_count);
	const uint8_t *in = memory + blob - body->region_count * (size_t)PEER_REGION_BYTES;
	struct peer_snapshot snapshot = {
		.table = body->table_size ? memory : NULL,
		.table_size = body->table_size,
		.region_count = body->region_count,
		.data = data_whole(session),
		.data_size = session->data.total,
	};
	struct rm_fabric_addr helper = session->handle.fabric;
	struct peer_region *regions;
	uint32_t i;

	/* The helper has the publisher's provider and protocol, so only its address is sent. */
	if (body->helper_length) {
		helper.length = body->helper_length;
		memset(helper.name, 0, sizeof(helper.name));
		memcpy(helper.name, body->helper, helper.length);
		snapshot.helper = &helper;
	}
	/* One more: for a size of 0 calloc() may return NULL. */
	regions = calloc(body->region_count + (size_t)1, sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	for (i = 0; i < body->region_count; i++, in += PEER_REGION_BYTES) {
		if (peer_get_region(in, &regions[i])) {
			free(regions);
			return -EINVAL;
		}
	}
	snapshot.regions = regions;
	done(session, &snapshot);       /* it may have freed the session */
	free(regions);
	return 0;
}

/* No piece of its read can arrive any more. */
static void fetch_free(struct peer_fetch *fetch)
{
	struct peers *peers = fetch->peers;
	struct peer_fetch **link = &peers->fetches;

	while (*link != fetch)
		link = &(*link)->next;
	*link = fetch->next;
	loop_timer_cancel(peers->context->loop, &fetch->grace_timer);
	fabric_forget(peers->fabric, fetch->memory, fetch->size);
	fabric_peer_put(peers->fabric, fetch->peer);
	munmap(fetch->memory, fetch->size);
	free(fetch);
}

/* The memory of a failed read may still be written, so it stays until that cannot happen. */
static void fetch_linger(struct timer *timer)
{
	struct peer_fetch *fetch = container_of(timer, struct peer_fetch, grace_timer);
	struct peers *peers = fetch->peers;

	if (fabric_busy(peers->fabric, fetch->memory, fetch->size))
		loop_timer(peers->context->loop, timer, rm_now_ns() + PEER_SECOND);
	else
		fetch_free(fetch);
}

/* The read has ended. Its session may have been freed before. */
static void fetch_read_done(struct fabric_read *read, int error)
{
	struct peer_fetch *fetch = container_of(read, struct peer_fetch, read);
	struct peer_session *session = fetch->session;

	assert(!session || session->fetch == fetch);
	fetch->session = NULL;
	if (session)
		session->fetch = NULL;
	/* Bytes that do not open are an earlier worker's memory, or were tampered with. */
	if (session && !error)
		error = peer_blob_open(fetch->memory, fetch->size - PEER_TAG_BYTES,
		                       session->session, session->keys.reply, fetch->body.nonce);
	if (session && !error)
		error = fetch_deliver(session, &fetch->body, fetch->memory, fetch->done);
	if (session && error)
		fetch->done(session, NULL);
	fetch_linger(&fetch->grace_timer);
}

int fetch_start(struct peer_session *session, const struct peer_attached_body *body,
                table_done *done)
{
	struct peers *peers = session->peers;
	struct fabric *fabric = peers->fabric;
	struct peer_fetch *fetch = calloc(1, sizeof(*fetch));
	int error = -ENOMEM;

	assert(!session->fetch);
	if (!fetch)
		return error;
	fetch->size = peer_blob_size(body->table_size, body->region_count) + PEER_TAG_BYTES;
	fetch->memory = mmap(NULL, fetch->size, PROT_READ | PROT_WRITE,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fetch->memory == MAP_FAILED) {
		free(fetch);
		return error;
	}
	/* A use of the peer of its own: the session may end before the read. */
	if (fabric_peer(fabric, &session->handle.fabric, &fetch->peer, NULL, 0)) {
		munmap(fetch->memory, fetch->size);
		free(fetch);
		return error;
	}
	fetch->peers = peers;
	fetch->session = session;
	fetch->body = *body;
	fetch->done = done;
	fetch->grace_timer.fire = fetch_linger;
	fetch->read.peer = fetch->peer;
	fetch->read.to = fetch->memory;
	fetch->read.length = fetch->size;
	fetch->read.from = body->base;
	fetch->read.key = body->key;
	fetch->read.deadline = rm_now_ns() + peers->times.answer +
	                       fetch->size * (PEER_SECOND / SLOWEST);
	fetch->read.done = fetch_read_done;
	fetch->next = peers->fetches;
	peers->fetches = fetch;
	session->fetch = fetch;
	fabric_read(fabric, &fetch->read);
	return 0;
}

void fetch_abandon(struct peer_session *session)
{
	if (session->fetch)
		session->fetch->session = NULL;
	session->fetch = NULL;
}

/* The fabric is about to be closed. The sessions are gone, and reads are cancelled here. */
void fetches_free(struct peers *peers)
{
	while (peers->fetches) {
		struct peer_fetch *fetch = peers->fetches;

		/*
		 * It ends all reads from this peer, and so perhaps frees this fetch and others.
		 */
		fabric_cancel(peers->fabric, fetch->peer);
		if (fetch == peers->fetches)
			fetch_free(fetch);
	}
}
