/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - checks that received bytes are a message of this version; see wire.h
 */
#include "wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define TEXTS_MAX 3

/* The exact length of a type's messages, and where the texts in them are; size 0 ends the list. */
struct form {
	size_t size;
	struct {
		size_t offset, size;
	} texts[TEXTS_MAX];
};

#define TEXT(type, field) { offsetof(struct type, field), sizeof(((struct type *)0)->field) }
#define BARE { .size = sizeof(struct rm_wire) }
#define FORM(type, ...) { .size = sizeof(struct type), .texts = { __VA_ARGS__ } }

static const struct form forms[] = {
	[RM_HELLO] = { .size = sizeof(struct rm_wire_hello) },
	[RM_HELLO_REPLY] = FORM(rm_wire_hello_reply, TEXT(rm_wire_hello_reply, text)),
	[RM_PUBLISH] = FORM(rm_wire_publish, TEXT(rm_wire_publish, fabric)),
	[RM_LAYERS] = { .size = sizeof(struct rm_wire_layers) },
	[RM_ATTACH] = FORM(rm_wire_attach, TEXT(rm_wire_attach, fabric),
	                   TEXT(rm_wire_attach, handle)),
	[RM_ATTACH_REPLY] = FORM(rm_wire_attach_reply, TEXT(rm_wire_attach_reply, provider),
	                         TEXT(rm_wire_attach_reply, text)),
	[RM_LAZY] = { .size = sizeof(struct rm_wire_attachment) },
	[RM_COMPLETE] = { .size = sizeof(struct rm_wire_attachment) },
	[RM_DETACH] = { .size = sizeof(struct rm_wire_attachment) },
	[RM_UNPUBLISH] = FORM(rm_wire_name, TEXT(rm_wire_name, name)),
	[RM_MOVE] = FORM(rm_wire_move, TEXT(rm_wire_move, host), TEXT(rm_wire_move, fabric),
	                 TEXT(rm_wire_move, name)),
	[RM_STATS] = BARE,
	[RM_STATS_REPLY] = FORM(rm_wire_stats_reply, TEXT(rm_wire_stats_reply, counters.provider)),
	[RM_LIST] = BARE,
	[RM_STAT] = FORM(rm_wire_name, TEXT(rm_wire_name, name)),
	[RM_INFO] = BARE,
	[RM_INFO_REPLY] = FORM(rm_wire_info_reply, TEXT(rm_wire_info_reply, text)),
	[RM_REPLY] = FORM(rm_wire_reply, TEXT(rm_wire_reply, text)),
	[RM_PROGRESS] = BARE,
	[RM_RESTARTED] = BARE,
	[RM_PREFETCH] = { .size = sizeof(struct rm_wire_prefetch) },
};

_Static_assert(sizeof(struct rm_wire_hello_reply) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_publish) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_attach) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_attach_reply) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_move) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_name) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_reply) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_stats_reply) <= RM_WIRE_MAX, "fits a message");
_Static_assert(sizeof(struct rm_wire_info_reply) <= RM_WIRE_MAX, "fits a message");

int rm_wire_check(const void *message, size_t length)
{
	const struct form *form;
	struct rm_wire head;

	if (length < sizeof(head))
		return -EINVAL;
	memcpy(&head, message, sizeof(head));
	if (head.magic != RM_WIRE_MAGIC)
		return -EINVAL;
	if (head.version != RM_WIRE_VERSION)
		return -EPROTO;
	if (head.type >= sizeof(forms) / sizeof(forms[0]))
		return -EINVAL;
	form = &forms[head.type];
	if (length != form->size)       /* form->size is 0 for numbers that are no type */
		return -EINVAL;
	for (int i = 0; i < TEXTS_MAX && form->texts[i].size; i++)
		if (!memchr((const char *)message + form->texts[i].offset, 0, form->texts[i].size))
			return -EINVAL;
	return 0;
}
