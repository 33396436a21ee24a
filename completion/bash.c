/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bash.c - the tables of completion/bash.in: associative arrays
 *
 * The kinds of an operand are joined by commas: id, at, file, directory, program, =WORD; none is
 * "-". An option with a value ends with "=". No text of --help is printed: bash has no place for
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "completion.h"

static void kinds_print(const struct operand *operand)
{
	const char *comma = "", *word = operand->words;
	const struct { bool is; const char *name; } kinds[] = {
		{ operand->id, "id" }, { operand->at, "at" }, { operand->file, "file" },
		{ operand->directory, "directory" }, { operand->program, "program" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].is) {
			printf("%s%s", comma, kinds[i].name);
			comma = ",";
		}
	}
	while (*word) {
		size_t length = strcspn(word, " ");

		printf("%s=%.*s", comma, (int)length, word);
		comma = ",";
		word += length + (word[length] == ' ');
	}
	if (!*comma)
		putchar('-');
}

static void option_name(const struct part *part, const struct rm_argument *option)
{
	(void)part;
	printf(" %s%s", option->name, option->value ? "=" : "");
}

static void option_value(const struct part *part, const struct rm_argument *option)
{
	struct operand operands[OPERANDS_MAX] = { 0 };

	if (!option->value)
		return;
	operands_read(option->value, operands);
	printf("\t\t[%s%s]='", part->name, option->name);
	kinds_print(&operands[0]);
	printf("'\n");
}

void bash_print(const struct part *parts, size_t count)
{
	printf("\tlocal commands='");
	for (size_t i = 1; i < count; i++)
		printf("%s%s", i > 1 ? " " : "", parts[i].name);
	printf("'\n\tlocal -A options=(\n");
	for (size_t i = 0; i < count; i++) {
		printf("\t\t[%s]='", parts[i].name);
		part_options(&parts[i], option_name);
		printf(" '\n");
	}
	printf("\t)\n\tlocal -A values=(\n");
	for (size_t i = 0; i < count; i++)
		part_options(&parts[i], option_value);
	printf("\t)\n\tlocal -A operands=(\n");
	for (size_t i = 0; i < count; i++) {
		printf("\t\t[%s]='", parts[i].name);
		for (unsigned j = 0; j < parts[i].operand_count; j++) {
			printf("%s", j ? " " : "");
			kinds_print(&parts[i].operands[j]);
		}
		printf("'\n");
	}
	printf("\t)\n");
}
