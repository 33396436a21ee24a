/* SPDX-License-Identifier: BSD-2-Clause */
/* test_handle - a handle survives the way through text, and no damage to it goes unseen */
#include "../unit.h"

#include <stdio.h>

#include "handle.h"

#define PREFIX_LENGTH (sizeof(RM_HANDLE_PREFIX) - 1)
#define VERSION_DIGIT (PREFIX_LENGTH - 2)
#define RECORD_ROOM 320

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Three lengths of record modulo 3, so that each ending of base64 occurs; and the longest. */
static struct rm_handle sample(int which)
{
	static const struct {
		const char *provider;
		uint8_t length;
	} kinds[] = {
		{ "", 0 }, { "tcp;ofi_rxm", 16 }, { "verbs;ofi_rxm", 28 }, { "net", 19 },
		{ "0123456789012345678901234567890", RM_FABRIC_NAME_MAX },
	};
	struct rm_handle h;
	uint64_t state = 0x9e3779b97f4a7c15u + (unsigned)which;

	memset(&h, 0, sizeof(h));
	h.layout = rm_layout_here();
	for (size_t i = 0; i < sizeof(h.id); i++)
		h.id[i] = (uint8_t)unit_random(&state);
	for (size_t i = 0; i < sizeof(h.secret); i++)
		h.secret[i] = (uint8_t)unit_random(&state);
	for (size_t i = 0; i < sizeof(h.host); i++)
		h.host[i] = (uint8_t)unit_random(&state);
	strcpy(h.fabric.provider, kinds[which].provider);
	h.fabric.length = kinds[which].length;
	for (size_t i = 0; i < h.fabric.length; i++)
		h.fabric.name[i] = (uint8_t)unit_random(&state);
	h.fabric.protocol = 0xfffffffe;
	h.fabric.protocol_version = 1;
	h.fabric.fi_version = 0x10011;
	h.fabric.addr_format = 0x80000002;
	return h;
}
#define SAMPLES 5

static void encode(const struct rm_handle *h, char text[RM_HANDLE_TEXT_MAX])
{
	ck_assert_int_eq(rm_handle_encode(h, text, RM_HANDLE_TEXT_MAX), 0);
}

START_TEST(round_trip)
{
	struct rm_handle h = sample(_i), out;
	char text[RM_HANDLE_TEXT_MAX];

	encode(&h, text);
	ck_assert_uint_eq(strspn(text + PREFIX_LENGTH, alphabet), strlen(text) - PREFIX_LENGTH);
	ck_assert_int_eq(rm_handle_decode(text, &out), 0);
	ck_assert_mem_eq(&out, &h, sizeof(h));
}
END_TEST

START_TEST(every_smaller_buffer)
{
	struct rm_handle h = sample(_i);
	char text[RM_HANDLE_TEXT_MAX], small[RM_HANDLE_TEXT_MAX];
	size_t need;

	encode(&h, text);
	need = strlen(text) + 1;
	for (size_t size = 0; size < need; size++) {
		memset(small, '#', sizeof(small));
		ck_assert_int_eq(rm_handle_encode(&h, small, size), -ERANGE);
		ck_assert_int_eq(small[0], '#');
	}
	ck_assert_int_eq(rm_handle_encode(&h, small, need), 0);
	ck_assert_str_eq(small, text);
	ck_assert_int_eq(small[need], '#');
}
END_TEST

/* Each character changed into each other byte, every bit flip among them. */
START_TEST(every_character_changed)
{
	struct rm_handle h = sample(_i), out;
	char text[RM_HANDLE_TEXT_MAX];
	const struct rm_handle zero = { 0 };

	encode(&h, text);
	for (size_t at = 0; text[at]; at++) {
		char was = text[at];

		for (int c = 1; c < 256; c++) {
			int got, want = -EINVAL;

			if ((char)c == was)
				continue;
			if (at == VERSION_DIGIT && c >= '0' && c <= '9')
				want = -EPROTO; /* it then is another version's, intact or not */
			text[at] = (char)c;
			got = rm_handle_decode(text, &out);
			ck_assert_msg(got == want, "byte %zu as 0x%02x: %d", at, c, got);
			ck_assert_mem_eq(&out, &zero, sizeof(zero));
		}
		text[at] = was;
	}
	ck_assert_int_eq(rm_handle_decode(text, &out), 0);
}
END_TEST

START_TEST(every_truncation)
{
	struct rm_handle h = sample(_i), out;
	char text[RM_HANDLE_TEXT_MAX];

	encode(&h, text);
	for (size_t length = strlen(text); length-- > 0;) {
		text[length] = 0;
		ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
	}
}
END_TEST

START_TEST(every_insertion_and_swap)
{
	struct rm_handle h = sample(_i), out;
	char text[RM_HANDLE_TEXT_MAX], other[RM_HANDLE_TEXT_MAX + 1];
	size_t length;

	encode(&h, text);
	length = strlen(text);
	for (size_t at = PREFIX_LENGTH; at <= length; at++) {
		for (size_t i = 0; alphabet[i]; i++) {
			sprintf(other, "%.*s%c%s", (int)at, text, alphabet[i], text + at);
			ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
		}
		if (at + 1 < length && text[at] != text[at + 1]) {
			strcpy(other, text);
			other[at] = text[at + 1];
			other[at + 1] = text[at];
			ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
		}
	}
}
END_TEST

/* White space after a handle is ignored; damage there either changes nothing or is seen. */
START_TEST(white_space)
{
	struct rm_handle h = sample(_i), out;
	char text[RM_HANDLE_TEXT_MAX], other[RM_HANDLE_TEXT_MAX + 64];
	size_t length, end;

	encode(&h, text);
	length = strlen(text);
	end = (size_t)sprintf(other, "%s \t\n\v\f\r\r\n\n", text);
	ck_assert_int_eq(rm_handle_decode(other, &out), 0);
	ck_assert_mem_eq(&out, &h, sizeof(h));
	for (size_t bit = length * 8; bit < end * 8; bit++) {
		int got;

		other[bit / 8] = (char)(other[bit / 8] ^ 1 << bit % 8);
		got = rm_handle_decode(other, &out);
		ck_assert(got == -EINVAL || got == 0);
		if (got == 0)
			ck_assert_mem_eq(&out, &h, sizeof(h));
		other[bit / 8] = (char)(other[bit / 8] ^ 1 << bit % 8);
	}
	sprintf(other, " %s", text);
	ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
	sprintf(other, "%s x", text);
	ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
	sprintf(other, "%s\nrmmap1:", text);
	ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
	sprintf(other, "%.*s\n%s", 40, text, text + 40);
	ck_assert_int_eq(rm_handle_decode(other, &out), -EINVAL);
}
END_TEST

START_TEST(other_versions_and_other_texts)
{
	static const struct {
		const char *text;
		int want;
	} table[] = {
		{ "rmmap2:abc", -EPROTO }, { "rmmap0:AQ", -EPROTO }, { "rmmap12:a-_Z", -EPROTO },
		{ "rmmap9999:x \n", -EPROTO },
		{ "", -EINVAL }, { "rmmap", -EINVAL }, { "rmmap1", -EINVAL }, { "rmmap1:", -EINVAL },
		{ "rmmap1: ", -EINVAL }, { "rmmap1:A", -EINVAL }, { "rmmap1:AAAA", -EINVAL },
		{ "rmmap1:AAAAAA", -EINVAL }, { "rmmap1:AAAAAA==", -EINVAL },
		{ "rmmap2", -EINVAL }, { "rmmap2:", -EINVAL }, { "rmmap2:a b", -EINVAL },
		{ "rmmap2:a+b", -EINVAL }, { "rmmap2:a=", -EINVAL }, { "rmmap:abc", -EINVAL },
		{ "rmmapx:abc", -EINVAL }, { "rmmap12345:abc", -EINVAL }, { "rmmap-1:abc", -EINVAL },
		{ "RMMAP1:abc", -EINVAL }, { " rmmap2:abc", -EINVAL }, { "rmmap 2:abc", -EINVAL },
		{ "http://example.org/", -EINVAL }, { "%s%s%s%n", -EINVAL }, { "\xff\xfe\x80", -EINVAL },
	};
	struct rm_handle out;

	for (size_t i = 0; i < COUNT(table); i++) {
		int got = rm_handle_decode(table[i].text, &out);

		ck_assert_msg(got == table[i].want, "%s: %d", table[i].text, got);
	}
	ck_assert_int_eq(rm_handle_decode(NULL, &out), -EINVAL);
}
END_TEST

START_TEST(very_long_texts)
{
	static char text[100000];
	struct rm_handle out;

	memset(text, 'A', sizeof(text) - 1);
	memcpy(text, RM_HANDLE_PREFIX, PREFIX_LENGTH);
	for (size_t length = 300; length < 600; length++) {
		text[length] = 0;
		ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
		text[length] = 'A';
	}
	ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
	text[VERSION_DIGIT] = '2';
	ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
}
END_TEST

START_TEST(other_layouts)
{
	struct rm_handle h = sample(1), out;
	char text[RM_HANDLE_TEXT_MAX];

	switch (_i) {
	case 0: h.layout.window_base += RM_SLOT_SIZE; break;
	case 1: h.layout.window_slots--; break;
	case 2: h.layout.page_shift = 16; break;
	case 3: h.layout.slot_shift++; break;
	case 4: h.layout.big_endian ^= 1; break;
	default: h.layout.pointer_bytes = 4; break;
	}
	encode(&h, text);
	ck_assert_int_eq(rm_handle_decode(text, &out), -EPROTO);
	ck_assert_mem_eq(&out, &h, sizeof(h));
}
END_TEST

START_TEST(encode_refuses)
{
	struct rm_handle h = sample(1);
	char text[RM_HANDLE_TEXT_MAX];

	h.fabric.length = RM_FABRIC_NAME_MAX + 1;
	ck_assert_int_eq(rm_handle_encode(&h, text, sizeof(text)), -EINVAL);
	h = sample(1);
	memset(h.fabric.provider, 'x', sizeof(h.fabric.provider));
	ck_assert_int_eq(rm_handle_encode(&h, text, sizeof(text)), -EINVAL);
	h = sample(1);
	strcpy(h.fabric.provider, "t\033cp");
	ck_assert_int_eq(rm_handle_encode(&h, text, sizeof(text)), -EINVAL);
}
END_TEST

/* A record with a checksum that is right: what a stranger with a compiler can send. */
static void forge(uint8_t *record, size_t length, char *text)
{
	uint32_t crc = rm_crc32c(rm_crc32c(0, RM_HANDLE_PREFIX, PREFIX_LENGTH), record, length);
	uint32_t bits = 0;
	unsigned have = 0;

	for (int i = 0; i < 4; i++)
		record[length++] = (uint8_t)(crc >> 8 * i);
	text += sprintf(text, "%s", RM_HANDLE_PREFIX);
	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | record[i];
		for (have += 8; have >= 6; have -= 6)
			*text++ = alphabet[bits >> (have - 6) & 63];
	}
	if (have)
		*text++ = alphabet[bits << (6 - have) & 63];
	*text = 0;
}

/* version 1, this layout, ids; then what the test says from the provider's length on */
static size_t forge_head(uint8_t record[RECORD_ROOM])
{
	const struct rm_layout l = rm_layout_here();
	const uint8_t rest[4] = { l.page_shift, l.slot_shift, l.big_endian, l.pointer_bytes };

	memset(record, 0, RECORD_ROOM);
	record[0] = 1;
	for (int i = 0; i < 8; i++)
		record[1 + i] = (uint8_t)(l.window_base >> 8 * i);
	for (int i = 0; i < 4; i++)
		record[9 + i] = (uint8_t)(l.window_slots >> 8 * i);
	memcpy(record + 13, rest, 4);
	return 17 + 64;
}

START_TEST(forged_fabric)
{
	static const struct {
		int provider, given, name, name_given, want;
		char letter;
	} table[] = {
		{ 0, 0, 0, 0, 0, 'x' }, { 31, 31, 128, 128, 0, 'x' }, { 3, 3, 16, 16, 0, 'x' },
		{ 32, 32, 0, 0, -EINVAL, 'x' }, { 255, 31, 0, 0, -EINVAL, 'x' },
		{ 3, 3, 129, 128, -EINVAL, 'x' }, { 3, 3, 255, 0, -EINVAL, 'x' },
		{ 3, 3, 16, 15, -EINVAL, 'x' }, { 3, 3, 16, 17, -EINVAL, 'x' },
		{ 3, 3, 0, 0, -EINVAL, 0 }, { 3, 3, 0, 0, -EINVAL, '\n' }, { 3, 3, 0, 0, -EINVAL, '\x1b' },
		{ 3, 3, 0, 0, -EINVAL, '\x7f' }, { 3, 3, 0, 0, -EINVAL, '\xc3' },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		uint8_t record[RECORD_ROOM];
		size_t n = forge_head(record);
		struct rm_handle out;
		char text[600];
		int got;

		record[n++] = (uint8_t)table[i].provider;
		memset(record + n, table[i].letter, (size_t)table[i].given);
		n += (size_t)table[i].given + 16;
		record[n++] = (uint8_t)table[i].name;
		forge(record, n + (size_t)table[i].name_given, text);
		got = rm_handle_decode(text, &out);
		ck_assert_msg(got == table[i].want, "row %zu: %d", i, got);
	}
}
END_TEST

START_TEST(forged_lengths)
{
	uint8_t record[RECORD_ROOM];
	struct rm_handle out;
	char text[600];

	for (size_t length = 0; length < 17 + 64 + 1 + 16 + 1; length++) {
		forge_head(record);
		forge(record, length, text);
		ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
	}
}
END_TEST

START_TEST(forged_version)
{
	uint8_t record[RECORD_ROOM];
	struct rm_handle out;
	char text[600];
	size_t n = forge_head(record);

	record[0] = 2;
	forge(record, n + 18, text);
	ck_assert_int_eq(rm_handle_decode(text, &out), -EPROTO);
	ck_assert_uint_eq(out.layout.pointer_bytes, 0);
}
END_TEST

/* The bits of the last character that carry nothing are to be 0: one record, one text. */
START_TEST(unused_bits)
{
	char text[RM_HANDLE_TEXT_MAX];
	int seen = 0;

	for (int which = 0; which < SAMPLES; which++) {
		struct rm_handle h = sample(which), out;
		size_t length;
		const char *at;

		encode(&h, text);
		length = strlen(text);
		if ((length - PREFIX_LENGTH) % 4 == 0)
			continue;
		at = strchr(alphabet, text[length - 1]);
		text[length - 1] = at[1];
		ck_assert_int_eq(rm_handle_decode(text, &out), -EINVAL);
		seen |= 1 << (length - PREFIX_LENGTH) % 4;
	}
	ck_assert_int_eq(seen, 1 << 2 | 1 << 3);
}
END_TEST

START_TEST(crc32c_vectors)
{
	uint8_t data[32];

	ck_assert_uint_eq(rm_crc32c(0, "", 0), 0);
	ck_assert_uint_eq(rm_crc32c(0, "123456789", 9), 0xe3069283);
	memset(data, 0, sizeof(data));
	ck_assert_uint_eq(rm_crc32c(0, data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	ck_assert_uint_eq(rm_crc32c(0, data, sizeof(data)), 0x62a8ab43);
	ck_assert_uint_eq(rm_crc32c(rm_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}
END_TEST

START_TEST(short_ids)
{
	const uint8_t id[RM_ID_BYTES] = { 0x00, 0x9f, 0xab, 0xff, 0x77 };
	char text[9];

	rm_short_id(id, text);
	ck_assert_str_eq(text, "009fabff");
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ round_trip, SAMPLES }, { every_smaller_buffer, SAMPLES },
		{ every_character_changed, SAMPLES }, { every_truncation, SAMPLES },
		{ every_insertion_and_swap, SAMPLES }, { white_space, SAMPLES },
		{ other_versions_and_other_texts, 0 }, { very_long_texts, 0 }, { other_layouts, 6 },
		{ encode_refuses, 0 }, { forged_fabric, 0 }, { forged_lengths, 0 },
		{ forged_version, 0 }, { unused_bits, 0 }, { crc32c_vectors, 0 }, { short_ids, 0 },
	};

	return unit_run("handle", tests, COUNT(tests));
}
