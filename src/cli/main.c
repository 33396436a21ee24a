/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the rmmap command: one table of commands and options
 *
 * The table feeds the parser and --help. A new command is an entry here, a function in cli.h, and
 * its file. The program never calls setlocale(), so numbers are printed as in the C locale.
 */
#include <stdlib.h>
#include <string.h>

#include "../common/standard.h"
#include "cli.h"
#include "rmmap.h"

struct option_desc {
	const char *name;       /* "--json" */
	const char *value;      /* the name of its value in --help; NULL for a flag */
	const char *help;
	size_t place;           /* offset in struct args: of a const char *, or of a flag's bool */
};

struct command_desc {
	const char *name;
	const char *operands;   /* as in the usage line */
	int least, most;        /* number of operands; most -1: no limit; least -1: the command
	                           parses its line itself */
	bool stop;              /* options end at the first operand */
	struct option_desc options[2];          /* unused ones have no name and come last */
	int (*run)(const struct args *args);    /* returns the exit status */
	const char *summary;    /* one line */
	const char *text;       /* further lines of --help */
};

#define OPTION_JSON { "--json", NULL, "print facts as JSON", offsetof(struct args, json) }
#define IN_PLACE_OF_A_HANDLE \
	"In place of a handle, which anyone could read in ps, - reads it from standard\n" \
	"input and @FILE from a file.\n"
#define OR_AN_ID \
	IN_PLACE_OF_A_HANDLE \
	"ID is the short id that rmmap list prints.\n"

static const struct command_desc commands[] = {
	{ "run", "[--] PROG [ARG...]", 1, -1, true,
	  { { "--slot", "N", "the slot of addresses for its heap, 0 to 1023",
	      offsetof(struct args, slot) },
	    { "--core", NULL, "have core dumps hold what is published and attached",
	      offsetof(struct args, core) } },
	  cli_run, "run a program with librmmap preloaded",
	  "The program's malloc is then rmmap's. Warns where preloading cannot work: a\n"
	  "static program, a setuid or setgid one, one of another libc. With --core, the\n"
	  "program and its children dump private mappings of files, too\n"
	  "(/proc/self/coredump_filter). The exit status is the program's own.\n" },
	{ "hello", "[HANDLE | - | @FILE]", 0, 1, false, { OPTION_JSON },
	  cli_hello, "publish a built-in structure, or attach and verify one",
	  "Without an operand, publish a list, a tree, strings and a block of bytes, and\n"
	  "print the handle. With the handle, here or on another host, attach, verify every\n"
	  "node and print how long it took, the bandwidth and the provider.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "info", "", 0, 0, false, { OPTION_JSON },
	  cli_info, "what this host offers, and the remedy where it falls short",
	  "userfaultfd, memlock, the run directory, rmmapd, the fabric and its port, RDMA\n"
	  "devices. Changes nothing and does not start rmmapd.\n" },
	{ "list", "", 0, 0, false, { OPTION_JSON },
	  cli_list, "the publications that this host's rmmapd holds or has attached",
	  "Prints nothing where no rmmapd runs.\n" },
	{ "stat", "HANDLE | ID | - | @FILE", 1, 1, false, { OPTION_JSON },
	  cli_stat, "one publication: size, lease, readers, what was fetched of it and how",
	  OR_AN_ID },
	{ "unpublish", "HANDLE | ID | - | @FILE", 1, 1, false,
	  { { "--revoke", NULL, "other hosts lose it too", offsetof(struct args, revoke) } },
	  cli_unpublish, "end a publication; who has it attached keeps it",
	  "With --revoke, other hosts' memory keys are closed at once: a page that one of\n"
	  "them has not fetched yet is a SIGBUS there. Processes of this host keep it.\n"
	  OR_AN_ID },
	{ "check", "HANDLE | - | @FILE", 1, 1, false, { OPTION_JSON },
	  cli_check, "words of a publication that look like pointers out of it",
	  "Such as string literals and functions: they mean nothing to who attaches it.\n"
	  "Exit status 1 if there are any. Counts as a reader.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "plan", "FILE | -", 1, 1, false, { OPTION_JSON },
	  cli_plan, "a slot of addresses for every function of a workflow",
	  "FILE has a line 'NAME: UPSTREAM...' for each function, NAME*4 for four instances;\n"
	  "what follows # is not read. Prints 'NAME[I] RMMAP_SLOT=N' for each instance: no two\n"
	  "have the same slot if their content may meet in one process.\n" },
	{ "save", "{HANDLE | - | @FILE} FILE", 2, 2, false, { { 0 } },
	  cli_save, "a publication into a file",
	  "FILE is replaced once all is written, or stays as it was. Counts as a reader.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "load", "FILE", 1, 1, false,
	  { { "--readers", "N", "how many may attach it", offsetof(struct args, readers) },
	    { "--ttl", "SECONDS", "or none; how long it lives while nobody is attached",
	      offsetof(struct args, ttl) } },
	  cli_load, "publish what was saved, at the same addresses",
	  "Prints the handle. A file that is damaged or not of save is refused.\n"
	  "Load only what you trust: the pointers in it are its maker's.\n" },
	{ "move", "{HANDLE | ID | - | @FILE} HOST:PORT", 2, 2, false,
	  { { "--keep", NULL, "the original stays", offsetof(struct args, keep) } },
	  cli_move, "hand a publication to another host's rmmapd",
	  "HOST:PORT is where that one listens; rmmap info says so there. It fetches all of\n"
	  "it, and the new handle is printed; then the original is unpublished. Both hosts\n"
	  "need the same secret in the file move.key of their run directories.\n"
	  OR_AN_ID },
	{ "function", "--handler FILE [OPTION...]", -1, -1, false, { { NULL, NULL, NULL, 0 } },
	  cli_function, "serve CloudEvents over HTTP with a function in C", "" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

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

static void help_line(const char *left, const char *value, const char *right)
{
	printf("  %s%s%-*s %s\n", left, value ? " " : "",
	       (int)(14 - strlen(left) - (value ? 1 : 0)), value ? value : "", right);
}

static void help_command(const struct command_desc *command)
{
	printf("usage: rmmap %s", command->name);
	for (size_t i = 0; i < 2 && command->options[i].name; i++)
		printf(" [%s%s%s]", command->options[i].name, command->options[i].value ? " " : "",
		       command->options[i].value ? command->options[i].value : "");
	printf("%s%s\n\n%s\n\n%s\n", command->operands[0] ? " " : "", command->operands,
	       command->summary, command->text);
	for (size_t i = 0; i < 2 && command->options[i].name; i++)
		help_line(command->options[i].name, command->options[i].value,
		          command->options[i].help);
	help_line("--help", NULL, "print this");
}

static void help_all(void)
{
	printf("usage: rmmap COMMAND [OPTION...] [OPERAND...]\n\n"
	       "Pointer structures from process to process, without serialization.\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		help_line(commands[i].name, NULL, commands[i].summary);
	printf("\n");
	help_line("--help", NULL, "print this; after a command, its own");
	help_line("--version", NULL, "print the version");
	printf("\nExit status: 0; 1 if it failed; 2 for wrong usage. See rmmap(1), rmmap(7).\n");
}

/* Find the option in a word such as "--name=value"; *value is NULL if the word has none. */
static const struct option_desc *find_option(const struct command_desc *command,
                                             const char *word, const char **value)
{
	/*
	 * The whole name has to match: an abbreviation would change its meaning when an option is
	 * added.
	 */
	size_t length = strcspn(word, "=");

	*value = word[length] ? word + length + 1 : NULL;
	for (size_t i = 0; i < 2 && command->options[i].name; i++)
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
	const struct option_desc *option = find_option(command, line[0], &value);

	if (!option) {
		usage_error(command, "no such option: ", line[0]);
		return -1;
	}
	if (!option->value) {
		if (value) {
			usage_error(command, "this option takes no value: ", line[0]);
			return -1;
		}
		*(bool *)((char *)args + option->place) = true;
		return 1;
	}
	if (!value && !line[1]) {
		usage_error(command, "this option wants a value: ", line[0]);
		return -1;
	}
	/* The value may begin with a dash: it is the next word, whatever it looks like. */
	*(const char **)((char *)args + option->place) = value ? value : line[1];
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
	for (size_t i = 0; i < COMMANDS; i++)
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
