/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_move.c - the bodies of PEER_MOVE and PEER_MOVING: numbers, then a text without its NUL
 *
 * Pure: no globals, no allocation.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"
#include "wire_words.h"

/* Copy a text that ends the body. It is shown on terminals: printable ASCII characters only. */
static int text_get(const uint8_t *body, size_t size, char text[RM_HANDLE_TEXT_MAX])
{
	if (size >= RM_HANDLE_TEXT_MAX)
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		if (body[i] < ' ' || body[i] > '~')
			return -EINVAL;
	memcpy(text, body, size);
	return 0;
}

/*
 * PEER_MOVE
 *    0  step u32, terms (RM_TERMS_BYTES, see terms.h)
 *    .  challenge u64, bytes u64
 *    .  id (16), secret (32)
 *    .  the handle, only in MOVE_GO
 */
#define MOVE_NUMBERS (4 + RM_TERMS_BYTES)       /* where the 64-bit numbers begin */
#define MOVE_FIXED (MOVE_NUMBERS + 16 + RM_ID_BYTES + RM_SECRET_BYTES)

size_t peer_put_move(const struct peer_move_body *in, uint8_t *out)
{
	size_t length = strnlen(in->handle, sizeof(in->handle) - 1);

	put32(out, in->step);
	rm_terms_put(in->terms, out + 4);
	put64(out + MOVE_NUMBERS, in->challenge);
	put64(out + MOVE_NUMBERS + 8, in->bytes);
	memcpy(out + MOVE_NUMBERS + 16, in->id, RM_ID_BYTES);
	memcpy(out + MOVE_NUMBERS + 16 + RM_ID_BYTES, in->secret, RM_SECRET_BYTES);
	memcpy(out + MOVE_FIXED, in->handle, length);
	return MOVE_FIXED + length;
}

int peer_get_move(const uint8_t *body, size_t size, struct peer_move_body *out)
{
	memset(out, 0, sizeof(*out));
	if (size < MOVE_FIXED || get32(body) < MOVE_ASK || get32(body) > MOVE_UNDO)
		return -EINVAL;
	out->step = (enum peer_step)get32(body);
	out->terms = rm_terms_get(body + 4);
	out->challenge = get64(body + MOVE_NUMBERS);
	out->bytes = get64(body + MOVE_NUMBERS + 8);
	memcpy(out->id, body + MOVE_NUMBERS + 16, RM_ID_BYTES);
	memcpy(out->secret, body + MOVE_NUMBERS + 16 + RM_ID_BYTES, RM_SECRET_BYTES);
	return text_get(body + MOVE_FIXED, size - MOVE_FIXED, out->handle);
}

/*
 * PEER_MOVING
 *    0  step u32, errno u32
 *    8  challenge u64, pages left u64
 *   24  host (16)
 *    .  the handle or the reason
 */
#define MOVING_FIXED (8 + 16 + RM_ID_BYTES)

size_t peer_put_moving(const struct peer_moving_body *in, uint8_t *out)
{
	size_t length = strnlen(in->text, sizeof(in->text) - 1);

	put32(out, in->step);
	put32(out + 4, in->error);
	put64(out + 8, in->challenge);
	put64(out + 16, in->left);
	memcpy(out + 24, in->host, RM_ID_BYTES);
	memcpy(out + MOVING_FIXED, in->text, length);
	return MOVING_FIXED + length;
}

int peer_get_moving(const uint8_t *body, size_t size, struct peer_moving_body *out)
{
	memset(out, 0, sizeof(*out));
	if (size < MOVING_FIXED || get32(body) < MOVE_READY || get32(body) > MOVE_FAILED)
		return -EINVAL;
	out->step = (enum peer_step)get32(body);
	out->error = get32(body + 4);
	if ((out->step == MOVE_FAILED) != (out->error != 0) || out->error > 4095)
		return -EINVAL;
	out->challenge = get64(body + 8);
	out->left = get64(body + 16);
	memcpy(out->host, body + 24, RM_ID_BYTES);
	return text_get(body + MOVING_FIXED, size - MOVING_FIXED, out->text);
}
