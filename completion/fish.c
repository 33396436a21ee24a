/* SPDX-License-Identifier: BSD-2-Clause */
/* fish.c - the tables of completion/fish.in: a "complete" for each command, option and operand */
#include <stdio.h>
#include <string.h>

#include "completion.h"

static const char *program;

/* Print a text within '...'. */
static void text_print(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text == '\n' ? ' ' : *text);
	}
}

/* The arguments of "complete" for what may stand for a word. */
static void kinds_print(const struct operand *operand)
{
	if (operand->file)
		printf(" -F");
	if (operand->id || operand->at || operand->directory || operand->words[0])
		printf(" -k -a '%s%s%s%s'", operand->words[0] ? operand->words : "",
		       operand->id ? " (__rmmap_ids)" : "", operand->at ? " (__rmmap_at)" : "",
		       operand->directory ? " (__fish_complete_directories)" : "");
}

static void option_print(const struct part *part, const struct rm_argument *option)
{
	struct operand operands[OPERANDS_MAX] = { 0 };

	printf("complete -c %s -n '__%s_options %s' -l %s", program, program, part->name,
	       option->name + strlen("--"));
	if (option->value) {
		operands_read(option->value, operands);
		printf(" -r%s", operands[0].file ? "" : " -f");
		kinds_print(&operands[0]);
	}
	printf(" -d '");
	text_print(option->help);
	printf("'\n");
}

static void operand_print(const struct part *part, unsigned index)
{
	const struct operand *operand = &part->operands[index];

	if (!operand->id && !operand->at && !operand->file && !operand->directory &&
	    !operand->program && !operand->words[0])
		return;
	printf("complete -c %s -n '__%s_operand %s %u'", program, program, part->name, index + 1);
	if (operand->program)
		printf(" -a '(__%s_program)'", program);
	else
		kinds_print(operand);
	printf("\n");
}

/* The options that have a value, and the commands whose first operand is a program. */
static void lists_print(const struct part *parts, size_t count)
{
	printf("set -g __%s_valued", program);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < parts[i].option_count; j++)
			if (parts[i].options[j].value)
				printf(" %s", parts[i].options[j].name);
	printf("\nset -g __%s_runs", program);
	for (size_t i = 0; i < count; i++)
		if (parts[i].operand_count && parts[i].operands[0].program)
			printf(" %s", parts[i].name);
	printf("\nset -g __%s_commands", program);
	for (size_t i = 1; i < count; i++)
		printf(" %s", parts[i].name);
	printf("\n");
}

void fish_print(const struct part *parts, size_t count)
{
	program = parts[0].name;
	lists_print(parts, count);
	printf("complete -c %s -f\n", program);
	for (size_t i = 1; i < count; i++) {
		printf("complete -c %s -n '__%s_operand %s 1' -a %s -d '", program, program, program,
		       parts[i].name);
		text_print(parts[i].summary);
		printf("'\n");
	}
	for (size_t i = 0; i < count; i++) {
		part_options(&parts[i], option_print);
		for (unsigned j = 0; j < parts[i].operand_count; j++)
			operand_print(&parts[i], j);
	}
}
