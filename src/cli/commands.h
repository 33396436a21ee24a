/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.h - the commands of rmmap and their options, in one table
 *
 * For the parser in main.c and for completion/. Constant data.
 */
#ifndef RM_CLI_COMMANDS_H
#define RM_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/arguments.h"

#define COMMAND_OPTIONS 2

struct args;
struct command_desc {
	const char *name;
	const char *operands;   /* as in the usage line; completion/ knows the words ID, FILE, @FILE
	                           and PROG */
	int least, most;        /* number of operands; most -1: no limit; least -1: the command
	                           parses its line itself */
	bool stop;              /* options end at the first operand */
	/* without --help, which each command has; unused ones have no name. The key is an offset in
	   struct args: of a const char *, or of a flag's bool */
	struct rm_argument options[COMMAND_OPTIONS];
	int (*run)(const struct args *args);
	const char *summary;    /* one line */
	const char *text;       /* further lines of --help */
};
extern const struct command_desc commands[];
extern const size_t command_count;

extern const struct rm_argument general_options[2];     /* of rmmap without a command */

#endif
