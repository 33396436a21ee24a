/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_wire.c - messages at the unix socket
 *
 * What passes the check is read as its type says, texts to their end.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

union message {
	struct rm_wire head;
	struct rm_wire_hello_reply hello_reply;
	struct rm_wire_publish publish;
	struct rm_wire_attach attach;
	struct rm_wire_attach_reply attach_reply;
	struct rm_wire_name name;
	struct rm_wire_move move;
	struct rm_wire_reply reply;
	struct rm_wire_stats_reply stats_reply;
	struct rm_wire_info_reply info_reply;
};

/* In memory of the message's own size, so that a text without an end is seen. */
static void read_texts(const union message *m)
{
	size_t total = 0;

	switch (m->head.type) {
	case RM_HELLO_REPLY:
		total = strlen(m->hello_reply.text);
		break;
	case RM_PUBLISH:
		total = strlen(m->publish.fabric);
		break;
	case RM_ATTACH:
		total = strlen(m->attach.fabric) + strlen(m->attach.handle);
		break;
	case RM_ATTACH_REPLY:
		total = strlen(m->attach_reply.provider) + strlen(m->attach_reply.text);
		break;
	case RM_UNPUBLISH:
	case RM_STAT:
		total = strlen(m->name.name);
		break;
	case RM_MOVE:
		total = strlen(m->move.host) + strlen(m->move.fabric) + strlen(m->move.name);
		break;
	case RM_REPLY:
		total = strlen(m->reply.text);
		break;
	case RM_STATS_REPLY:
		total = strlen(m->stats_reply.counters.provider);
		break;
	case RM_INFO_REPLY:
		total = strlen(m->info_reply.text);
		break;
	default:
		MUST(m->head.type >= RM_HELLO && m->head.type <= RM_MOVE);
	}
	MUST(total < RM_WIRE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int result = rm_wire_check(data, size);
	void *copy;

	MUST(result == 0 || result == -EINVAL || result == -EPROTO);
	if (result != 0)
		return 0;
	MUST(size <= RM_WIRE_MAX);
	copy = malloc(size);
	MUST(copy != NULL);
	memcpy(copy, data, size);
	read_texts(copy);
	free(copy);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	struct rm_wire head = { RM_WIRE_MAGIC, RM_WIRE_VERSION, (uint16_t)(n + 1), n };

	if (n >= RM_MOVE)
		return 0;
	memset(data, 0, RM_WIRE_MAX);
	memcpy(data, &head, sizeof(head));
	/* the one length that the check takes */
	for (size_t size = sizeof(head); size <= RM_WIRE_MAX; size++)
		if (rm_wire_check(data, size) == 0)
			return size;
	return sizeof(head);
}
