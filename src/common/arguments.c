/* SPDX-License-Identifier: BSD-2-Clause */
/* arguments.c - the options of a command line, for --help and for getopt_long() */
#include "arguments.h"

#include <getopt.h>
#include <string.h>

#include "say.h"

#define INDENT 2                        /* columns before the name of an option */

size_t rm_argument_help(const struct rm_argument *argument, unsigned width, char *text, size_t size)
{
	const char *value = argument->value ? argument->value : "", *line = argument->help;
	size_t length = rm_format(text, size, "  %s%s%s", argument->name, *value ? " " : "", value);
	size_t column = length;

	for (;;) {
		size_t end = strcspn(line, "\n");

		do
			length += rm_format(text + length, size - length, " ");
		while (++column < INDENT + width + 1 && length + 1 < size);
		length += rm_format(text + length, size - length, "%.*s\n", (int)end, line);
		if (!line[end] || length + 1 >= size)
			return length;
		line += end + 1;
		column = 0;
	}
}

void rm_arguments_getopt(const struct rm_argument *arguments, size_t count, struct option *options)
{
	for (size_t i = 0; i < count; i++)
		options[i] = (struct option){ arguments[i].name + strlen("--"),
			arguments[i].value ? required_argument : no_argument, NULL, arguments[i].key };
	options[count] = (struct option){ 0 };
}
