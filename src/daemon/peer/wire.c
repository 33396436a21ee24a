/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - encoding, sealing and opening of messages between hosts
 *
 * Pure: no globals, no allocation. Bytes from outside are read only by peer_parse(), peer_open()
 * and the peer_get functions, which check all lengths.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "wire.h"
#include "wire_words.h"

bool peer_type_sealed(enum peer_type type)
{
	return type != PEER_GONE && type != PEER_DENIED;
}

bool peer_type_request(enum peer_type type)
{
	return type <= PEER_PAGES || type == PEER_MOVE;
}

void peer_keys_derive(const uint8_t secret[RM_SECRET_BYTES], struct peer_keys *keys)
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "rmmap peer";
	static const uint8_t request[] = "request", reply[] = "reply";

	crypto_generichash_blake2b_salt_personal(keys->request, PEER_KEY_BYTES, request,
	                                         sizeof(request), secret, RM_SECRET_BYTES, NULL,
	                                         personal);
	crypto_generichash_blake2b_salt_personal(keys->reply, PEER_KEY_BYTES, reply, sizeof(reply),
	                                         secret, RM_SECRET_BYTES, NULL, personal);
}

/* ---- envelope ---- */

/* The bytes before the nonce; see wire.h. */
static size_t head_put(const struct peer_head *head, uint8_t *out)
{
	memset(out, 0, PEER_HEAD_BYTES);
	put32(out, PEER_MAGIC);
	out[4] = PEER_VERSION;
	out[5] = (uint8_t)head->type;
	memcpy(out + 8, head->id, RM_ID_BYTES);
	put64(out + 24, head->session);
	put64(out + 32, head->number);
	out[40] = head->address_length;
	memcpy(out + PEER_HEAD_BYTES, head->address, head->address_length);
	return PEER_HEAD_BYTES + (size_t)head->address_length;
}

size_t peer_seal(const struct peer_head *head, const uint8_t key[PEER_KEY_BYTES],
                 const void *body, size_t body_size, uint8_t message[FABRIC_MESSAGE_MAX])
{
	size_t size = head_put(head, message);
	uint8_t *nonce = message + size;

	if (!peer_type_sealed(head->type))
		return size;
	if (body_size > FABRIC_MESSAGE_MAX - size - PEER_NONCE_BYTES - PEER_TAG_BYTES)
		return 0;
	randombytes_buf(nonce, PEER_NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + PEER_NONCE_BYTES, NULL, body, body_size,
	                                           message, size, NULL, nonce, key);
	return size + PEER_NONCE_BYTES + body_size + PEER_TAG_BYTES;
}

int peer_parse(const void *message, size_t length, struct peer_envelope *out)
{
	const uint8_t *in = message;
	struct peer_head *head = &out->head;
	size_t left;

	memset(out, 0, sizeof(*out));
	if (length < PEER_HEAD_BYTES || length > FABRIC_MESSAGE_MAX || get32(in) != PEER_MAGIC)
		return -EINVAL;
	out->version = in[4];
	if (out->version == PEER_VERSION &&
	    (in[5] < PEER_ATTACH || in[5] > PEER_TYPES || in[6] || in[7]))
		return -EINVAL;
	head->type = (enum peer_type)in[5];
	memcpy(head->id, in + 8, RM_ID_BYTES);
	head->session = get64(in + 24);
	head->number = get64(in + 32);
	head->address_length = in[40];
	left = length - PEER_HEAD_BYTES;
	if (head->address_length > RM_FABRIC_NAME_MAX || head->address_length > left)
		return -EINVAL;
	memcpy(head->address, in + PEER_HEAD_BYTES, head->address_length);
	if (out->version != PEER_VERSION)
		return -EPROTO;
	if (peer_type_request(head->type) != (head->address_length > 0))
		return -EINVAL;
	left -= head->address_length;
	out->head_size = length - left;
	if (!peer_type_sealed(head->type))
		return left ? -EINVAL : 0;
	if (left < PEER_NONCE_BYTES + PEER_TAG_BYTES)
		return -EINVAL;
	out->nonce = in + out->head_size;
	out->cipher = out->nonce + PEER_NONCE_BYTES;
	out->cipher_size = left - PEER_NONCE_BYTES;
	return 0;
}

int peer_open(const void *message, const struct peer_envelope *envelope,
              const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size)
{
	unsigned long long opened = 0;

	if (!envelope->cipher ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(body, &opened, NULL, envelope->cipher,
	                                               envelope->cipher_size, message,
	                                               envelope->head_size, envelope->nonce, key))
		return -EBADMSG;
	*size = (size_t)opened;
	return 0;
}

/* ---- bodies ---- */

/*
 * PEER_ATTACH
 *    0  the reader's host (16)
 *   16  flags u8: 1 again, 2 whole, 4 small
 *    .  wants: first u32, count u32 of each; the message's length says how many
 */
#define ATTACH_FIXED (RM_ID_BYTES + 1)

size_t peer_put_attach(const struct peer_attach_body *in, uint8_t *out)
{
	unsigned i;

	memcpy(out, in->host, RM_ID_BYTES);
	out[RM_ID_BYTES] = (uint8_t)(in->again | in->whole << 1 | in->small << 2);
	for (i = 0; i < in->want_count; i++) {
		put32(out + ATTACH_FIXED + i * 8, in->wants[i].first);
		put32(out + ATTACH_FIXED + i * 8 + 4, in->wants[i].count);
	}
	return ATTACH_FIXED + i * (size_t)8;
}

int peer_get_attach(const uint8_t *body, size_t size, struct peer_attach_body *out)
{
	unsigned i;

	if (size < ATTACH_FIXED || (size - ATTACH_FIXED) % 8 ||
	    (size - ATTACH_FIXED) / 8 > PEER_WANTS_MAX || body[RM_ID_BYTES] > 7)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	memcpy(out->host, body, RM_ID_BYTES);
	out->again = body[RM_ID_BYTES] & 1;
	out->whole = body[RM_ID_BYTES] & 2;
	out->small = body[RM_ID_BYTES] & 4;
	out->want_count = (unsigned)((size - ATTACH_FIXED) / 8);
	for (i = 0; i < out->want_count; i++) {
		out->wants[i].first = get32(body + ATTACH_FIXED + i * 8);
		out->wants[i].count = get32(body + ATTACH_FIXED + i * 8 + 4);
		if (out->wants[i].first >= PEER_REGIONS_MAX ||
		    out->wants[i].count > PEER_REGIONS_MAX - out->wants[i].first)
			return -EINVAL;
	}
	return 0;
}

/*
 * PEER_ATTACHED
 *    0  size of the table u64, number of regions u32
 *   12  is_inline u8, length of the helper's address u8, reserved (2, 0)
 *    .  the helper's address
 *    .  inline: table and regions; else base u64, key u64 and nonce (24) of the sealed block
 */
#define ATTACHED_FIXED 16
#define ATTACHED_REMOTE (16 + PEER_NONCE_BYTES)

size_t peer_put_attached(const struct peer_attached_body *in, uint8_t *out)
{
	size_t size = peer_inline_size(in->table_size, in->region_count);
	size_t fixed = ATTACHED_FIXED + (size_t)in->helper_length;

	put64(out, in->table_size);
	put32(out + 8, in->region_count);
	put32(out + 12, (uint32_t)in->is_inline | (uint32_t)in->helper_length << 8);
	memcpy(out + ATTACHED_FIXED, in->helper, in->helper_length);
	out += fixed;
	if (in->is_inline) {
		memcpy(out, in->data, size);
		return fixed + size;
	}
	put64(out, in->base);
	put64(out + 8, in->key);
	memcpy(out + 16, in->nonce, PEER_NONCE_BYTES);
	return fixed + ATTACHED_REMOTE;
}

int peer_get_attached(const uint8_t *body, size_t size, struct peer_attached_body *out)
{
	size_t blob;

	memset(out, 0, sizeof(*out));
	if (size < ATTACHED_FIXED)
		return -EINVAL;
	out->table_size = get64(body);
	out->region_count = get32(body + 8);
	out->is_inline = body[12] == 1;
	out->helper_length = body[13];
	blob = peer_inline_size(out->table_size, out->region_count);
	if (!blob || body[12] > 1 || body[14] || body[15] || (!out->table_size && !out->is_inline))
		return -EINVAL;
	body += ATTACHED_FIXED;
	size -= ATTACHED_FIXED;
	if (out->helper_length > RM_FABRIC_NAME_MAX || out->helper_length > size)
		return -EINVAL;
	memcpy(out->helper, body, out->helper_length);
	body += out->helper_length;
	size -= out->helper_length;
	if (out->is_inline) {
		out->data = body;
		return size == blob ? 0 : -EINVAL;
	}
	if (size != ATTACHED_REMOTE)
		return -EINVAL;
	out->base = get64(body);
	out->key = get64(body + 8);
	memcpy(out->nonce, body + 16, PEER_NONCE_BYTES);
	return 0;
}

/* PEER_REFUSED: errno u32, and a text without its NUL. */
size_t peer_put_refused(const struct peer_refused_body *in, uint8_t *out)
{
	size_t length = strnlen(in->text, PEER_TEXT_MAX - 1);

	put32(out, in->error);
	memcpy(out + 4, in->text, length);
	return 4 + length;
}

int peer_get_refused(const uint8_t *body, size_t size, struct peer_refused_body *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	if (size < 4 || size - 4 >= PEER_TEXT_MAX)
		return -EINVAL;
	out->error = get32(body);
	if (!out->error || out->error > 4095)
		return -EINVAL;
	/* The text is shown on terminals, so it may have printable ASCII characters only. */
	for (i = 4; i < size; i++)
		if (body[i] < ' ' || body[i] > '~')
			return -EINVAL;
	memcpy(out->text, body + 4, size - 4);
	return 0;
}

/* PEER_RENEW: flags u8: 1 have_table, 2 complete. */
size_t peer_put_renew(const struct peer_renew_body *in, uint8_t *out)
{
	out[0] = (uint8_t)(in->have_table | in->complete << 1);
	return 1;
}

int peer_get_renew(const uint8_t *body, size_t size, struct peer_renew_body *out)
{
	if (size != 1 || body[0] > 3)
		return -EINVAL;
	out->have_table = body[0] & 1;
	out->complete = body[0] >> 1;
	return 0;
}

/* PEER_ADMIT and PEER_ADMITTED: count u32. */
size_t peer_put_admit(const struct peer_admit_body *in, uint8_t *out)
{
	put32(out, in->count);
	return 4;
}

int peer_get_admit(const uint8_t *body, size_t size, struct peer_admit_body *out)
{
	if (size != 4 || !get32(body) || get32(body) > PEER_ADMIT_MAX)
		return -EINVAL;
	out->count = get32(body);
	return 0;
}

/* ---- table and regions ---- */

/*
 * One block: the table, zeros up to a multiple of 8, and the regions. A region has 40 bytes: layer
 * u32, keyless u32, offset, length, base and key u64.
 */
size_t peer_blob_size(uint64_t table_size, uint32_t region_count)
{
	if (!table_size || table_size > PEER_TABLE_MAX || region_count > PEER_REGIONS_MAX)
		return 0;
	return (size_t)((table_size + 7) & ~(uint64_t)7) + region_count * (size_t)PEER_REGION_BYTES;
}

size_t peer_inline_size(uint64_t table_size, uint32_t region_count)
{
	if (table_size || region_count > PEER_REGIONS_MAX)
		return peer_blob_size(table_size, region_count);
	return region_count * (size_t)PEER_REGION_BYTES;
}

void peer_put_region(const struct peer_region *in, uint8_t out[PEER_REGION_BYTES])
{
	put32(out, in->layer);
	put32(out + 4, in->keyless);
	put64(out + 8, in->offset);
	put64(out + 16, in->length);
	put64(out + 24, in->base);
	put64(out + 32, in->key);
}

int peer_get_region(const uint8_t in[PEER_REGION_BYTES], struct peer_region *out)
{
	out->layer = get32(in);
	out->keyless = get32(in + 4) == 1;
	out->offset = get64(in + 8);
	out->length = get64(in + 16);
	out->base = get64(in + 24);
	out->key = get64(in + 32);
	if (get32(in + 4) > 1 || (out->keyless && (out->base || out->key)))
		return -EINVAL;
	if (!out->length || (out->offset | out->length) % RM_PAGE ||
	    out->offset > RM_LAYER_MAX || out->length > RM_LAYER_MAX - out->offset ||
	    out->base > UINT64_MAX - out->length)
		return -EINVAL;
	return 0;
}

void peer_blob_seal(uint8_t *memory, size_t size, uint64_t session,
                    const uint8_t key[PEER_KEY_BYTES], const uint8_t nonce[PEER_NONCE_BYTES])
{
	uint8_t head[8];

	put64(head, session);
	crypto_aead_xchacha20poly1305_ietf_encrypt(memory, NULL, memory, size, head, sizeof(head),
	                                           NULL, nonce, key);
}

int peer_blob_open(uint8_t *memory, size_t size, uint64_t session,
                   const uint8_t key[PEER_KEY_BYTES], const uint8_t nonce[PEER_NONCE_BYTES])
{
	uint8_t head[8];

	put64(head, session);
	return crypto_aead_xchacha20poly1305_ietf_decrypt(memory, NULL, NULL, memory,
	                                                  size + PEER_TAG_BYTES, head,
	                                                  sizeof(head), nonce, key)
	       ? -EBADMSG : 0;
}
