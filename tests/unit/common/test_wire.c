/* SPDX-License-Identifier: BSD-2-Clause */
/* test_wire - a message of the wrong version, length or with an open text is not looked into */
#include "../unit.h"

#include <stddef.h>

#include "wire.h"

#define TEXT(type, field) { offsetof(struct type, field), sizeof(((struct type *)0)->field) }

static const struct {
	int type;
	size_t size;
	struct {
		size_t offset, size;
	} texts[3];
} forms[] = {
	{ RM_HELLO, sizeof(struct rm_wire_hello), { { 0, 0 } } },
	{ RM_HELLO_REPLY, sizeof(struct rm_wire_hello_reply), { TEXT(rm_wire_hello_reply, text) } },
	{ RM_PUBLISH, sizeof(struct rm_wire_publish), { TEXT(rm_wire_publish, fabric) } },
	{ RM_LAYERS, sizeof(struct rm_wire_layers), { { 0, 0 } } },
	{ RM_ATTACH, sizeof(struct rm_wire_attach),
	  { TEXT(rm_wire_attach, fabric), TEXT(rm_wire_attach, handle) } },
	{ RM_ATTACH_REPLY, sizeof(struct rm_wire_attach_reply),
	  { TEXT(rm_wire_attach_reply, provider), TEXT(rm_wire_attach_reply, text) } },
	{ RM_LAZY, sizeof(struct rm_wire_attachment), { { 0, 0 } } },
	{ RM_COMPLETE, sizeof(struct rm_wire_attachment), { { 0, 0 } } },
	{ RM_DETACH, sizeof(struct rm_wire_attachment), { { 0, 0 } } },
	{ RM_UNPUBLISH, sizeof(struct rm_wire_name), { TEXT(rm_wire_name, name) } },
	{ RM_STATS, sizeof(struct rm_wire), { { 0, 0 } } },
	{ RM_STATS_REPLY, sizeof(struct rm_wire_stats_reply),
	  { TEXT(rm_wire_stats_reply, counters.provider) } },
	{ RM_LIST, sizeof(struct rm_wire), { { 0, 0 } } },
	{ RM_STAT, sizeof(struct rm_wire_name), { TEXT(rm_wire_name, name) } },
	{ RM_INFO, sizeof(struct rm_wire), { { 0, 0 } } },
	{ RM_INFO_REPLY, sizeof(struct rm_wire_info_reply), { TEXT(rm_wire_info_reply, text) } },
	{ RM_REPLY, sizeof(struct rm_wire_reply), { TEXT(rm_wire_reply, text) } },
	{ RM_PROGRESS, sizeof(struct rm_wire), { { 0, 0 } } },
	{ RM_RESTARTED, sizeof(struct rm_wire), { { 0, 0 } } },
	{ RM_PREFETCH, sizeof(struct rm_wire_prefetch), { { 0, 0 } } },
	{ RM_MOVE, sizeof(struct rm_wire_move),
	  { TEXT(rm_wire_move, host), TEXT(rm_wire_move, fabric), TEXT(rm_wire_move, name) } },
};

static void head(void *message, int type)
{
	struct rm_wire h = { RM_WIRE_MAGIC, RM_WIRE_VERSION, (uint16_t)type, 7 };

	memcpy(message, &h, sizeof(h));
}

START_TEST(exact_length_only)
{
	char message[RM_WIRE_MAX + 64] = { 0 };

	head(message, forms[_i].type);
	for (size_t length = 0; length <= sizeof(message); length++)
		ck_assert_int_eq(rm_wire_check(message, length),
		                 length == forms[_i].size ? 0 : -EINVAL);
}
END_TEST

START_TEST(open_texts)
{
	for (int t = 0; t < 3; t++) {
		char message[RM_WIRE_MAX] = { 0 };
		char *text = message + forms[_i].texts[t].offset;
		size_t size = forms[_i].texts[t].size;

		if (size == 0)
			continue;
		head(message, forms[_i].type);
		memset(text, 'x', size - 1);
		ck_assert_int_eq(rm_wire_check(message, forms[_i].size), 0);
		text[size - 1] = 'x';
		ck_assert_int_eq(rm_wire_check(message, forms[_i].size), -EINVAL);
	}
}
END_TEST

START_TEST(heads)
{
	struct rm_wire h = { RM_WIRE_MAGIC, RM_WIRE_VERSION, RM_STATS, 0 };

	ck_assert_int_eq(rm_wire_check(&h, sizeof(h)), 0);
	h.magic++;
	ck_assert_int_eq(rm_wire_check(&h, sizeof(h)), -EINVAL);
	h.magic--;
	h.version++;
	ck_assert_int_eq(rm_wire_check(&h, sizeof(h)), -EPROTO);
	h.type = 999;                   /* another version may have more types */
	ck_assert_int_eq(rm_wire_check(&h, sizeof(h)), -EPROTO);
	h.version = 0;
	ck_assert_int_eq(rm_wire_check(&h, sizeof(h)), -EPROTO);
	ck_assert_int_eq(rm_wire_check(&h, 0), -EINVAL);
}
END_TEST

START_TEST(types_that_are_none)
{
	char message[RM_WIRE_MAX] = { 0 };

	for (int type = 0; type <= UINT16_MAX; type++) {
		if (type >= RM_HELLO && type <= RM_MOVE)
			continue;
		head(message, type);
		ck_assert_int_eq(rm_wire_check(message, sizeof(struct rm_wire)), -EINVAL);
		ck_assert_int_eq(rm_wire_check(message, 0), -EINVAL);
	}
}
END_TEST

START_TEST(unaligned)
{
	char message[sizeof(struct rm_wire_reply) + 1] = { 0 };

	head(message + 1, RM_REPLY);
	ck_assert_int_eq(rm_wire_check(message + 1, sizeof(struct rm_wire_reply)), 0);
}
END_TEST

START_TEST(every_type_is_known_here)
{
	ck_assert_uint_eq(COUNT(forms), RM_MOVE);
}
END_TEST

START_TEST(fault_times_are_right_to_a_quarter)
{
	uint32_t times[RM_FAULT_TIMES] = { 0 };

	ck_assert_uint_eq(rm_fault_within(times, 500), 0);
	ck_assert_uint_eq(rm_fault_time(0), 0);
	ck_assert_uint_eq(rm_fault_time(UINT64_MAX), RM_FAULT_TIMES - 1);
	for (uint64_t ns = 4000; ns < 262000000; ns += ns / 7) {
		unsigned i = rm_fault_time(ns);

		memset(times, 0, sizeof(times));
		times[i] = 1;
		ck_assert(rm_fault_within(times, 500) > ns);
		ck_assert(rm_fault_within(times, 500) <= ns + ns / 4 + 1000);
	}
	memset(times, 0, sizeof(times));
	times[rm_fault_time(10500)] = 985;
	times[rm_fault_time(900000)] = 15;
	ck_assert_uint_eq(rm_fault_within(times, 500), 12000);
	ck_assert_uint_eq(rm_fault_within(times, 990), 1024000);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ exact_length_only, COUNT(forms) }, { open_texts, COUNT(forms) }, { heads, 0 },
		{ types_that_are_none, 0 }, { unaligned, 0 }, { every_type_is_known_here, 0 },
		{ fault_times_are_right_to_a_quarter, 0 },
	};

	return unit_run("wire", tests, COUNT(tests));
}
