/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the rmmap command: parses the line by the table in commands.c, and prints --help
 *
 * The program never calls setlocale(), so numbers are printed as in the C locale.
 */
#include <stdlib.h>
#include <string.h>

#include "../common/standard.h"
#include "cli.h"
#include "commands.h"
#include "rmmap.h"

/* columns of the names of commands, and of options */
#define COMMANDS_WIDTH 14
#define OPTIONS_WIDTH 18

/*
 * Report wrong usage; returns 2. name is an option, printed without its value. Operands are not
 * printed: one of them may be a handle.
 */
static int usage_error(const struct command_desc *command, const char *what, const char *name)
{
	cli_warn("%s%.*s; try: rmmap %s%s--help", what, (int)strcspn(name, "="), name,
	         command ? command->name : "", command ? " " : "");
	return 2;
}

/* How many options the command has, without --help. */
static size_t command_options(const struct command_desc *command)
{
	size_t count = 0;

	while (count < COMMAND_OPTIONS && command->options[count].name)
		count++;
	return count;
}

static void help_line(const struct rm_argument *option, unsigned width)
{
	char text[256];

	rm_argument_help(option, width, text, sizeof(text));
	fputs(text, stdout);
}

static void help_command(const struct command_desc *command)
{
	static const struct rm_argument help = { "--help", NULL, "print this", 0 };
	size_t count = command_options(command);

	printf("usage: rmmap %s", command->name);
	for (size_t i = 0; i < count; i++)
		printf(" [%s%s%s]", command->options[i].name, command->options[i].value ? " " : "",
		       command->options[i].value ? command->options[i].value : "");
	printf("%s%s\n\n%s\n\n%s\n", command->operands[0] ? " " : "", command->operands,
	       command->summary, command->text);
	for (size_t i = 0; i < count; i++)
		help_line(&command->options[i], OPTIONS_WIDTH);
	help_line(&help, OPTIONS_WIDTH);
}

static void help_all(void)
{
	printf("usage: rmmap COMMAND [OPTION...] [OPERAND...]\n\n"
	       "Pointer structures from process to process, without serialization.\n\n");
	for (size_t i = 0; i < command_count; i++)
		printf("  %-*s %s\n", COMMANDS_WIDTH, commands[i].name, commands[i].summary);
	printf("\n");
	for (size_t i = 0; i < sizeof(general_options) / sizeof(general_options[0]); i++)
		help_line(&general_options[i], COMMANDS_WIDTH);
	printf("\nExit status: 0; 1 if it failed; 2 for wrong usage. See rmmap(1), rmmap(7).\n");
}

/* Find the option in a word such as "--name=value"; *value is NULL if the word has none. */
static const struct rm_argument *find_option(const struct command_desc *command,
                                             const char *word, const char **value)
{
	/*
	 * The whole name has to match: an abbreviation would change its meaning when an option is
	 * added.
	 */
	size_t length = strcspn(word, "=");

	*value = word[length] ? word + length + 1 : NULL;
	for (size_t i = 0; i < command_options(command); i++)
		if (!strncmp(command->options[i].name, word, length) &&
		    !command->options[i].name[length])
			return &command->options[i];
	return NULL;
}

/*
 * Parse the option at line[0] into args. Returns how many words it took, 1 or 2; or -1 after the
 * message about wrong usage.
 */
static int take_option(const struct command_desc *command, char **line, struct args *args)
{
	const char *value;
	const struct rm_argument *option = find_option(command, line[0], &value);

	if (!option) {
		usage_error(command, "no such option: ", line[0]);
		return -1;
	}
	if (!option->value) {
		if (value) {
			usage_error(command, "this option takes no value: ", line[0]);
			return -1;
		}
		*(bool *)((char *)args + option->key) = true;
		return 1;
	}
	if (!value && !line[1]) {
		usage_error(command, "this option wants a value: ", line[0]);
		return -1;
	}
	/* The value may begin with a dash: it is the next word, whatever it looks like. */
	*(const char **)((char *)args + option->key) = value ? value : line[1];
	return value ? 1 : 2;
}

/*
 * Parse the words behind the command's name, which end with NULL, and run the command. Options may
 * stand between operands, unless the command stops at the first operand.
 */
static int run_command(const struct command_desc *command, char **line)
{
	struct args args = { .operands = line };
	bool options = true;

	/* Its operands are the rest of argv, unparsed, and operands[-1] is its own name. */
	if (command->least < 0)
		return command->run(&args);
	while (*line) {
		int taken = 1;

		if (options && !strcmp(*line, "--")) {
			options = false;
		} else if (options && (!strcmp(*line, "--help") || !strcmp(*line, "-h"))) {
			help_command(command);
			return 0;
		} else if (options && line[0][0] == '-' && line[0][1]) {
			taken = take_option(command, line, &args);
			if (taken < 0)
				return 2;
		} else {
			/* operands are collected at the front, over words that are parsed already */
			args.operands[args.count++] = *line;
			if (command->stop) {
				args.operands = line;
				while (args.operands[args.count])
					args.count++;
				break;
			}
		}
		line += taken;
	}
	args.operands[args.count] = NULL;
	if (args.count < command->least)
		return usage_error(command, "an operand is missing", "");
	if (command->most >= 0 && args.count > command->most)
		return usage_error(command, "too many operands", "");
	return command->run(&args);
}

/* Find the command and run it. Returns the exit status. */
static int run_line(int argc, char **argv)
{
	if (argc < 2)
		return usage_error(NULL, "a command is missing", "");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help_all();
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("rmmap %s\n", rmmap_version());
		return 0;
	}
	for (size_t i = 0; i < command_count; i++)
		if (!strcmp(argv[1], commands[i].name))
			return run_command(&commands[i], argv + 2);
	if (argv[1][0] == '-')
		return usage_error(NULL, "no such option: ", argv[1]);
	return usage_error(NULL, "no such command", "");
}

int main(int argc, char **argv)
{
	int status;

	/* else a socket could become standard output, and a handle be printed into it */
	rm_standard_occupy();
	/*
	 * A full disk or a closed pipe must not look like success: what was printed may be a
	 * handle that nobody got.
	 */
	status = run_line(argc, argv);
	if (fflush(stdout) || ferror(stdout))
		return cli_fail("cannot write to standard output: %m");
	return status;
}
