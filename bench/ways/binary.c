/* SPDX-License-Identifier: BSD-2-Clause */
/* binary.c - a format by hand, over TCP: numbers as they are in memory, lengths before */
#include "ways.h"

static inline void put(struct link *link, unsigned fields, const struct record *record)
{
	const uint32_t length = (uint32_t)record->length;
	const uint32_t count = (uint32_t)record->target_count;

	if (fields & FIELD_A)
		link_put(link, &record->a, sizeof record->a);
	if (fields & FIELD_B)
		link_put(link, &record->b, sizeof record->b);
	if (fields & FIELD_C)
		link_put(link, &record->c, sizeof record->c);
	if (fields & FIELD_VALUES)
		link_give(link, record->values, record->value_count * sizeof *record->values);
	if (fields & FIELD_TARGETS) {
		link_put(link, &count, sizeof count);
		link_put(link, record->targets, count * sizeof *record->targets);
	}
	if (fields & FIELD_TEXT) {
		link_put(link, &length, sizeof length);
		link_put(link, record->text, record->length);
	}
}

static inline void get(struct link *link, unsigned fields, struct record *record)
{
	uint32_t count;

	if (fields & FIELD_A)
		memcpy(&record->a, link_get(link, sizeof record->a), sizeof record->a);
	if (fields & FIELD_B)
		memcpy(&record->b, link_get(link, sizeof record->b), sizeof record->b);
	if (fields & FIELD_C)
		memcpy(&record->c, link_get(link, sizeof record->c), sizeof record->c);
	if (fields & FIELD_VALUES)
		link_take(link, record->values, record->value_count * sizeof *record->values);
	if (fields & FIELD_TARGETS) {
		memcpy(&count, link_get(link, sizeof count), sizeof count);
		if (count > record->target_count)
			bench_die("more targets than there is room for");
		record->target_count = count;
		memcpy(record->targets, link_get(link, count * sizeof *record->targets),
		       count * sizeof *record->targets);
	}
	/* last: what follows might move the buffer that the text is in */
	if (fields & FIELD_TEXT) {
		memcpy(&count, link_get(link, sizeof count), sizeof count);
		record->length = count;
		record->text = link_get(link, count);
	}
}

#include "codec.h"

static void binary_send(struct handover *handover, const void *root)
{
	send_structure(&handover->link, handover->kind, root);
}

static void *binary_receive(struct handover *handover)
{
	return receive_structure(&handover->link, handover->kind);
}

const struct way way_binary = {
	.name = "binary", .shape = &structures,
	.send = binary_send, .receive = binary_receive, .release = free_structure,
};
