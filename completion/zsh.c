/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zsh.c - the tables of completion/zsh.in: specifications for _arguments, values of variables
 */
#include <stdio.h>
#include <string.h>

#include "../src/common/options.h"
#include "completion.h"

/* Print a text within '...', with a backslash before each of these characters. */
static void text_print(const char *text, size_t length, const char *special)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\'')
			fputs("'\\'", stdout);
		else if (strchr(special, text[i]))
			putchar('\\');
		putchar(text[i] == '\n' ? ' ' : text[i]);
	}
}

/* ":MESSAGE: ACTION" of an operand or of an option's value. The space keeps other arguments away. */
static void action_print(const struct operand *operand)
{
	bool any = operand->id || operand->at || operand->file || operand->directory ||
	           operand->words[0];

	putchar(':');
	text_print(operand->text, operand->length, ":\\");
	putchar(':');
	if (operand->program) {
		printf(" _command_names -e");
		return;
	}
	if (!any) {
		putchar(' ');
		return;
	}
	printf(" _rmmap_operand%s%s%s%s", operand->id ? " id" : "", operand->at ? " at" : "",
	       operand->file ? " file" : "", operand->directory ? " directory" : "");
	if (operand->words[0])
		printf(" %s", operand->words);
}

static void option_print(const struct part *part, const struct rm_argument *option)
{
	struct operand operands[OPERANDS_MAX] = { 0 };

	(void)part;
	printf("\t\t'");
	if (!strcmp(option->name, "--help") || !strcmp(option->name, "--version"))
		printf("(- *)");
	printf("%s%s[", option->name, option->value ? "=" : "");
	text_print(option->help, strlen(option->help), "[]:\\");
	putchar(']');
	if (option->value) {
		operands_read(option->value, operands);
		action_print(&operands[0]);
	}
	printf("'\n");
}

static void part_print(const struct part *part)
{
	printf("\t%s)\n\t\targuments=(\n", part->name);
	part_options(part, option_print);
	for (unsigned i = 0; i < part->operand_count; i++) {
		/* the options of a program are its own */
		printf("\t\t'%s%u", part->operands[i].program ? "(-)" : "", i + 1);
		action_print(&part->operands[i]);
		printf("'\n");
		if (part->operands[i].program) {
			printf("\t\t'*::argument: _normal'\n");
			break;
		}
	}
	printf("\t\t)\n\t\t;;\n");
}

void zsh_print(const struct part *parts, size_t count)
{
	printf("\tknown=(\n");
	for (size_t i = 1; i < count; i++) {
		printf("\t\t'%s:", parts[i].name);
		text_print(parts[i].summary, strlen(parts[i].summary), ":\\");
		printf("'\n");
	}
	printf("\t)\n\tcase $1 in\n");
	for (size_t i = 0; i < count; i++)
		part_print(&parts[i]);
	for (size_t i = 0; i < rm_option_count && count > 1; i++) {
		struct operand operands[OPERANDS_MAX] = { 0 };

		operands_read(rm_option_table[i].value, operands);
		printf("\t-value-,%s,*)\n\t\targuments=('1", rm_option_table[i].name);
		action_print(&operands[0]);
		printf("')\n\t\t;;\n");
	}
	printf("\tesac\n");
}

/* Values of RMMAP_ variables are completed where they are assigned, by the file of rmmap. */
void zsh_services(const char *program)
{
	printf("%s", program);
	for (size_t i = 0; i < rm_option_count && !strcmp(program, "rmmap"); i++)
		printf(" -value-,%s,-default-", rm_option_table[i].name);
}
