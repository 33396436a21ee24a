/* SPDX-License-Identifier: BSD-2-Clause */
/* test_text - what CloudEvents and HTTP say of text */
#include "../unit.h"

#include "../../../src/function/text.h"

#define TEXT(literal) literal, sizeof(literal) - 1

START_TEST(strings)
{
	static const struct {
		const char *text;
		size_t length;
		bool utf8, string;
	} table[] = {
		{ TEXT(""), true, true },
		{ TEXT("a b\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), true, true },
		{ TEXT("a\tb"), true, false },
		{ TEXT("a\0b"), true, false },
		{ TEXT("\x7f"), true, false },
		{ TEXT("\xc2\x85"), true, false },              /* U+0085 */
		{ TEXT("\xef\xb7\x90"), true, false },          /* U+FDD0 */
		{ TEXT("\xf0\x9f\xbf\xbf"), true, false },      /* U+1FFFF */
		{ TEXT("\xc0\x80"), false, false },             /* longer than need be */
		{ TEXT("\xe0\x80\xaf"), false, false },
		{ TEXT("\xed\xa0\x80"), false, false },         /* half a surrogate pair */
		{ TEXT("\xf4\x90\x80\x80"), false, false },     /* above U+10FFFF */
		{ TEXT("\x80"), false, false },
		{ TEXT("\xe2\x82"), false, false },             /* cut off */
	};

	ck_assert_int_eq(text_utf8(table[_i].text, table[_i].length), table[_i].utf8);
	ck_assert_int_eq(text_string(table[_i].text, table[_i].length), table[_i].string);
}
END_TEST

START_TEST(names_times_uris)
{
	char name[TEXT_NAME_MAX + 1];

	memset(name, 'a', sizeof(name));
	ck_assert(text_name(name, TEXT_NAME_MAX) && !text_name(name, TEXT_NAME_MAX + 1));
	ck_assert(text_name(TEXT("0az9")) && !text_name("", 0));
	ck_assert(!text_name(TEXT("aB")) && !text_name(TEXT("a-b")) && !text_name(TEXT("\xc3\xa9")));

	ck_assert(text_time("2026-01-31T12:00:00Z") && text_time("2026-01-31t23:59:60.123456+23:59"));
	ck_assert(!text_time("2026-13-01T12:00:00Z") && !text_time("2026-01-31T12:00:00"));
	ck_assert(!text_time("2026-01-31T12:00:00.Z") && !text_time("2026-01-31T12:00:00Zx"));
	ck_assert(!text_time("2026-01-31T24:00:00Z") && !text_time("2026-01-31") && !text_time(""));

	ck_assert(text_uri("/a") && text_uri("urn:x:1") && text_uri("http://h/%20?q#f"));
	ck_assert(!text_uri("") && !text_uri("a b") && !text_uri("a\"") && !text_uri("a\n"));
}
END_TEST

START_TEST(headers)
{
	static const struct {
		const char *value, *text;       /* NULL: refused */
	} table[] = {
		{ "", "" }, { "plain", "plain" }, { "a%20b%C3%A9%c3%a9", "a b\xc3\xa9\xc3\xa9" },
		{ "\"q %31\"", "q 1" }, { "\"a\\\"b\"", "a\"b" }, { "a\\b", "a\\b" },
		{ "%", NULL }, { "a%2", NULL }, { "%zz", NULL }, { "\"open", NULL }, { "\"\\", NULL },
	};
	char out[32];
	int n = text_header_decode(table[_i].value, strlen(table[_i].value), out);

	if (!table[_i].text) {
		ck_assert_int_eq(n, -EINVAL);
		return;
	}
	ck_assert_str_eq(out, table[_i].text);
	ck_assert_int_eq(n, (int)strlen(table[_i].text));
}
END_TEST

/* Whatever bytes a text has, its header means the same text. */
START_TEST(headers_there_and_back)
{
	char text[256], header[3 * sizeof(text)], again[sizeof(header)];
	size_t length;

	for (int i = 0; i < 255; i++)
		text[i] = (char)(i + 1);
	text[255] = 0;
	length = text_header_encode(text, header);
	ck_assert_uint_eq(length, strlen(header));
	for (size_t i = 0; i < length; i++)
		ck_assert(header[i] > ' ' && header[i] <= '~' && header[i] != '"');
	/* in a header that is not quoted a backslash is itself */
	ck_assert_int_eq(text_header_decode(header, length, again), 255);
	ck_assert_str_eq(again, text);
}
END_TEST

START_TEST(media)
{
	ck_assert(text_media("Application/JSON ; charset=x", "application/json"));
	ck_assert(!text_media("application/jsonx", "application/json"));
	ck_assert(text_media_json("text/json") && text_media_json("application/cloudevents+json; a=b"));
	ck_assert(!text_media_json(NULL) && !text_media_json("text/plain") && !text_media_json("+json"));
	ck_assert(text_media_utf8("a/b") && text_media_utf8("a/b; x=y; charset=\"UTF-8\""));
	ck_assert(text_media_utf8("a/b;charset=us-ascii"));
	ck_assert(!text_media_utf8("a/b; charset=iso-8859-1") && !text_media_utf8("a/b; charset="));
}
END_TEST

START_TEST(base64)
{
	unsigned char bytes[64], again[66];
	char text[89];

	for (size_t length = 0; length <= sizeof(bytes); length++) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = (unsigned char)(i * 37 + length);
		text_base64_encode(bytes, length, text);
		ck_assert_uint_eq(strlen(text), (length + 2) / 3 * 4);
		ck_assert_int_eq(text_base64_decode(text, strlen(text), again), (int)length);
		ck_assert(!memcmp(bytes, again, length));
	}
	text_base64_encode((const unsigned char *)"foob", 4, text);
	ck_assert_str_eq(text, "Zm9vYg==");
	ck_assert_int_eq(text_base64_decode(TEXT("Zm9vYg="), again), -EINVAL);
	ck_assert_int_eq(text_base64_decode(TEXT("Zm=v"), again), -EINVAL);
	ck_assert_int_eq(text_base64_decode(TEXT("Zm9-"), again), -EINVAL);
	ck_assert_int_eq(text_base64_decode(TEXT("Zm\0v"), again), -EINVAL);
	ck_assert_int_eq(text_base64_decode(TEXT("===="), again), -EINVAL);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ strings, 14 }, { names_times_uris, 0 }, { headers, 11 },
		{ headers_there_and_back, 0 }, { media, 0 }, { base64, 0 },
	};

	return unit_run("text", tests, COUNT(tests));
}
