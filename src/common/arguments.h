/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arguments.h - the options of a command line, as a table
 *
 * Each program has one such table, which feeds its parser, its --help and the completion by
 * shells (completion/). Any thread, at any time; nothing allocates.
 */
#ifndef RM_ARGUMENTS_H
#define RM_ARGUMENTS_H

#include <stddef.h>

struct rm_argument {
	const char *name;       /* "--json" */
	const char *value;      /* the possible values as --help shows them, "N" or "SECONDS|none":
	                           words in lower case stand for themselves; NULL for a flag */
	const char *help;       /* a further line of --help follows a newline */
	int key;                /* what the program's parser does with it: a letter, an offset */
};

/*
 * Format the option's lines of --help. The texts of help begin in the same column, which is
 * 3 + width. Returns the length; text is cut if it does not fit.
 */
size_t rm_argument_help(const struct rm_argument *argument, unsigned width, char *text, size_t size);

/*
 * Fill in count + 1 elements for getopt_long(), the last of which ends the array. It then returns
 * the key of the option that it found.
 */
struct option;
void rm_arguments_getopt(const struct rm_argument *arguments, size_t count, struct option *options);

#endif
