/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_event.c - CloudEvents from strangers
 *
 * The first byte chooses: a structured event; headers "NAME:VALUE" a line each and, after an
 * empty line, a Content-Type; or a text for the smaller parsers. An event that is taken is
 * written as JSON and read again: it must be the same.
 */
#include "fuzz.h"

#include <string.h>

#include "../src/function/event.h"
#include "../src/function/text.h"

static struct event event, again;
static struct reason reason;

static void check_attributes(const struct event *e)
{
	MUST(e->count <= EVENT_ATTRIBUTES_MAX);
	for (unsigned i = 0; i < e->count; i++) {
		const char *name = e->attributes[i].name, *value = e->attributes[i].value;

		MUST(text_name(name, strlen(name)) && text_string(value, strlen(value)));
		MUST(event_find(e, name) == value);
	}
}

static void check_refusal(int status)
{
	MUST(status == 400 || status == 413 || status == 415 || status == 500);
	MUST(reason.text[0] && memchr(reason.text, 0, sizeof(reason.text)));
}

static void check_again(struct pool *pool)
{
	const char *text, *value, *type = event_find(&event, "datacontenttype");
	size_t length;
	int status;

	reason.text[0] = 0;
	memset(&again, 0, sizeof(again));
	status = event_write_json(&event, pool, &text, &length, &reason);
	if (status) {
		MUST(status == 500 && event.data && text_media_json(type));
		return;
	}
	MUST(strlen(text) == length && text_utf8(text, length));
	MUST(event_read_json(&again, pool, text, length, &reason) == 0);
	MUST(event_check(&again, &reason) == 0);
	for (unsigned i = 0; i < event.count; i++) {
		value = event_find(&again, event.attributes[i].name);
		MUST(value && !strcmp(value, event.attributes[i].value));
	}
	MUST(!event.data == !again.data && event.data_length == again.data_length);
	MUST(!event.data || !memcmp(event.data, again.data, event.data_length));
}

static void structured(const uint8_t *data, size_t size, struct pool *pool)
{
	char *text = fuzz_text(data, size);
	int status = event_read_json(&event, pool, text, size, &reason);

	free(text);
	if (!status)
		status = event_check(&event, &reason);
	if (status) {
		check_refusal(status);
		return;
	}
	check_attributes(&event);
	check_again(pool);
}

static int headers(const char **at, const char *end, struct pool *pool)
{
	while (*at < end && **at != '\n') {
		const char *line = memchr(*at, '\n', (size_t)(end - *at));
		const char *stop = line ? line : end;
		const char *colon = memchr(*at, ':', (size_t)(stop - *at));
		size_t length = (size_t)((colon ? colon : stop) - *at);
		int status = 0;

		if (event_is_header(*at, length))
			status = event_add_header(&event, pool, *at, length, colon ? colon + 1 : "",
			                          colon ? (size_t)(stop - colon - 1) : 0, &reason);
		if (status)
			return status;
		*at = line ? line + 1 : end;
	}
	return 0;
}

static void binary(const uint8_t *data, size_t size, struct pool *pool)
{
	char *copy = fuzz_text(data, size);
	const char *at = copy, *end = copy + size;
	enum event_mode mode;
	int status;

	status = headers(&at, end, pool);
	if (!status && at < end) {
		status = event_mode(at + 1, event.count != 0, &mode, &reason);
		if (!status)
			status = event_add_content_type(&event, pool, at + 1, &reason);
	}
	if (!status)
		status = event_check(&event, &reason);
	free(copy);
	if (status) {
		check_refusal(status);
		return;
	}
	check_attributes(&event);
	check_again(pool);
}

static void texts(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *out = malloc(3 * size + 5), *back = malloc(3 * size + 5);
	int got;

	MUST(out != NULL && back != NULL);
	MUST(text_header_decode(out, text_header_encode(text, out), back) == (int)strlen(text));
	MUST(!strcmp(text, back));
	text_base64_encode(data, size, out);
	MUST(text_base64_decode(out, strlen(out), (unsigned char *)back) == (int)size);
	MUST(!memcmp(back, data, size));
	got = text_base64_decode(text, size, (unsigned char *)out);
	MUST(got <= (int)(size / 4 * 3));
	got = text_header_decode(text, size, out);
	MUST(got <= (int)size);
	MUST(!text_string(text, size) || text_utf8(text, size));
	text_media_json(text);
	text_media_utf8(text);
	text_time(text);
	text_uri(text);
	free(text);
	free(out);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool pool = { 0 };

	if (size == 0)
		return 0;
	memset(&event, 0, sizeof(event));
	reason.text[0] = 0;
	if (data[0] == 'j')
		structured(data + 1, size - 1, &pool);
	else if (data[0] == 'h')
		binary(data + 1, size - 1, &pool);
	else
		texts(data + 1, size - 1);
	pool_free(&pool);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
#define MUST_HAVE "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/t\",\"type\":\"t\""
	static const char *const seeds[] = {
		"j{" MUST_HAVE "}",
		"j{" MUST_HAVE ",\"data\":{\"a\":[1,-2.5e3,\"\\u0000\",true,null]},\"x\":-7,\"y\":true}",
		"j{" MUST_HAVE ",\"datacontenttype\":\"text/plain\",\"data\":\"a\\ud83d\\ude00\\n\"}",
		"j {\t" MUST_HAVE " , \"data_base64\" : \"AAECAw==\", \"time\":\"2026-01-31T12:00:00Z\" }\n",
		"j{" MUST_HAVE ",\"dataref\":\"rmmap1:AAAA\",\"subject\":\"\xc3\xa9\",\"no\":null}",
		"j{" MUST_HAVE ",\"data\":\"a\",\"data\":\"b\"}", "j[[[[[[", "j{\"a\":{\"b\":[{\"c\":\"}\"}]}}",
		"hce-specversion:1.0\nCE-ID:%31\nce-source:/t?a=b#c\nce-type:\"a \\\"b\\\"\"\nce-x:\n\ntext/plain",
		("hce-specversion:1.0\nce-id:1\nce-source:/t\nce-type:t\nce-dataref:rmmap1:AAAA\n\n"
		 "application/cloudevents+json; charset=utf-8"),
		"hce-specversion:1.0\nce-id:%C3%A9\nce-source:/t\nce-type:t\nHost:x\n",
		"tAAECAw==", "ttext/x+json; charset=\"UTF-8\"", "t2026-01-31T12:00:00.25+01:00",
		"t\"a%20b\\\"\" %25 \xc3\xa9\xf0\x9f\x98\x80",
	};

	return fuzz_seed_text(seeds, sizeof(seeds) / sizeof(seeds[0]), n, data);
}
