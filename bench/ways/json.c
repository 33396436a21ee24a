/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - cJSON over TCP: a line with an array for each record. cJSON prints 15 digits of a
 * number where it takes the rest for noise: what needs more goes as a string, and doubles as
 * text of our own, which it parses exactly.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>

#include "ways.h"

#define EXACT 999999999999999ull

static void add(cJSON *array, cJSON *item)
{
	if (!item || !cJSON_AddItemToArray(array, item))
		bench_die("out of memory");
}

static void add_number(cJSON *array, uint64_t number)
{
	char text[24];

	if (number <= EXACT) {
		add(array, cJSON_CreateNumber((double)number));
		return;
	}
	snprintf(text, sizeof text, "%" PRIu64, number);
	add(array, cJSON_CreateString(text));
}

static cJSON *doubles(const double *values, size_t count)
{
	static char *digits;
	static size_t room;
	size_t used = 0;

	if (room < count * 26 + 3) {
		room = count * 26 + 3;
		digits = realloc(digits, room);
		if (!digits)
			bench_die("out of memory");
	}
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(digits + used, room - used, "%c%.17g", i ? ',' : '[', values[i]);
	memcpy(digits + used, "]", 2);
	return cJSON_CreateRaw(digits);
}

static uint64_t number_of(const cJSON *item)
{
	return cJSON_IsString(item) ? strtoull(item->valuestring, NULL, 10) :
	                              (uint64_t)item->valuedouble;
}

static void put(struct link *link, unsigned fields, const struct record *record)
{
	cJSON *array = cJSON_CreateArray(), *inner;
	size_t room = 128 + (fields & FIELD_TEXT ? record->length * 6 : 0);

	if (fields & FIELD_A)
		add_number(array, record->a);
	if (fields & FIELD_B)
		add_number(array, record->b);
	if (fields & FIELD_C)
		add_number(array, record->c);
	if (fields & FIELD_TEXT)
		add(array, cJSON_CreateStringReference(record->text));
	if (fields & FIELD_VALUES) {
		add(array, doubles(record->values, record->value_count));
		room += record->value_count * 32;
	}
	if (fields & FIELD_TARGETS) {
		inner = cJSON_CreateArray();
		for (size_t i = 0; i < record->target_count; i++)
			add(inner, cJSON_CreateNumber(record->targets[i]));
		add(array, inner);
		room += record->target_count * 16;
	}
	if (!cJSON_PrintPreallocated(array, link_room(link, room), (int)room, 0))
		bench_die("cJSON_PrintPreallocated failed");
	link->out_used += strlen(link->out + link->out_used);
	link_put(link, "\n", 1);
	cJSON_Delete(array);
}

static cJSON *line;

static void get(struct link *link, unsigned fields, struct record *record)
{
	const cJSON *at;
	const char *end;
	size_t seen = 0;

	while (!(end = memchr(link->in + link->in_at + seen, '\n', link->in_end - link->in_at - seen))) {
		seen = link->in_end - link->in_at;
		link_more(link);
	}
	cJSON_Delete(line);
	line = cJSON_ParseWithLength(link->in + link->in_at,
	                             (size_t)(end - link->in) - link->in_at);
	link->in_at = (size_t)(end - link->in) + 1;
	if (!cJSON_IsArray(line))
		bench_die("cJSON_ParseWithLength failed");
	at = line->child;
	for (unsigned field = FIELD_A; field <= FIELD_TARGETS; field <<= 1) {
		size_t i = 0;

		if (!(fields & field))
			continue;
		if (!at)
			bench_die("a shorter line than was sent");
		if (field == FIELD_A)
			record->a = number_of(at);
		if (field == FIELD_B)
			record->b = number_of(at);
		if (field == FIELD_C)
			record->c = (uint32_t)number_of(at);
		if (field == FIELD_TEXT) {
			record->text = at->valuestring;
			record->length = strlen(at->valuestring);
		}
		if (field == FIELD_VALUES)
			for (cJSON *value = at->child; value && i < record->value_count; value = value->next)
				record->values[i++] = value->valuedouble;
		if (field == FIELD_TARGETS) {
			for (cJSON *value = at->child; value && i < record->target_count; value = value->next)
				record->targets[i++] = (uint32_t)value->valuedouble;
			record->target_count = i;
		}
		at = at->next;
	}
}

#include "codec.h"

static void json_send(struct handover *handover, const void *root)
{
	send_structure(&handover->link, handover->kind, root);
}

static void *json_receive(struct handover *handover)
{
	return receive_structure(&handover->link, handover->kind);
}

const struct way way_json = {
	.name = "cjson", .shape = &structures,
	.send = json_send, .receive = json_receive, .release = free_structure,
};
