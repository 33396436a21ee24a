/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_peer.c - messages between hosts
 *
 * The first byte says what the rest is: a message as it comes from the fabric, or a body
 * as it lies there once opened, which no change to a sealed message would ever reach.
 */
#include "fuzz.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../src/daemon/peer/wire.h"

enum { MESSAGE, ATTACH, ATTACHED, REFUSED, RENEW, ADMIT, REGION, MOVE, MOVING, PAGES,
       GRANTED, DATA, KINDS };

static const uint8_t secret[RM_SECRET_BYTES] = "a secret that everybody knows";

static void try_message(const uint8_t *data, size_t size)
{
	struct peer_envelope envelope;
	struct peer_keys keys;
	uint8_t body[FABRIC_MESSAGE_MAX];
	size_t opened = 0;
	int result = peer_parse(data, size, &envelope);

	MUST(result == 0 || result == -EINVAL || result == -EPROTO);
	if (result)
		return;
	MUST(envelope.head_size <= size && envelope.head.address_length <= RM_FABRIC_NAME_MAX);
	MUST(peer_type_sealed(envelope.head.type) == (envelope.cipher != NULL));
	if (!envelope.cipher)
		return;
	MUST(envelope.cipher + envelope.cipher_size == data + size);
	peer_keys_derive(secret, &keys);
	if (!peer_open(data, &envelope, keys.request, body, &opened))
		MUST(opened + PEER_TAG_BYTES == envelope.cipher_size);
}

static void try_attached(const uint8_t *data, size_t size)
{
	struct peer_attached_body body;
	size_t blob;

	if (peer_get_attached(data, size, &body))
		return;
	blob = peer_inline_size(body.table_size, body.region_count);
	MUST(blob >= body.table_size && blob && (body.table_size || body.is_inline));
	if (body.is_inline)
		MUST(body.data >= data && body.data + blob == data + size);
}

static void try_refused(const uint8_t *data, size_t size)
{
	struct peer_refused_body body;

	if (peer_get_refused(data, size, &body))
		return;
	MUST(body.error && strlen(body.text) < PEER_TEXT_MAX);
}

static void try_region(const uint8_t *data, size_t size)
{
	struct peer_region region;
	uint8_t back[PEER_REGION_BYTES];

	if (size != PEER_REGION_BYTES || peer_get_region(data, &region))
		return;
	MUST(region.length && region.offset + region.length <= RM_LAYER_MAX);
	MUST(region.base + region.length >= region.base);
	peer_put_region(&region, back);
	MUST(!memcmp(data, back, sizeof(back)));
}

static void try_data(const uint8_t *data, size_t size)
{
	static uint8_t pages[PEER_DATA_MAX];
	struct peer_data_body body;

	if (peer_get_data(data, size, &body))
		return;
	MUST(body.total <= sizeof(pages) && body.count && body.count <= PEER_PARTS_MAX);
	peer_take_data(&body, pages);
}

static void try_move(const uint8_t *data, size_t size)
{
	struct peer_move_body body;
	uint8_t back[PEER_BODY_MAX];

	if (peer_get_move(data, size, &body))
		return;
	MUST(memchr(body.handle, 0, sizeof(body.handle)));
	MUST(peer_put_move(&body, back) == size && !memcmp(data, back, size));
}

static void try_moving(const uint8_t *data, size_t size)
{
	struct peer_moving_body body;
	uint8_t back[PEER_BODY_MAX];

	if (peer_get_moving(data, size, &body))
		return;
	MUST(memchr(body.text, 0, sizeof(body.text)));
	MUST(peer_put_moving(&body, back) == size && !memcmp(data, back, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t back[PEER_BODY_MAX];
	struct peer_attach_body attach;
	struct peer_renew_body renew;
	struct peer_admit_body admit;
	struct peer_pages_body want;
	struct peer_granted_body granted;

	if (!size)
		return 0;
	size--;
	switch (*data++ % KINDS) {
	case MESSAGE:
		try_message(data, size);
		break;
	case ATTACH:
		if (!peer_get_attach(data, size, &attach)) {
			MUST(attach.want_count <= PEER_WANTS_MAX);
			MUST(peer_put_attach(&attach, back) == size && !memcmp(back, data, size));
		}
		break;
	case ATTACHED:
		try_attached(data, size);
		break;
	case REFUSED:
		try_refused(data, size);
		break;
	case RENEW:
		peer_get_renew(data, size, &renew);
		break;
	case ADMIT:
		if (!peer_get_admit(data, size, &admit))
			MUST(admit.count && admit.count <= PEER_ADMIT_MAX);
		break;
	case REGION:
		try_region(data, size);
		break;
	case MOVE:
		try_move(data, size);
		break;
	case MOVING:
		try_moving(data, size);
		break;
	case PAGES:
		if (!peer_get_pages(data, size, &want))
			MUST(want.count <= PEER_PAGES_MAX && want.done_count <= PEER_DONE_MAX);
		break;
	case GRANTED:
		peer_get_granted(data, size, &granted);
		break;
	case DATA:
		try_data(data, size);
		break;
	}
	return 0;
}

static size_t seed_message(unsigned type, uint8_t *data)
{
	struct peer_head head = {
		.type = (enum peer_type)type,
		.id = "an id",
		.session = 77,
		.number = 88,
		.address_length = peer_type_request((enum peer_type)type) ? 16 : 0,
	};
	uint8_t message[FABRIC_MESSAGE_MAX];
	struct peer_keys keys;
	size_t size;

	peer_keys_derive(secret, &keys);
	size = peer_seal(&head, keys.request, "a body", 6, message);
	memcpy(data, message, size);
	return size;
}

static size_t seed_body(unsigned kind, uint8_t *data)
{
	struct peer_attach_body attach = { .again = true, .small = true, .want_count = 2,
	                                   .wants = { { 3, 4 } } };
	struct peer_refused_body refused = { ENOENT, "gone" };
	struct peer_attached_body attached = { .table_size = 100, .region_count = 2,
	                                       .helper_length = 16 };
	struct peer_pages_body want = { .layer = 1, .count = 4, .done_count = 2 };
	struct peer_granted_body granted = { .here = true, .base = 4096, .key = 9 };
	struct peer_renew_body renew = { .have_table = true };
	struct peer_admit_body admit = { .count = PEER_ADMIT_MAX };
	struct peer_move_body move = { .step = MOVE_GO, .terms.readers = 3, .handle = "rmmap1:x" };
	struct peer_moving_body moving = { .step = MOVE_FAILED, .error = ENOSPC, .text = "full" };
	struct peer_region region = { .layer = 1, .offset = 8192, .length = 4096, .base = 99 };
	uint8_t blob[200] = { 0 }, pages[4096] = { 7, [100] = 8, [4095] = 9 };
	uint32_t at = 0;
	size_t size;

	switch (kind) {
	case ATTACH:
		return peer_put_attach(&attach, data);
	case ATTACHED:
		attached.is_inline = true;
		attached.data = blob;
		return peer_put_attached(&attached, data);
	case REFUSED:
		return peer_put_refused(&refused, data);
	case RENEW:
		return peer_put_renew(&renew, data);
	case ADMIT:
		return peer_put_admit(&admit, data);
	case MOVE:
		return peer_put_move(&move, data);
	case MOVING:
		return peer_put_moving(&moving, data);
	case REGION:
		peer_put_region(&region, data);
		return PEER_REGION_BYTES;
	case PAGES:
		return peer_put_pages(&want, data);
	case GRANTED:
		return peer_put_granted(&granted, data);
	case DATA:
		size = peer_put_data(pages, sizeof(pages), &at, data);
		peer_number_data(data, 1, 2);
		return size;
	default:                /* a table to be read */
		return peer_put_attached(&attached, data);
	}
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	if (sodium_init() < 0)
		return 0;
	if (n < PEER_TYPES) {
		data[0] = MESSAGE;
		return 1 + seed_message(n + 1, data + 1);
	}
	n = n - PEER_TYPES + 1;
	if (n > KINDS)
		return 0;
	data[0] = (uint8_t)(n == KINDS ? ATTACHED : n);
	return 1 + seed_body(n, data + 1);
}
