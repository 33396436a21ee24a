/* SPDX-License-Identifier: BSD-2-Clause */
/* test_workflow - what is a workflow, who may meet, who gets which slot */
#include "../unit.h"

#include <stdio.h>

#include "../../../src/cli/workflow.h"
#include "segment.h"

static struct workflow w;
static struct workflow_error error;

static int plan(const char *text, uint32_t slots)
{
	memset(&error, 0, sizeof(error));
	return workflow_plan(text, strlen(text), slots, &w, &error);
}

static bool share(uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < WORKFLOW_SLOT_WORDS; i++)
		if (w.functions[a].slots[i] & w.functions[b].slots[i])
			return true;
	return false;
}

START_TEST(reads)
{
	const char *text = "# words\n\nreduce : map\t# here already\r\n\tmap*3:split*1\nsplit:";

	ck_assert_int_eq(plan(text, 1024), 0);
	ck_assert_uint_eq(w.count, 3);
	ck_assert_str_eq(w.functions[0].name, "reduce");
	ck_assert_uint_eq(w.functions[0].line, 3);
	ck_assert_str_eq(w.functions[1].name, "map");
	ck_assert_uint_eq(w.functions[1].instances, 3);
	ck_assert_str_eq(w.functions[2].name, "split");
	ck_assert_uint_eq(w.functions[2].line, 5);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(rm_bit_count(w.functions[i].slots, 1024), i == 1 ? 3 : 1);
	ck_assert(!share(0, 1) && !share(0, 2) && !share(1, 2));
	ck_assert_int_eq(plan("", 1024), 0);
	ck_assert_uint_eq(w.count, 0);
	ck_assert_int_eq(plan("A-b_c.9:", 1024), 0);
	ck_assert_str_eq(w.functions[0].name, "A-b_c.9");
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *says;
	} table[] = {
		{ "a:\nb", 2, "':'" },
		{ "a:\n: a", 2, "a name" },
		{ "a:\n\n\nb: a,a", 4, "','" },
		{ "a:\nb: a: a", 2, "':'" },
		{ "a:\nb: a*", 2, "number" },
		{ "a*x:", 1, "number" },
		{ "a*2x:", 1, "number" },
		{ "a*-2:", 1, "number" },
		{ "a*0:", 1, "one or more" },
		{ "a*2*2:", 1, "':'" },
		{ "a b:", 1, "':'" },
		{ "a\xc3\xa4:", 1, "0xc3" },
		{ "# c\na:\nb:\na: b", 4, "line 2" },
		{ "a:\nb: a c\n", 2, "unknown function 'c'" },
		{ "a: b a*2\nb:", 1, "1 instances" },
		{ "a*3:\nb: a*2", 2, "3 instances" },
		{ "a:\nb: a a", 2, "twice" },
		{ "x:\na: a", 2, "own upstream" },
		{ "x: a\na: b\nb: c\nc: a x2\nx2:", 2, "cycle" },
		{ "down: c\nc: b\nb: d\nd: c\n", 2, "'c' needs 'b'" },
		{ "a*1025:", 1, "too many instances" },
		{ "a:\nb*99999999999999999999: a", 2, "too many instances" },
		{ "a*1000:\nb*24:\nd: a b\n", 3, "too many instances" },
	};
	char name[80];

	for (size_t i = 0; i < COUNT(table); i++) {
		ck_assert_msg(plan(table[i].text, 1024) == -EINVAL, "%s", table[i].text);
		ck_assert_msg(error.line == table[i].line, "line %u: %s", error.line, table[i].text);
		ck_assert_msg(strstr(error.text, table[i].says), "%s: %s", table[i].text, error.text);
	}
	ck_assert_int_eq(workflow_plan("a:\nb\0:", 6, 1024, &w, &error), -EINVAL);
	ck_assert_uint_eq(error.line, 2);
	memset(name, 'n', sizeof(name));
	strcpy(name + WORKFLOW_NAME_MAX, ":");
	ck_assert_int_eq(plan(name, 1024), 0);
	strcpy(name + WORKFLOW_NAME_MAX, "n:");
	ck_assert_int_eq(plan(name, 1024), -EINVAL);
}
END_TEST

/* Two arms that share a source, one that does not; what meets only by way of others. */
START_TEST(meets)
{
	ck_assert_int_eq(plan("source:\nleft: source\nright: source\nleaf: left\nalone:\n"
	                      "other: alone\nhigh:\nboth: high right\n", 1024), 0);
	enum { SOURCE, LEFT, RIGHT, LEAF, ALONE, OTHER, HIGH, BOTH };
	static const struct {
		uint32_t a, b;
		bool meet;
	} table[] = {
		{ SOURCE, LEFT, true }, { SOURCE, LEAF, true }, { LEFT, RIGHT, false },
		{ LEAF, RIGHT, false }, { HIGH, RIGHT, true }, { HIGH, SOURCE, true },
		{ HIGH, LEFT, false }, { ALONE, OTHER, true }, { ALONE, SOURCE, false },
		{ BOTH, SOURCE, true }, { BOTH, LEAF, false },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		const struct workflow_function *a = &w.functions[table[i].a];
		const struct workflow_function *b = &w.functions[table[i].b];

		ck_assert_msg(workflow_meet(a, b) == table[i].meet, "%s %s", a->name, b->name);
		ck_assert_msg(workflow_meet(b, a) == table[i].meet, "%s %s", b->name, a->name);
	}
}
END_TEST

/* While there are slots for all, all differ; then those that never meet share. */
START_TEST(shares_when_it_must)
{
	ck_assert_int_eq(plan("a*4:\nb*4:", 8), 0);
	ck_assert(!share(0, 1));
	ck_assert_int_eq(plan("a*4:\nb*4:", 7), 0);
	ck_assert(share(0, 1));
	ck_assert_int_eq(plan("a*600:\nb*600: a\nc*1024:\n", 1024), -EINVAL);
	ck_assert_uint_eq(error.line, 2);
	ck_assert_int_eq(plan("a*24:\nb*1000: a\nc*1000: a\n", 1024), 0);
	ck_assert(share(1, 2) && !share(0, 1) && !share(0, 2));
	ck_assert_int_eq(plan("a*24:\nb*1000: a\nc*1000: a\nd: b c\n", 1024), -EINVAL);
	ck_assert_uint_eq(error.line, 3);
}
END_TEST

/* As many functions as there may be, in one chain, backwards. */
START_TEST(largest)
{
	size_t size = WORKFLOW_FUNCTIONS_MAX * 16, used = 0;
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	for (unsigned i = 0; i + 1 < WORKFLOW_FUNCTIONS_MAX; i++)
		used += (size_t)snprintf(text + used, size - used, "f%u: f%u\n", i, i + 1);
	snprintf(text + used, size - used, "f%u:\n", WORKFLOW_FUNCTIONS_MAX - 1);
	ck_assert_int_eq(plan(text, 1024), 0);
	ck_assert_uint_eq(w.count, WORKFLOW_FUNCTIONS_MAX);
	ck_assert(workflow_meet(&w.functions[0], &w.functions[WORKFLOW_FUNCTIONS_MAX - 1]));
	used += (size_t)snprintf(text + used, size - used, "f%u: f0\n", WORKFLOW_FUNCTIONS_MAX - 1);
	ck_assert_int_eq(plan(text, 1024), -EINVAL);
	ck_assert_uint_eq(error.line, 1);
	snprintf(text + used, size - used, "more:\n");
	ck_assert_int_eq(plan(text, 1024), -EINVAL);
	ck_assert_uint_eq(error.line, WORKFLOW_FUNCTIONS_MAX + 1);
	free(text);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ reads, 0 }, { refuses, 0 }, { meets, 0 }, { shares_when_it_must, 0 },
		{ largest, 0 },
	};

	return unit_run("workflow", tests, COUNT(tests));
}
