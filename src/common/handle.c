/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.c - a handle's record, its checksum and its text
 *
 * A record has exactly one text, and a text one record: padding, unused bits and
 * spare bytes are refused, so that damage to a text never goes unnoticed. Records
 * are wiped from the stack, since they contain the secret.
 *
 * The record, little endian: version u8; window base u64, slots u32, page
 * shift u8, slot shift u8, big endian u8, pointer bytes u8; id 16; secret 32;
 * host 16; provider length u8 and bytes; protocol, its version, libfabric's
 * version, address format u32 each; address length u8 and bytes; CRC-32C u32.
 */
#include "handle.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define RECORD_VERSION 1
#define RECORD_MAX (1 + 16 + 2 * RM_ID_BYTES + RM_SECRET_BYTES + 1 + RM_PROVIDER_MAX - 1 + 16 + \
                    1 + RM_FABRIC_NAME_MAX + 4)
#define PREFIX_LENGTH (sizeof(RM_HANDLE_PREFIX) - 1)

_Static_assert(PREFIX_LENGTH + (RECORD_MAX * 8 + 5) / 6 + 1 <= RM_HANDLE_TEXT_MAX,
               "the longest record fits RM_HANDLE_TEXT_MAX");

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- the record ---- */

struct writer {
	uint8_t *at;
};

static void writer_bytes(struct writer *w, const void *data, size_t length)
{
	memcpy(w->at, data, length);
	w->at += length;
}

static void writer_number(struct writer *w, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*w->at++ = (uint8_t)(value >> 8 * i);
}

struct reader {
	const uint8_t *at, *end;
	bool cut;                       /* more was asked for than the record has */
};

static void reader_bytes(struct reader *r, void *data, size_t length)
{
	if ((size_t)(r->end - r->at) < length) {
		r->cut = true;
		r->at = r->end;
		return;
	}
	memcpy(data, r->at, length);
	r->at += length;
}

static uint64_t reader_number(struct reader *r, unsigned bytes)
{
	uint8_t raw[8] = { 0 };
	uint64_t value = 0;

	reader_bytes(r, raw, bytes);
	while (bytes--)
		value = value << 8 | raw[bytes];
	return value;
}

static uint32_t record_checksum(const uint8_t *record, size_t length)
{
	return rm_crc32c(rm_crc32c(0, RM_HANDLE_PREFIX, PREFIX_LENGTH), record, length);
}

/* The provider's name is printed in messages: it may have no byte that a terminal obeys. */
static bool provider_printable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

static size_t write_record(const struct rm_handle *h, uint8_t record[RECORD_MAX])
{
	struct writer w = { record };
	size_t provider = strlen(h->fabric.provider);

	writer_number(&w, RECORD_VERSION, 1);
	writer_number(&w, h->layout.window_base, 8);
	writer_number(&w, h->layout.window_slots, 4);
	writer_number(&w, h->layout.page_shift, 1);
	writer_number(&w, h->layout.slot_shift, 1);
	writer_number(&w, h->layout.big_endian, 1);
	writer_number(&w, h->layout.pointer_bytes, 1);
	writer_bytes(&w, h->id, sizeof(h->id));
	writer_bytes(&w, h->secret, sizeof(h->secret));
	writer_bytes(&w, h->host, sizeof(h->host));
	writer_number(&w, provider, 1);
	writer_bytes(&w, h->fabric.provider, provider);
	writer_number(&w, h->fabric.protocol, 4);
	writer_number(&w, h->fabric.protocol_version, 4);
	writer_number(&w, h->fabric.fi_version, 4);
	writer_number(&w, h->fabric.addr_format, 4);
	writer_number(&w, h->fabric.length, 1);
	writer_bytes(&w, h->fabric.name, h->fabric.length);
	writer_number(&w, record_checksum(record, (size_t)(w.at - record)), 4);
	return (size_t)(w.at - record);
}

static void read_layout(struct reader *r, struct rm_layout *layout)
{
	layout->window_base = reader_number(r, 8);
	layout->window_slots = (uint32_t)reader_number(r, 4);
	layout->page_shift = (uint8_t)reader_number(r, 1);
	layout->slot_shift = (uint8_t)reader_number(r, 1);
	layout->big_endian = (uint8_t)reader_number(r, 1);
	layout->pointer_bytes = (uint8_t)reader_number(r, 1);
}

static bool read_fabric(struct reader *r, struct rm_fabric_addr *fabric)
{
	size_t provider = reader_number(r, 1);

	if (provider >= RM_PROVIDER_MAX)
		return false;
	reader_bytes(r, fabric->provider, provider);
	fabric->provider[provider] = 0;
	fabric->protocol = (uint32_t)reader_number(r, 4);
	fabric->protocol_version = (uint32_t)reader_number(r, 4);
	fabric->fi_version = (uint32_t)reader_number(r, 4);
	fabric->addr_format = (uint32_t)reader_number(r, 4);
	fabric->length = (uint8_t)reader_number(r, 1);
	if (fabric->length > RM_FABRIC_NAME_MAX)
		return false;
	reader_bytes(r, fabric->name, fabric->length);
	return provider_printable(fabric->provider, provider);
}

static int read_record(const uint8_t *record, size_t length, struct rm_handle *out)
{
	const struct rm_layout here = rm_layout_here();
	struct reader r = { .at = record, .end = record + length }, sum;
	struct rm_handle h;

	if (length < 5)
		return -EINVAL;
	r.end -= 4;
	sum = (struct reader) { .at = r.end, .end = r.end + 4 };
	if (record_checksum(record, length - 4) != reader_number(&sum, 4))
		return -EINVAL;
	if (reader_number(&r, 1) != RECORD_VERSION)
		return -EPROTO;
	memset(&h, 0, sizeof(h));
	read_layout(&r, &h.layout);
	reader_bytes(&r, h.id, sizeof(h.id));
	reader_bytes(&r, h.secret, sizeof(h.secret));
	reader_bytes(&r, h.host, sizeof(h.host));
	if (!read_fabric(&r, &h.fabric) || r.cut || r.at != r.end)
		return -EINVAL;
	*out = h;
	return rm_layout_same(&h.layout, &here) ? 0 : -EPROTO;
}

/* ---- the text ---- */

static void base64_encode(const uint8_t *data, size_t length, char *text)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | data[i];
		for (have += 8; have >= 6; have -= 6)
			*text++ = alphabet[bits >> (have - 6) & 63];
	}
	if (have)
		*text++ = alphabet[bits << (6 - have) & 63];
	*text = 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* Every character of text is in the alphabet. Bytes, or -EINVAL. */
static int base64_decode(const char *text, size_t length, uint8_t data[RECORD_MAX])
{
	uint32_t bits = 0;
	unsigned have = 0;
	int n = 0;

	if (length % 4 == 1 || length * 6 / 8 > RECORD_MAX)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		bits = bits << 6 | (uint32_t)base64_value(text[i]);
		have += 6;
		if (have >= 8) {
			have -= 8;
			data[n++] = (uint8_t)(bits >> have);
		}
	}
	return bits & ((1u << have) - 1) ? -EINVAL : n;
}

/* The number of base64url characters at text if only white space follows them, else 0. */
static size_t token_length(const char *text)
{
	size_t length = 0;

	while (length < RM_HANDLE_TEXT_MAX && base64_value(text[length]) >= 0)
		length++;
	if (length == RM_HANDLE_TEXT_MAX)
		return 0;
	text += length;
	return text[strspn(text, " \t\n\v\f\r")] ? 0 : length;
}

/* True if text is "rmmapN:" and a token, where N is any number. */
static bool another_version(const char *text)
{
	size_t digits;

	if (strncmp(text, "rmmap", 5) != 0)
		return false;
	text += 5;
	digits = strspn(text, "0123456789");
	if (digits < 1 || digits > 4 || text[digits] != ':')
		return false;
	return token_length(text + digits + 1) != 0;
}

int rm_handle_encode(const struct rm_handle *handle, char *text, size_t size)
{
	const struct rm_fabric_addr *fabric = &handle->fabric;
	size_t provider = strnlen(fabric->provider, RM_PROVIDER_MAX);
	uint8_t record[RECORD_MAX];
	size_t length;
	int error = 0;

	if (provider == RM_PROVIDER_MAX || !provider_printable(fabric->provider, provider) ||
	    fabric->length > RM_FABRIC_NAME_MAX)
		return -EINVAL;
	length = write_record(handle, record);
	if (size < PREFIX_LENGTH + (length * 8 + 5) / 6 + 1) {
		error = -ERANGE;
	} else {
		memcpy(text, RM_HANDLE_PREFIX, PREFIX_LENGTH);
		base64_encode(record, length, text + PREFIX_LENGTH);
	}
	explicit_bzero(record, sizeof(record));
	return error;
}

int rm_handle_decode(const char *text, struct rm_handle *out)
{
	uint8_t record[RECORD_MAX];
	size_t length;
	int result;

	memset(out, 0, sizeof(*out));
	if (!text)
		return -EINVAL;
	if (strncmp(text, RM_HANDLE_PREFIX, PREFIX_LENGTH) != 0)
		return another_version(text) ? -EPROTO : -EINVAL;
	text += PREFIX_LENGTH;
	length = token_length(text);
	if (length == 0)
		return -EINVAL;
	result = base64_decode(text, length, record);
	if (result >= 0)
		result = read_record(record, (size_t)result, out);
	explicit_bzero(record, sizeof(record));
	return result;
}

void rm_short_id(const uint8_t id[RM_ID_BYTES], char text[9])
{
	for (int i = 0; i < 4; i++) {
		text[2 * i] = "0123456789abcdef"[id[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
	}
	text[8] = 0;
}
