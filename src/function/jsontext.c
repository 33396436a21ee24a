/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jsontext.c - finds members in a JSON text, and checks its lexical form
 *
 * cJSON gives values but not the positions of their texts, and its tree loses the exact form of a
 * number, and duplicate names. It also accepts control characters as blanks, any letters as digits
 * of \u, 007 and 1. as numbers, and it ends a string at \u0000. So the text is checked before cJSON
 * parses it.
 *
 * Pure: any thread, no allocation, no globals. Fuzzed.
 */
#include "event.h"

#include <string.h>

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Move *at, which is at a quote, behind the closing quote. False if the string is not valid. */
static bool skip_string(const char **at, const char *end)
{
	for ((*at)++; *at < end; (*at)++) {
		if (**at == '"') {
			(*at)++;
			return true;
		}
		if ((unsigned char)**at < 0x20)
			return false;
		if (**at != '\\')
			continue;
		if (++*at == end || !**at || !strchr("\"\\/bfnrtu", **at))
			return false;
		if (**at != 'u')
			continue;
		for (int i = 0; i < 4; i++)
			if (++*at == end || !is_hex(**at))
				return false;
	}
	return false;
}

static bool skip_digits(const char **at, const char *end)
{
	const char *from = *at;

	while (*at < end && **at >= '0' && **at <= '9')
		(*at)++;
	return *at > from;
}

/* Skip a number: -? (0 | [1-9][0-9]*) (.[0-9]+)? ([eE][+-]?[0-9]+)? */
static bool skip_number(const char **at, const char *end)
{
	const char *first;

	*at += **at == '-';
	first = *at;
	if (!skip_digits(at, end) || (*first == '0' && *at - first > 1))
		return false;
	if (*at < end && **at == '.') {
		(*at)++;
		if (!skip_digits(at, end))
			return false;
	}
	if (*at < end && (**at == 'e' || **at == 'E')) {
		(*at)++;
		*at += *at < end && (**at == '+' || **at == '-');
		if (!skip_digits(at, end))
			return false;
	}
	return true;
}

bool jsontext_lexical(const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		if (*text == '"') {
			if (!skip_string(&text, end))
				return false;
			continue;
		}
		if (*text == '-' || (*text >= '0' && *text <= '9')) {
			if (!skip_number(&text, end))
				return false;
			continue;
		}
		if ((unsigned char)*text < 0x20 && *text != '\t' && *text != '\n' && *text != '\r')
			return false;
		text++;
	}
	return true;
}

static void skip_blanks(const char **at, const char *end)
{
	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\n' || **at == '\r'))
		(*at)++;
}

/*
 * Skip a value of any kind, up to the comma or bracket that ends it. Brackets of both kinds count
 * alike: cJSON has checked that they match.
 */
static bool skip_value(const char **at, const char *end)
{
	size_t depth = 0;

	while (*at < end) {
		if (**at == '"') {
			if (!skip_string(at, end))
				return false;
			continue;
		}
		if (**at == '{' || **at == '[') {
			depth++;
		} else if (**at == '}' || **at == ']') {
			if (!depth)
				return true;
			depth--;
		} else if (**at == ',' && !depth) {
			return true;
		}
		(*at)++;
	}
	return false;
}

bool jsontext_member(const char **at, const char *end, struct slice *name, struct slice *value)
{
	const char *from;

	skip_blanks(at, end);
	if (*at == end || (**at != '{' && **at != ','))
		return false;
	(*at)++;
	skip_blanks(at, end);
	from = *at;
	if (*at == end || **at != '"' || !skip_string(at, end))
		return false;
	*name = (struct slice){ from, (size_t)(*at - from) };
	skip_blanks(at, end);
	if (*at == end || **at != ':')
		return false;
	(*at)++;
	skip_blanks(at, end);
	from = *at;
	if (!skip_value(at, end))
		return false;
	/* Blanks behind the value are not part of it. */
	end = *at;
	while (end > from && strchr(" \t\n\r", end[-1]))
		end--;
	*value = (struct slice){ from, (size_t)(end - from) };
	return end > from;
}

bool jsontext_has_nul(const struct slice *value)
{
	const char *end = value->at + value->length;

	for (const char *at = value->at; at < end; at++) {
		if (*at != '\\')
			continue;
		/*
		 * What a backslash escapes is skipped below, so that two of them before u0000 are
		 * not taken for it.
		 */
		if (end - at >= 6 && !memcmp(at, "\\u0000", 6))
			return true;
		at++;
	}
	return false;
}
