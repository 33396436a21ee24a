/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.c - the word count's structures as messages */
#include <string.h>

#include "kinds.h"

/* A part: the number of its pieces, and their texts in the order of the list. */
static void pack_part(msgpack_packer *to, const void *root, size_t part)
{
	const struct parts *parts = root;
	size_t count = 0;

	if (part >= parts->count)
		die("there are only %zu parts", parts->count);
	for (const struct piece *p = parts->part[part]; p; p = p->next)
		count++;
	msgpack_pack_uint64(to, count);
	for (const struct piece *p = parts->part[part]; p; p = p->next)
		pack_bytes(to, p->text, p->length);
}

static void *unpack_part(struct message *from, size_t part)
{
	struct parts *parts = need(sizeof(*parts));
	struct piece **end;

	parts->count = part + 1;
	parts->part = need(parts->count * sizeof(*parts->part));
	memset(parts->part, 0, parts->count * sizeof(*parts->part));
	end = &parts->part[part];
	for (size_t count = next_uint(from); count; count--) {
		const msgpack_object *object = next_object(from);
		struct piece *piece = need(sizeof(*piece));
		char *text;

		if (object->type != MSGPACK_OBJECT_BIN)
			die("a message has something else where a text should be");
		text = need(object->via.bin.size + 1);
		memcpy(text, object->via.bin.ptr, object->via.bin.size);
		*piece = (struct piece){ .text = text, .length = object->via.bin.size };
		*end = piece;
		end = &piece->next;
	}
	return parts;
}

/* A table: the number of its entries, and [word, count] for each. */
static void pack_table(msgpack_packer *to, const void *root, size_t part)
{
	const struct table *table = root;

	(void)part;
	msgpack_pack_uint64(to, table->entries);
	for (size_t i = 0; i < table->buckets; i++) {
		for (const struct entry *e = table->bucket[i]; e; e = e->next) {
			msgpack_pack_array(to, 2);
			pack_string(to, e->word, strlen(e->word));
			msgpack_pack_uint64(to, e->count);
		}
	}
}

static void *unpack_table(struct message *from, size_t part)
{
	struct table *table = table_new();

	(void)part;
	for (size_t count = next_uint(from); count; count--) {
		const msgpack_object *entry = next_array(from, 2);

		if (entry[0].type != MSGPACK_OBJECT_STR)
			die("a message has something else where a word should be");
		table_add(table, entry[0].via.str.ptr, entry[0].via.str.size, get_uint(&entry[1]));
	}
	return table;
}

const struct kind parts_kind = { .parted = true, .pack = pack_part, .unpack = unpack_part };
const struct kind table_kind = { .pack = pack_table, .unpack = unpack_table };
