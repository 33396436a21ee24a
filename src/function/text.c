/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - checks and conversions of text; see text.h */
#include "text.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* ---- UTF-8 ---- */

/*
 * Decode the character at s, of at most n bytes. Returns its length, or 0 if it is not well-formed:
 * overlong, a surrogate, above U+10FFFF, or cut.
 */
static size_t next_character(const unsigned char *s, size_t n, uint32_t *character)
{
	/* The least character that needs so many bytes: less is an overlong form. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
	                (s[0] & 0xf8) == 0xf0 ? 4 : 0;

	if (!length || length > n)
		return 0;
	*character = length == 1 ? s[0] : s[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (s[i] & 0x3f);
	}
	if (*character < least[length] || *character > 0x10ffff ||
	    (*character >= 0xd800 && *character <= 0xdfff))
		return 0;
	return length;
}

bool text_utf8(const char *text, size_t length)
{
	uint32_t character;
	size_t step;

	for (size_t i = 0; i < length; i += step) {
		step = next_character((const unsigned char *)text + i, length - i, &character);
		if (!step)
			return false;
	}
	return true;
}

bool text_string(const char *text, size_t length)
{
	uint32_t c;
	size_t step;

	for (size_t i = 0; i < length; i += step) {
		step = next_character((const unsigned char *)text + i, length - i, &c);
		if (!step || c < 0x20 || (c >= 0x7f && c <= 0x9f) ||
		    (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
			return false;
	}
	return true;
}

/* ---- names, times, URIs ---- */

bool text_name(const char *text, size_t length)
{
	if (!length || length > TEXT_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9'))
			return false;
	return true;
}

/* Take count digits at *at. True if their number is in [low, high]. */
static bool time_digits(const char **at, int count, int low, int high)
{
	int number = 0;

	for (; count; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		number = number * 10 + (**at - '0');
	}
	return number >= low && number <= high;
}

/* Take one character that is in any. */
static bool time_literal(const char **at, const char *any)
{
	if (!**at || !strchr(any, **at))
		return false;
	(*at)++;
	return true;
}

/* Seconds may be 60, for a leap second. A day is not checked against its month. */
bool text_time(const char *at)
{
	if (!time_digits(&at, 4, 0, 9999) || !time_literal(&at, "-") ||
	    !time_digits(&at, 2, 1, 12) ||
	    !time_literal(&at, "-") || !time_digits(&at, 2, 1, 31) || !time_literal(&at, "Tt") ||
	    !time_digits(&at, 2, 0, 23) || !time_literal(&at, ":") || !time_digits(&at, 2, 0, 59) ||
	    !time_literal(&at, ":") || !time_digits(&at, 2, 0, 60))
		return false;
	if (time_literal(&at, ".")) {
		if (!time_digits(&at, 1, 0, 9))
			return false;
		while (time_digits(&at, 1, 0, 9))
			;
	}
	if (time_literal(&at, "Zz"))
		return !*at;
	return time_literal(&at, "+-") && time_digits(&at, 2, 0, 23) && time_literal(&at, ":") &&
	       time_digits(&at, 2, 0, 59) && !*at;
}

bool text_uri(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || strchr("\"<>\\^`{|}", *text))
			return false;
	return true;
}

/* ---- headers ---- */

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Both ways in which the HTTP binding encodes: a quoted string, and %XX, within quotes as well.
 */
int text_header_decode(const char *value, size_t length, char *out)
{
	const char *end = value + length;
	bool quoted = false;
	int n = 0;

	for (; value < end; value++) {
		char c = *value;

		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && c == '\\') {
			if (++value == end)
				return -EINVAL;
			c = *value;
		}
		if (c == '%') {
			if (end - value < 3 || hex_digit(value[1]) < 0 || hex_digit(value[2]) < 0)
				return -EINVAL;
			c = (char)(hex_digit(value[1]) << 4 | hex_digit(value[2]));
			value += 2;
		}
		out[n++] = c;
	}
	out[n] = 0;
	return quoted ? -EINVAL : n;
}

size_t text_header_encode(const char *text, char *out)
{
	static const char digit[] = "0123456789ABCDEF";
	size_t n = 0;

	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		if (*s > ' ' && *s <= '~' && *s != '"' && *s != '%') {
			out[n++] = (char)*s;
			continue;
		}
		out[n++] = '%';
		out[n++] = digit[*s >> 4];
		out[n++] = digit[*s & 15];
	}
	out[n] = 0;
	return n;
}

/* ---- media types ---- */

bool text_media(const char *value, const char *type)
{
	size_t length = strlen(type);

	value += strspn(value, " \t");
	if (strncasecmp(value, type, length))
		return false;
	value += length;
	value += strspn(value, " \t");
	return !*value || *value == ';';
}

bool text_media_json(const char *value)
{
	size_t length;

	if (!value)
		return false;
	value += strspn(value, " \t");
	length = strcspn(value, "; \t");
	return text_media(value, "application/json") || text_media(value, "text/json") ||
	       (length > 5 && !strncasecmp(value + length - 5, "+json", 5));
}

bool text_media_utf8(const char *value)
{
	static const char *const good[] = { "utf-8", "utf8", "us-ascii" };
	size_t quote, length;

	for (value = strchr(value, ';'); value; value = strchr(value, ';')) {
		value++;
		value += strspn(value, " \t");
		if (strncasecmp(value, "charset=", 8))
			continue;
		value += 8;
		quote = *value == '"';
		length = strcspn(value + quote, "\"; \t");
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
			if (length == strlen(good[i]) &&
			    !strncasecmp(value + quote, good[i], length))
				return true;
		return false;
	}
	return true;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int text_base64_decode(const char *text, size_t length, unsigned char *out)
{
	size_t padding = 0;
	int n = 0;

	/* The bound keeps the result within an int. */
	if (length % 4 || length > (size_t)1 << 30)
		return -EINVAL;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length; i += 4) {
		size_t have = i + 4 == length ? 4 - padding : 4;
		uint32_t bits = 0;

		for (size_t j = 0; j < 4; j++) {
			/* strchr() would find a NUL, too: at the end of the alphabet. */
			const char *place = j < have && text[i + j] ?
			                    strchr(alphabet, text[i + j]) : NULL;

			if (j < have && !place)
				return -EINVAL;
			bits = bits << 6 | (place ? (uint32_t)(place - alphabet) : 0);
		}
		for (size_t j = 0; j + 1 < have; j++)
			out[n++] = (unsigned char)(bits >> (16 - 8 * j));
	}
	return n;
}

void text_base64_encode(const unsigned char *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i += 3) {
		size_t have = length - i < 3 ? length - i : 3;
		uint32_t bits = (uint32_t)bytes[i] << 16 | (have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
		                (have > 2 ? bytes[i + 2] : 0);

		for (size_t j = 0; j < 4; j++)
			*out++ = j <= have ? alphabet[bits >> (18 - 6 * j) & 63] : '=';
	}
	*out = 0;
}
