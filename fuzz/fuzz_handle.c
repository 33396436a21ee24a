/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_handle.c - handles from strangers
 *
 * The first byte chooses: the rest is a text; or it is a record that gets a
 * checksum that is right, since no mutation would guess one.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "handle.h"

#define RECORD_MAX 360

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What decode took is what encode writes: one record, one text. */
static void check(const char *text)
{
	char again[RM_HANDLE_TEXT_MAX];
	struct rm_handle h;
	int result;

	memset(&h, 0xa5, sizeof(h));
	result = rm_handle_decode(text, &h);
	MUST(result == 0 || result == -EINVAL || result == -EPROTO);
	if (result == -EINVAL || (result == -EPROTO && h.layout.pointer_bytes == 0))
		return;
	MUST(memchr(h.fabric.provider, 0, sizeof(h.fabric.provider)) != NULL);
	MUST(h.fabric.length <= RM_FABRIC_NAME_MAX);
	MUST(rm_handle_encode(&h, again, sizeof(again)) == 0);
	MUST(strncmp(again, text, strlen(again)) == 0);
	MUST(strspn(text + strlen(again), " \t\n\v\f\r") == strlen(text + strlen(again)));
}

static void check_text(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check(text);
	free(text);
}

static void check_record(const uint8_t *data, size_t size)
{
	uint8_t record[RECORD_MAX + 4];
	char text[sizeof(RM_HANDLE_PREFIX) + (RECORD_MAX + 4) * 4 / 3 + 4] = RM_HANDLE_PREFIX;
	char *at = text + strlen(text);
	uint32_t crc, bits = 0;
	unsigned have = 0;

	if (size > RECORD_MAX)
		size = RECORD_MAX;
	memcpy(record, data, size);
	crc = rm_crc32c(rm_crc32c(0, text, strlen(text)), record, size);
	for (int i = 0; i < 4; i++)
		record[size++] = (uint8_t)(crc >> 8 * i);
	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | record[i];
		for (have += 8; have >= 6; have -= 6)
			*at++ = alphabet[bits >> (have - 6) & 63];
	}
	if (have)
		*at++ = alphabet[bits << (6 - have) & 63];
	*at = 0;
	check(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		check_text(data + 1, size - 1);
	else
		check_record(data + 1, size - 1);
	return 0;
}

/* The record of a text that we wrote ourselves. */
static size_t record_of(const char *text, uint8_t *record)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (text += strlen(RM_HANDLE_PREFIX); *text; text++) {
		bits = bits << 6 | (uint32_t)(strchr(alphabet, *text) - alphabet);
		have += 6;
		if (have >= 8) {
			have -= 8;
			record[n++] = (uint8_t)(bits >> have);
		}
	}
	return n - 4;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	static const struct {
		const char *provider;
		uint8_t length;
	} kinds[] = { { "", 0 }, { "tcp;ofi_rxm", 16 }, { "verbs;ofi_rxm", 28 },
		{ "0123456789012345678901234567890", RM_FABRIC_NAME_MAX } };
	struct rm_handle h;
	char text[RM_HANDLE_TEXT_MAX];

	if (n >= 8)
		return 0;
	memset(&h, 0, sizeof(h));
	h.layout = rm_layout_here();
	memset(h.id, 0x11, sizeof(h.id));
	memset(h.secret, 0x22, sizeof(h.secret));
	memset(h.host, 0x33, sizeof(h.host));
	strcpy(h.fabric.provider, kinds[n / 2].provider);
	h.fabric.length = kinds[n / 2].length;
	memset(h.fabric.name, 0x44, h.fabric.length);
	MUST(rm_handle_encode(&h, text, sizeof(text)) == 0);
	data[0] = (uint8_t)(n & 1);
	if (n & 1) {
		memcpy(data + 1, text, strlen(text));
		return 1 + strlen(text);
	}
	return 1 + record_of(text, data + 1);
}
