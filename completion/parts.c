/* SPDX-License-Identifier: BSD-2-Clause */
/* parts.c - collects the commands and options of a program, and reads their usage lines */
#include <stdio.h>
#include <string.h>

#include "../src/cli/commands.h"
#include "../src/daemon/arguments.h"
#include "../src/function/arguments.h"
#include "completion.h"

#define PARTS_MAX 64

/* ---- usage lines ---- */

/* The length of a word. One that has a bracket in it, such as A[@B|C], goes on behind that. */
static size_t word_length(const char *text)
{
	size_t length = 0;
	int depth = 0;

	for (; text[length]; length++) {
		if (text[length] == '[' && length)
			depth++;
		else if (text[length] == ']' && --depth < 0)
			break;
		else if (!depth && strchr(" |{}", text[length]))
			break;
	}
	return length;
}

static bool word_is(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && !strncmp(text, word, length);
}

/* Add a word of the usage line to what may stand for an operand. */
static void operand_add(struct operand *operand, const char *text, size_t length)
{
	size_t used = strlen(operand->words);

	if (word_is(text, length, "ID"))
		operand->id = true;
	else if (word_is(text, length, "@FILE"))
		operand->at = true;
	else if (word_is(text, length, "FILE") || word_is(text, length, "PATH"))
		operand->file = true;
	else if (word_is(text, length, "DIR"))
		operand->directory = true;
	else if (word_is(text, length, "PROG"))
		operand->program = true;
	else if ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= '0' && text[0] <= '9'))
		snprintf(operand->words + used, sizeof(operand->words) - used, "%s%.*s",
		         used ? " " : "", (int)strcspn(text, "[ |"), text);
}

unsigned operands_read(const char *text, struct operand operands[OPERANDS_MAX])
{
	unsigned count = 0;
	bool joined = false;

	while (*text) {
		size_t length;

		if (strchr(" {}[]|", *text)) {
			joined = joined || *text == '|';
			text++;
			continue;
		}
		length = word_length(text);
		if (!word_is(text, length, "--")) {
			if (!joined && count == OPERANDS_MAX)
				return count;
			if (!joined)
				operands[count++] = (struct operand){ .text = text };
			operand_add(&operands[count - 1], text, length);
			operands[count - 1].length = (size_t)(text + length -
			                                      operands[count - 1].text);
		}
		joined = false;
		text += length;
	}
	return count;
}

/* ---- parts ---- */

/* rmmap function hands its line to rmmap-function, whose options it has. */
static void part_command(struct part *part, const struct command_desc *command)
{
	*part = (struct part){ .name = command->name, .summary = command->summary };
	if (!strcmp(command->name, "function")) {
		part->options = function_options;
		part->option_count = FUNCTION_OPTIONS;
		return;
	}
	part->options = command->options;
	while (part->option_count < COMMAND_OPTIONS && command->options[part->option_count].name)
		part->option_count++;
	part->adds_help = true;
	part->operand_count = operands_read(command->operands, part->operands);
}

size_t parts_find(const char *program, const struct part **parts)
{
	static struct part found[PARTS_MAX];
	size_t count = 1;

	*parts = found;
	if (!strcmp(program, "rmmapd")) {
		found[0] = (struct part){ .name = program, .options = rmmapd_options,
			.option_count = RMMAPD_OPTIONS };
		return count;
	}
	if (strcmp(program, "rmmap") || command_count >= PARTS_MAX)
		return 0;
	found[0] = (struct part){ .name = program, .options = general_options,
		.option_count = sizeof(general_options) / sizeof(general_options[0]) };
	for (size_t i = 0; i < command_count; i++)
		part_command(&found[count++], &commands[i]);
	return count;
}

void part_options(const struct part *part, void (*each)(const struct part *part,
                                                         const struct rm_argument *option))
{
	static const struct rm_argument help = { "--help", NULL, "print this", 0 };

	for (size_t i = 0; i < part->option_count; i++)
		each(part, &part->options[i]);
	if (part->adds_help)
		each(part, &help);
}
