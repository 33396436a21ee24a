/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msgpack.c - msgpack-c over TCP: an array for each record, many numbers as one binary. One
 * zone for all records, since a new one for each is what takes the time.
 */
#include <msgpack.h>

#include "ways.h"

static int put_bytes(void *data, const char *bytes, size_t length)
{
	link_put(data, bytes, length);
	return 0;
}

static inline void put(struct link *link, unsigned fields, const struct record *record)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, link, put_bytes);
	msgpack_pack_array(&packer, (size_t)__builtin_popcount(fields));
	if (fields & FIELD_A)
		msgpack_pack_uint64(&packer, record->a);
	if (fields & FIELD_B)
		msgpack_pack_uint64(&packer, record->b);
	if (fields & FIELD_C)
		msgpack_pack_uint32(&packer, record->c);
	if (fields & FIELD_TEXT)
		msgpack_pack_str_with_body(&packer, record->text, record->length);
	if (fields & FIELD_VALUES)
		msgpack_pack_bin_with_body(&packer, record->values,
		                           record->value_count * sizeof *record->values);
	if (fields & FIELD_TARGETS) {
		msgpack_pack_array(&packer, record->target_count);
		for (size_t i = 0; i < record->target_count; i++)
			msgpack_pack_uint32(&packer, record->targets[i]);
	}
}

static msgpack_zone *zone;

static const msgpack_object *next_array(struct link *link, size_t fields)
{
	static msgpack_object object;
	size_t offset = 0;
	int result;

	for (;;) {
		offset = 0;
		msgpack_zone_clear(zone);
		result = msgpack_unpack(link->in + link->in_at, link->in_end - link->in_at, &offset,
		                        zone, &object);
		if (result == MSGPACK_UNPACK_SUCCESS || result == MSGPACK_UNPACK_EXTRA_BYTES)
			break;
		if (result != MSGPACK_UNPACK_CONTINUE)
			bench_die("msgpack_unpack failed");
		link_more(link);
	}
	link->in_at += offset;
	if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size != fields)
		bench_die("another msgpack record than was sent");
	return object.via.array.ptr;
}

static inline void get(struct link *link, unsigned fields, struct record *record)
{
	const msgpack_object *at = next_array(link, (size_t)__builtin_popcount(fields));

	if (fields & FIELD_A)
		record->a = (at++)->via.u64;
	if (fields & FIELD_B)
		record->b = (at++)->via.u64;
	if (fields & FIELD_C)
		record->c = (uint32_t)(at++)->via.u64;
	if (fields & FIELD_TEXT) {
		record->text = at->via.str.ptr;
		record->length = (at++)->via.str.size;
	}
	if (fields & FIELD_VALUES) {
		if (at->via.bin.size != record->value_count * sizeof *record->values)
			bench_die("other values than were sent");
		memcpy(record->values, at->via.bin.ptr, at->via.bin.size);
		at++;
	}
	if (fields & FIELD_TARGETS) {
		if (at->via.array.size > record->target_count)
			bench_die("more targets than there is room for");
		record->target_count = at->via.array.size;
		for (size_t i = 0; i < record->target_count; i++)
			record->targets[i] = (uint32_t)at->via.array.ptr[i].via.u64;
	}
}

#include "codec.h"

void msgpack_send(struct handover *handover, const void *root)
{
	send_structure(&handover->link, handover->kind, root);
}

void *msgpack_receive(struct handover *handover)
{
	void *root;

	if (!zone)
		zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
	if (!zone)
		bench_die("out of memory");
	root = receive_structure(&handover->link, handover->kind);
	return root;
}

const struct way way_msgpack = {
	.name = "msgpack", .shape = &structures,
	.send = msgpack_send, .receive = msgpack_receive, .release = free_structure,
};
