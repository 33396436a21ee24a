/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * completion.h - what a shell may complete, taken from the tables of the programs
 *
 * For the program that writes the completion files. It runs while RMMAP is built, on the machine
 * that builds; one thread, stdio, no allocation.
 */
#ifndef COMPLETION_H
#define COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "../src/common/arguments.h"

#define OPERANDS_MAX 4

struct operand {                        /* what may stand for one word; nothing: any text */
	bool id;                        /* an id that rmmap list prints */
	bool at;                        /* @ and a file */
	bool file;
	bool directory;
	bool program;                   /* a program; its own arguments follow */
	char words[128];                /* these words, with a space between */
	const char *text;               /* how --help has it, of this length */
	size_t length;
};

struct part {                           /* a command, or a program before a command is named */
	const char *name;
	const char *summary;
	const struct rm_argument *options;      /* without --help if adds_help */
	size_t option_count;
	bool adds_help;
	struct operand operands[OPERANDS_MAX];
	unsigned operand_count;
};

/* ---- parts.c ---- */
/*
 * Read the operands of a usage line: "{HANDLE | - | @FILE} FILE" is two. A word of it in lower
 * case stands for itself, ID, FILE, @FILE, DIR, PATH and PROG for what they say, and any other
 * for a text that nobody can complete. Returns their number.
 */
unsigned operands_read(const char *text, struct operand operands[OPERANDS_MAX]);
/* The parts of rmmap or rmmapd; the first is the program. Returns their number, 0: no such. */
size_t parts_find(const char *program, const struct part **parts);
/* Call with each option of the part, --help too. */
void part_options(const struct part *part, void (*each)(const struct part *part,
                                                         const struct rm_argument *option));

/* ---- a file for each shell: the tables that its template wants ---- */
void bash_print(const struct part *parts, size_t count);        /* bash.c */
void zsh_print(const struct part *parts, size_t count);         /* zsh.c */
void zsh_services(const char *program);         /* what the file completes, for its first line */
void fish_print(const struct part *parts, size_t count);        /* fish.c */

#endif
