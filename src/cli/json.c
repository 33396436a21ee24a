/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - writes JSON with one key on each line, so that a shell script can read it with sed
 *
 * Nothing allocates but stdio.
 */
#include <math.h>
#include <string.h>

#include "cli.h"

static void json_indent(struct json *json)
{
	putc('\n', json->out);
	for (unsigned i = 0; i < json->depth; i++)
		fputs("  ", json->out);
}

/*
 * The length of the UTF-8 sequence at s, or 0 if it is not well-formed. Overlong forms, surrogates
 * and values above U+10FFFF are not. s ends with a NUL, which ends a cut sequence too.
 */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;

	/*
	 * The bounds of the second byte leave out overlong forms (e0, f0), surrogates (ed) and
	 * what is above U+10FFFF (f4).
	 */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* Write a text in quotes. A byte that is not UTF-8 becomes U+FFFD: JSON has no other bytes. */
static void json_quote(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc('"', out);
	while (*s) {
		size_t length = utf8_length(s);

		if (length == 0) {
			fputs("\\ufffd", out);
			length = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(out, "\\u%04x", *s);
		} else {
			fwrite(s, 1, length, out);
		}
		s += length;
	}
	putc('"', out);
}

/* Write what stands before a value: comma, new line, key. */
static void json_begin(struct json *json, const char *key)
{
	if (!json->first)
		putc(',', json->out);
	json->first = false;
	json_indent(json);
	if (key) {
		json_quote(json->out, key);
		fputs(": ", json->out);
	}
}

/* Begin an object or an array. */
static void json_open(struct json *json, char bracket)
{
	putc(bracket, json->out);
	json->depth++;
	json->first = true;
}

void json_start(struct json *json, FILE *out)
{
	json->out = out;
	json->depth = 0;
	json_open(json, '{');
}

void json_finish(struct json *json)
{
	json_close(json, '}');
	putc('\n', json->out);
}

void json_object(struct json *json, const char *key)
{
	json_begin(json, key);
	json_open(json, '{');
}

void json_array(struct json *json, const char *key)
{
	json_begin(json, key);
	json_open(json, '[');
}

void json_close(struct json *json, char bracket)
{
	/*
	 * The object that contains this one has an item now, so the next one there needs a comma.
	 */
	bool empty = json->first;

	json->depth--;
	json->first = false;
	if (!empty)
		json_indent(json);
	putc(bracket, json->out);
}

void json_text(struct json *json, const char *key, const char *text)
{
	json_begin(json, key);
	if (text)
		json_quote(json->out, text);
	else
		fputs("null", json->out);
}

void json_number(struct json *json, const char *key, uint64_t number)
{
	json_begin(json, key);
	/*
	 * Readers that keep numbers as doubles lose bits above 2^53: addresses are texts for that
	 * reason.
	 */
	fprintf(json->out, "%llu", (unsigned long long)number);
}

void json_real(struct json *json, const char *key, double number)
{
	json_begin(json, key);
	if (isfinite(number))
		fprintf(json->out, "%.6g", number);
	else
		fputs("null", json->out);
}

void json_bool(struct json *json, const char *key, bool value)
{
	json_begin(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_counters(struct json *json, const char *key, const struct rm_counters *counters)
{
	static const char *const keys[RM_AHEADS][2] = {
		[RM_AHEAD_SCAN] = { "readahead_pages", "readahead_used" },
		[RM_AHEAD_POINTER] = { "pointer_pages", "pointer_used" },
		[RM_AHEAD_ASKED] = { "asked_pages", "asked_used" },
	};

	json_object(json, key);
	json_text(json, "provider", counters->provider[0] ? counters->provider : NULL);
	json_number(json, "fi_reads", counters->reads);
	json_number(json, "fetched_pages", counters->fetched_pages);
	json_number(json, "fetched_bytes", counters->fetched_bytes);
	json_number(json, "prefetched_pages", rm_ahead_sum(counters).pages);
	json_number(json, "prefetched_used", rm_ahead_sum(counters).used);
	for (unsigned i = 0; i < RM_AHEADS; i++) {
		json_number(json, keys[i][0], counters->ahead[i].pages);
		json_number(json, keys[i][1], counters->ahead[i].used);
	}
	json_number(json, "faults", counters->faults);
	json_number(json, "fault_ns", counters->fault_ns);
	json_close(json, '}');
}
