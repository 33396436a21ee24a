/* SPDX-License-Identifier: BSD-2-Clause */
/* protobuf.c - protobuf-c over TCP: a message for each record, its length before */
#include <records.pb-c.h>
#include "ways.h"

/* proto3's numbers that are 0, and text that is empty, are not sent: that is its format. */
static inline void put(struct link *link, unsigned fields, const struct record *record)
{
	Record message = RECORD__INIT;
	uint32_t length;

	if (fields & FIELD_A)
		message.a = record->a;
	if (fields & FIELD_B)
		message.b = record->b;
	if (fields & FIELD_C)
		message.c = record->c;
	if (fields & FIELD_TEXT)
		message.text = (char *)(uintptr_t)record->text;
	if (fields & FIELD_VALUES) {
		message.values = record->values;
		message.n_values = record->value_count;
	}
	if (fields & FIELD_TARGETS) {
		message.targets = record->targets;
		message.n_targets = record->target_count;
	}
	length = (uint32_t)record__get_packed_size(&message);
	link_put(link, &length, sizeof length);
	record__pack(&message, (uint8_t *)link_room(link, length));
	link->out_used += length;
}

static Record *message;

static inline void get(struct link *link, unsigned fields, struct record *record)
{
	uint32_t length;

	if (message)
		record__free_unpacked(message, NULL);
	memcpy(&length, link_get(link, sizeof length), sizeof length);
	message = record__unpack(NULL, length, (const uint8_t *)link_get(link, length));
	if (!message)
		bench_die("record__unpack failed");
	record->a = message->a;
	record->b = message->b;
	record->c = message->c;
	if (fields & FIELD_TEXT) {
		record->text = message->text;
		record->length = strlen(message->text);
	}
	if (fields & FIELD_VALUES) {
		if (message->n_values != record->value_count)
			bench_die("other values than were sent");
		memcpy(record->values, message->values, message->n_values * sizeof *record->values);
	}
	if (fields & FIELD_TARGETS) {
		if (message->n_targets > record->target_count)
			bench_die("more targets than there is room for");
		record->target_count = message->n_targets;
		memcpy(record->targets, message->targets, message->n_targets * sizeof *record->targets);
	}
}

#include "codec.h"

static void protobuf_send(struct handover *handover, const void *root)
{
	send_structure(&handover->link, handover->kind, root);
}

static void *protobuf_receive(struct handover *handover)
{
	return receive_structure(&handover->link, handover->kind);
}

const struct way way_protobuf = {
	.name = "protobuf", .shape = &structures,
	.send = protobuf_send, .receive = protobuf_receive, .release = free_structure,
};
