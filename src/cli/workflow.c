/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workflow.c - parses a workflow, computes which content may meet, assigns slots
 *
 * Content travels transitively: a function that attaches a publication and publishes passes both
 * on. So the content of two instances may meet exactly if there is a function that both reach.
 */
#include "workflow.h"

#include <errno.h>
#include <string.h>

#include "../common/say.h"
#include "../common/segment.h"

struct cursor {                         /* a position in one line */
	const char *at, *end;
	uint32_t line;
};

struct item {                           /* NAME or NAME*N */
	const char *name;
	size_t length;
	uint32_t instances;             /* 0: not given */
};

/* Set *error to a message about line number. Its value is -EINVAL. */
#define WRONG(error, number, ...) \
	((error)->line = (number), \
	 (void)rm_format((error)->text, sizeof((error)->text), __VA_ARGS__), -EINVAL)

/* ---- words ---- */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

/* Skip blanks. True at the end of the line or at a comment. */
static bool cursor_at_end(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r'))
		c->at++;
	return c->at == c->end || *c->at == '#';
}

/* Report the character at the cursor, in a form that is safe to print. */
static int cursor_unexpected(const struct cursor *c, struct workflow_error *error,
                             const char *wanted)
{
	if (c->at == c->end || *c->at == '#')
		return WRONG(error, c->line, "the line ends where %s is expected", wanted);
	if (*c->at > ' ' && *c->at <= '~')
		return WRONG(error, c->line, "'%c' where %s is expected", *c->at, wanted);
	return WRONG(error, c->line, "a byte 0x%02x where %s is expected",
	             (unsigned)(unsigned char)*c->at, wanted);
}

/* Parse "*N". Numbers above the number of slots are refused, so n cannot overflow. */
static int take_instances(struct cursor *c, struct item *item, uint32_t slots,
                          struct workflow_error *error)
{
	const char *digits = ++c->at;
	uint32_t n = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		/* Once it is too large it stays so; the digits are skipped all the same. */
		n = n > slots ? n : n * 10 + (uint32_t)(*c->at - '0');
	if (c->at == digits)
		return cursor_unexpected(c, error, "a number of instances");
	if (c->at < c->end && is_name(*c->at))
		return cursor_unexpected(c, error, "the end of the number");
	if (!n)
		return WRONG(error, c->line, "'%.*s' has no instances: give it one or more",
		             (int)item->length, item->name);
	if (n > slots)
		return WRONG(error, c->line, "too many instances of '%.*s': there are %u slots",
		             (int)item->length, item->name, slots);
	item->instances = n;
	return 0;
}

/* Parse "NAME" or "NAME*N". */
static int take_item(struct cursor *c, struct item *item, uint32_t slots,
                     struct workflow_error *error)
{
	*item = (struct item){ .name = c->at };
	while (c->at < c->end && is_name(*c->at))
		c->at++;
	item->length = (size_t)(c->at - item->name);
	if (!item->length)
		return cursor_unexpected(c, error, "a name");
	if (item->length > WORKFLOW_NAME_MAX)
		return WRONG(error, c->line, "a name is longer than %d bytes", WORKFLOW_NAME_MAX);
	if (c->at < c->end && *c->at == '*')
		return take_instances(c, item, slots, error);
	return 0;
}

/* Parse "NAME:"; the names of the upstream functions follow. */
static int take_head(struct cursor *c, struct item *item, uint32_t slots,
                     struct workflow_error *error)
{
	int wrong = take_item(c, item, slots, error);

	if (wrong)
		return wrong;
	if (cursor_at_end(c) || *c->at != ':')
		return cursor_unexpected(c, error, "a ':' after the function's name");
	c->at++;
	return 0;
}

/* The function of this name, or NULL. */
static struct workflow_function *function_find(struct workflow *workflow, const struct item *item)
{
	for (uint32_t i = 0; i < workflow->count; i++) {
		struct workflow_function *function = &workflow->functions[i];

		if (!strncmp(function->name, item->name, item->length) &&
		    !function->name[item->length])
			return function;
	}
	return NULL;
}

/* ---- lines: a name may be used before its definition, so all lines are parsed twice ---- */

/* First pass: add the function that the line defines. */
static int line_define(struct workflow *workflow, struct cursor *c, uint32_t slots,
                       struct workflow_error *error)
{
	struct workflow_function *function;
	struct item item;
	int wrong = take_head(c, &item, slots, error);

	if (wrong)
		return wrong;
	function = function_find(workflow, &item);
	if (function)
		return WRONG(error, c->line, "'%s' is in line %u already: one line for each "
		             "function", function->name, function->line);
	if (workflow->count == WORKFLOW_FUNCTIONS_MAX)
		return WRONG(error, c->line, "more than %u functions", WORKFLOW_FUNCTIONS_MAX);
	function = &workflow->functions[workflow->count++];
	memset(function, 0, sizeof(*function));
	memcpy(function->name, item.name, item.length);
	function->line = c->line;
	function->instances = item.instances ? item.instances : 1;
	return 0;
}

/* Second pass: record the upstream functions of the line. */
static int line_connect(struct workflow *workflow, struct cursor *c, uint32_t slots,
                        struct workflow_error *error)
{
	struct workflow_function *function, *upstream;
	struct item item;
	int wrong = take_head(c, &item, slots, error);

	if (wrong)
		return wrong;
	/* Found in any case: the first pass has defined it from this very line. */
	function = function_find(workflow, &item);
	while (!cursor_at_end(c)) {
		uint32_t index;

		wrong = take_item(c, &item, slots, error);
		if (wrong)
			return wrong;
		upstream = function_find(workflow, &item);
		if (!upstream)
			return WRONG(error, c->line, "unknown function '%.*s': no line defines it",
			             (int)item.length, item.name);
		if (item.instances && item.instances != upstream->instances)
			return WRONG(error, c->line, "'%s' has %u instances in line %u, not %u",
			             upstream->name, upstream->instances, upstream->line,
			             item.instances);
		index = (uint32_t)(upstream - workflow->functions);
		if (rm_bit(function->upstream, index))
			return WRONG(error, c->line, "'%s' is named twice", upstream->name);
		rm_bit_set(function->upstream, index);
	}
	return 0;
}

/* Call take() for each line that is not empty, until it returns an error. */
static int each_line(struct workflow *workflow, const char *text, size_t size, uint32_t slots,
                     int (*take)(struct workflow *, struct cursor *, uint32_t,
                                 struct workflow_error *), struct workflow_error *error)
{
	const char *end = text + size;
	struct cursor c = { 0 };
	int wrong = 0;

	for (const char *at = text; at < end && !wrong; at = c.end < end ? c.end + 1 : end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		c.at = at;
		c.end = newline ? newline : end;
		c.line++;
		if (!cursor_at_end(&c))
			wrong = take(workflow, &c, slots, error);
	}
	return wrong;
}

/* ---- the graph ---- */

/* True if every member of set is in of. */
static bool set_subset(const uint64_t *set, const uint64_t *of)
{
	for (uint32_t i = 0; i < WORKFLOW_WORDS; i++)
		if (set[i] & ~of[i])
			return false;
	return true;
}

/*
 * Report a cycle. Each function that is not done has an upstream function that is not done, so a
 * walk upstream from at ends in a cycle. The first round finds a function in the cycle; the second
 * walks once around it, to find its members and the first line of them.
 */
static int say_cycle(const struct workflow *workflow, const uint64_t *done, uint32_t at,
                     struct workflow_error *error)
{
	uint64_t seen[WORKFLOW_WORDS] = { 0 };
	const struct workflow_function *first, *other = NULL;
	uint32_t start;

	for (int round = 0; round < 2; round++) {
		start = at;
		first = &workflow->functions[start];
		memset(seen, 0, sizeof(seen));
		while (!rm_bit(seen, at)) {
			const struct workflow_function *here = &workflow->functions[at];
			uint32_t next = 0;

			rm_bit_set(seen, at);
			if (here->line < first->line)
				first = here;
			while (!rm_bit(here->upstream, next) || rm_bit(done, next))
				next++;
			at = next;
		}
	}
	for (uint32_t i = 0; i < workflow->count && !other; i++)
		if (rm_bit(seen, i) && rm_bit(first->upstream, i))
			other = &workflow->functions[i];
	if (!other || other == first)
		return WRONG(error, first->line, "a cycle: '%s' is its own upstream", first->name);
	return WRONG(error, first->line, "a cycle: '%s' needs '%s', which needs '%s' in the end",
	             first->name, other->name, first->name);
}

/*
 * Sort the functions into order[], upstream first: indexes, which fit 16 bits by
 * WORKFLOW_FUNCTIONS_MAX. Fails if there is a cycle.
 */
static int functions_sort(const struct workflow *workflow, uint16_t order[],
                          struct workflow_error *error)
{
	uint64_t done[WORKFLOW_WORDS] = { 0 };
	uint32_t count = 0, before;

	/*
	 * Each round takes all whose upstream functions are done. A round that takes none ends
	 * it: what is left is in a cycle or needs one.
	 */
	do {
		before = count;
		for (uint32_t i = 0; i < workflow->count; i++) {
			if (rm_bit(done, i) || !set_subset(workflow->functions[i].upstream, done))
				continue;
			rm_bit_set(done, i);
			order[count++] = (uint16_t)i;
		}
	} while (count > before);
	for (uint32_t i = 0; i < workflow->count; i++)
		if (!rm_bit(done, i))
			return say_cycle(workflow, done, i, error);
	return 0;
}

/* Compute reaches[]: downstream functions first, each adds its own set to those upstream of it. */
static void close_graph(struct workflow *workflow, const uint16_t order[])
{
	struct workflow_function *functions = workflow->functions;
	uint64_t start, run;

	/*
	 * Downstream first, so the set of a function is complete before it is handed on: one pass
	 * is enough.
	 */
	for (uint32_t n = workflow->count; n-- > 0;) {
		struct workflow_function *below = &functions[order[n]];

		rm_bit_set(below->reaches, order[n]);
		for (uint64_t from = 0; rm_bit_run(below->upstream, from, workflow->count, true,
		                                   &start, &run); from = start + run)
			for (uint64_t i = start; i < start + run; i++)
				for (uint32_t w = 0; w < WORKFLOW_WORDS; w++)
					functions[i].reaches[w] |= below->reaches[w];
	}
}

bool workflow_meet(const struct workflow_function *a, const struct workflow_function *b)
{
	for (uint32_t i = 0; i < WORKFLOW_WORDS; i++)
		if (a->reaches[i] & b->reaches[i])
			return true;
	return false;
}

/* ---- slots ---- */

/* Give a function the lowest slots that are not in avoid. */
static int slots_assign(struct workflow *workflow, uint32_t index, const uint64_t *avoid,
                        uint32_t slots, struct workflow_error *error)
{
	struct workflow_function *function = &workflow->functions[index];
	uint32_t given = 0;

	for (uint32_t slot = 0; slot < slots && given < function->instances; slot++)
		if (!rm_bit(avoid, slot)) {
			rm_bit_set(function->slots, slot);
			given++;
		}
	if (given == function->instances)
		return 0;
	return WRONG(error, function->line, "too many instances: '%s' wants %u slots, and %u of %u "
	             "are not taken by what it may meet", function->name, function->instances,
	             given, slots);
}

/*
 * Assign slots to all functions in order of lines. If there are enough slots for all instances, no
 * two share one. Otherwise a function avoids only the slots of functions that it may meet.
 */
static int slots_assign_all(struct workflow *workflow, uint32_t slots, struct workflow_error *error)
{
	uint64_t total = 0;
	int wrong = 0;

	for (uint32_t i = 0; i < workflow->count; i++)
		total += workflow->functions[i].instances;
	for (uint32_t i = 0; i < workflow->count && !wrong; i++) {
		const struct workflow_function *functions = workflow->functions;
		uint64_t avoid[WORKFLOW_SLOT_WORDS] = { 0 };

		for (uint32_t j = 0; j < i; j++)
			if (total <= slots || workflow_meet(&functions[i], &functions[j]))
				for (uint32_t w = 0; w < WORKFLOW_SLOT_WORDS; w++)
					avoid[w] |= functions[j].slots[w];
		wrong = slots_assign(workflow, i, avoid, slots, error);
	}
	return wrong;
}

int workflow_plan(const char *text, size_t size, uint32_t slots, struct workflow *workflow,
                  struct workflow_error *error)
{
	uint16_t order[WORKFLOW_FUNCTIONS_MAX];
	int wrong;

	workflow->count = 0;
	wrong = each_line(workflow, text, size, slots, line_define, error);
	if (!wrong)
		wrong = each_line(workflow, text, size, slots, line_connect, error);
	if (!wrong)
		wrong = functions_sort(workflow, order, error);
	if (wrong)
		return wrong;
	close_graph(workflow, order);
	return slots_assign_all(workflow, slots, error);
}
