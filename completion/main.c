/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - writes the file by which a shell completes a program's commands and options
 *
 *     generate bash|zsh|fish PROGRAM <TEMPLATE >FILE
 *
 * The template is the part that does not depend on the tables. In it @PROGRAM@ stands for the
 * program's name, a line @TABLES@ for what is printed from the tables, and @SERVICES@ for what
 * the file completes.
 */
#include <stdio.h>
#include <string.h>

#include "completion.h"

#define LINE_SIZE 1024

static const struct shell {
	const char *name;
	void (*print)(const struct part *parts, size_t count);
} shells[] = {
	{ "bash", bash_print }, { "zsh", zsh_print }, { "fish", fish_print },
};

/* Print a line of the template. */
static void line_print(const char *line, const struct shell *shell, const struct part *parts,
                       size_t count)
{
	if (!strcmp(line, "@TABLES@\n")) {
		shell->print(parts, count);
		return;
	}
	while (*line) {
		if (!strncmp(line, "@PROGRAM@", strlen("@PROGRAM@"))) {
			fputs(parts[0].name, stdout);
			line += strlen("@PROGRAM@");
		} else if (!strncmp(line, "@SERVICES@", strlen("@SERVICES@"))) {
			zsh_services(parts[0].name);
			line += strlen("@SERVICES@");
		} else {
			putchar(*line++);
		}
	}
}

int main(int argc, char **argv)
{
	const struct shell *shell = NULL;
	const struct part *parts;
	char line[LINE_SIZE];
	size_t count;

	for (size_t i = 0; argc == 3 && i < sizeof(shells) / sizeof(shells[0]); i++)
		if (!strcmp(argv[1], shells[i].name))
			shell = &shells[i];
	count = shell ? parts_find(argv[2], &parts) : 0;
	if (!count) {
		fputs("usage: generate bash|zsh|fish rmmap|rmmapd <TEMPLATE >FILE\n", stderr);
		return 2;
	}
	while (fgets(line, sizeof(line), stdin))
		line_print(line, shell, parts, count);
	return ferror(stdin) || fflush(stdout) || ferror(stdout);
}
