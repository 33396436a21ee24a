/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * send.c - sealing and sending messages to other hosts, and opening theirs
 *
 * A message that could be opened shows that its sender has a key, so its address is told to
 * callers.c.
 *
 * Worker thread only. Does not allocate.
 */
#include <string.h>

#include "../fabric/callers.h"
#include "internal.h"

void peer_send(struct peers *peers, struct fabric_peer *peer, const struct peer_message *message,
               uint64_t patience)
{
	if (message->length)
		fabric_send(peers->fabric, peer, message->bytes, message->length,
		            rm_now_ns() + patience);
}

bool peer_request(struct peers *peers, enum peer_type type, const uint8_t id[RM_ID_BYTES],
                  uint64_t session, uint64_t number, const uint8_t key[PEER_KEY_BYTES],
                  const void *body, size_t size, struct peer_message *out)
{
	const struct rm_fabric_addr *own = fabric_addr(peers->fabric);
	struct peer_head head = {
		.type = type,
		.session = session,
		.number = number,
		.address_length = own->length,
	};

	memcpy(head.id, id, RM_ID_BYTES);
	memcpy(head.address, own->name, own->length);
	out->length = peer_seal(&head, key, body, size, out->bytes);
	return out->length != 0;
}

int peer_open_from(const struct rm_fabric_addr *from, const void *message,
                   const struct peer_envelope *envelope, const uint8_t key[PEER_KEY_BYTES],
                   uint8_t *body, size_t *size)
{
	int error = peer_open(message, envelope, key, body, size);

	if (!error)
		callers_known(from->name, from->length);
	return error;
}

int peer_open_request(const void *message, const struct peer_envelope *envelope,
                      const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size)
{
	int error = peer_open(message, envelope, key, body, size);

	if (!error)
		callers_known(envelope->head.address, envelope->head.address_length);
	return error;
}
