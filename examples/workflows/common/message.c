/* SPDX-License-Identifier: BSD-2-Clause */
/* message.c - packs a structure into a buffer, and reads one from a buffer or a socket (msgpack) */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ways.h"

#define CHUNK (256u << 10)              /* read at once */

void pack_into(msgpack_sbuffer *buffer, const struct kind *kind, const void *root, size_t part)
{
	const double start = thread_time();
	msgpack_packer packer;

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	kind->pack(&packer, root, part);
	spent.packing += thread_time() - start;
}

void *unpack_from(struct message *from, const struct kind *kind)
{
	const double start = thread_time();
	void *root;

	from->reading = 0;
	msgpack_unpacked_init(&from->object);
	if (!from->data && !msgpack_unpacker_init(&from->unpacker, CHUNK))
		die("no memory for a message");
	root = kind->unpack(from, self.part);
	msgpack_unpacked_destroy(&from->object);
	if (!from->data)
		msgpack_unpacker_destroy(&from->unpacker);
	spent.unpacking += thread_time() - start - from->reading;
	return root;
}

static void read_more(struct message *from)
{
	const double start = thread_time();
	ssize_t got;

	if (!msgpack_unpacker_reserve_buffer(&from->unpacker, CHUNK))
		die("no memory for a message");
	do
		got = read(from->fd, msgpack_unpacker_buffer(&from->unpacker),
		           msgpack_unpacker_buffer_capacity(&from->unpacker));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		die("cannot read a message: %m");
	if (!got)
		die("a message ended too early");
	msgpack_unpacker_buffer_consumed(&from->unpacker, (size_t)got);
	spent.received += (size_t)got;
	from->reading += thread_time() - start;
}

const msgpack_object *next_object(struct message *from)
{
	msgpack_unpack_return got;

	for (;;) {
		got = from->data ? msgpack_unpack_next(&from->object, from->data, from->size, &from->at)
		                 : msgpack_unpacker_next(&from->unpacker, &from->object);
		if (got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES)
			return &from->object.data;
		if (got != MSGPACK_UNPACK_CONTINUE || from->data)
			die("a message is damaged");
		read_more(from);
	}
}

uint64_t get_uint(const msgpack_object *object)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		die("a message has something else where a number should be");
	return object->via.u64;
}

int64_t get_int(const msgpack_object *object)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
	    object->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
		die("a message has something else where a number should be");
	return object->via.i64;
}

double get_double(const msgpack_object *object)
{
	if (object->type != MSGPACK_OBJECT_FLOAT64)
		die("a message has something else where a real number should be");
	return object->via.f64;
}

char *get_string(const msgpack_object *object)
{
	char *text;

	if (object->type != MSGPACK_OBJECT_STR)
		die("a message has something else where a text should be");
	text = need(object->via.str.size + 1);
	memcpy(text, object->via.str.ptr, object->via.str.size);
	text[object->via.str.size] = 0;
	return text;
}

uint64_t next_uint(struct message *from)
{
	return get_uint(next_object(from));
}

double next_double(struct message *from)
{
	return get_double(next_object(from));
}

const msgpack_object *next_array(struct message *from, size_t count)
{
	const msgpack_object *object = next_object(from);

	if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != count)
		die("a message has something else where a record should be");
	return object->via.array.ptr;
}

void next_bytes(struct message *from, void *to, size_t bytes)
{
	const msgpack_object *object = next_object(from);

	if (object->type != MSGPACK_OBJECT_BIN || object->via.bin.size != bytes)
		die("a message has something else where %zu bytes should be", bytes);
	memcpy(to, object->via.bin.ptr, bytes);
}
