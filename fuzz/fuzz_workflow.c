/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_workflow.c - workflows as rmmap plan reads them
 *
 * The first byte is how many slots there are. In what is planned, slots are counted and
 * compared, and who reaches whom is found out once more, the slow way.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "../src/cli/workflow.h"
#include "segment.h"

#define SLOW_MAX 24u            /* functions for the slow way */

static void check_slots(const struct workflow *w, uint32_t slots)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct workflow_function *f = &w->functions[i];

		MUST(f->name[0] && memchr(f->name, 0, sizeof(f->name)));
		MUST(f->line > 0 && (i == 0 || f->line > w->functions[i - 1].line));
		MUST(f->instances > 0 && f->instances <= slots);
		MUST(rm_bit_count(f->slots, slots) == f->instances);
		MUST(rm_bit_count(f->slots, RM_SLOTS_MAX) == f->instances);
		for (uint32_t j = 0; j < i; j++)
			for (uint32_t k = 0; k < WORKFLOW_SLOT_WORDS; k++)
				MUST(!(f->slots[k] & w->functions[j].slots[k]) ||
				     !workflow_meet(f, &w->functions[j]));
	}
}

static void check_reach(const struct workflow *w)
{
	bool reach[SLOW_MAX][SLOW_MAX] = { { false } };

	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t j = 0; j < w->count; j++)
			reach[i][j] = i == j || rm_bit(w->functions[j].upstream, i);
	for (uint32_t k = 0; k < w->count; k++)
		for (uint32_t i = 0; i < w->count; i++)
			for (uint32_t j = 0; j < w->count; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t j = 0; j < w->count; j++) {
			MUST(rm_bit(w->functions[i].reaches, j) == reach[i][j]);
			MUST(i == j || !reach[i][j] || !reach[j][i]);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct workflow w;
	struct workflow_error error = { 0 };
	uint32_t slots, lines = 1;
	char *text;
	int result;

	if (size == 0)
		return 0;
	slots = data[0] < 128 ? 1u + data[0] : RM_SLOTS_MAX;
	text = malloc(size);            /* no NUL after it */
	MUST(text != NULL);
	memcpy(text, data + 1, size - 1);
	for (size_t i = 0; i + 1 < size; i++)
		lines += text[i] == '\n';
	result = workflow_plan(text, size - 1, slots, &w, &error);
	free(text);
	if (result) {
		MUST(result == -EINVAL && error.text[0]);
		MUST(memchr(error.text, 0, sizeof(error.text)));
		MUST(error.line >= 1 && error.line <= lines);
		return 0;
	}
	check_slots(&w, slots);
	if (w.count <= SLOW_MAX)
		check_reach(&w);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	/* '0' is 48, so 49 slots; '\xff' is all */
	static const char *const seeds[] = {
		"0split:\nmap*4: split\nreduce: map\n",
		"\xff# text\n\n a :\tb c # more\r\nb*3:d*2\nc: d\nd*2:",
		"0a*20:\nb*20:\nc*20: a\nd*20:\n",
		"0a: b\nb: c\nc: a d\nd:\n", "0a: a", "0a*50:", "0a:\na:", "0a: x", "0a", "0a*:", "0a: b b\nb:",
		"\xff" "a*1024:\nb*1024:\n", "0", "0a*49:\nb:\nc: b",
	};

	return fuzz_seed_text(seeds, sizeof(seeds) / sizeof(seeds[0]), n, data);
}
