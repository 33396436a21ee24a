/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.c - the commands of rmmap and their options, in one table
 *
 * The table feeds the parser, --help and the completion by shells. A new command is an entry here,
 * a function in cli.h, and its file.
 */
#include "commands.h"

#include "cli.h"

/* completion/ reads the table in a program without the commands, which runs on the build machine. */
#ifdef RM_TABLES_ONLY
#define RUN(function) NULL
#else
#define RUN(function) function
#endif

const struct rm_argument general_options[2] = {
	{ "--help", NULL, "print this; after a command, its own", 0 },
	{ "--version", NULL, "print the version", 0 },
};

#define OPTION_JSON { "--json", NULL, "print facts as JSON", offsetof(struct args, json) }
#define IN_PLACE_OF_A_HANDLE \
	"In place of a handle, which anyone could read in ps, - reads it from standard\n" \
	"input and @FILE from a file.\n"
#define OR_AN_ID \
	IN_PLACE_OF_A_HANDLE \
	"ID is the short id that rmmap list prints.\n"

const struct command_desc commands[] = {
	{ "run", "[--] PROG [ARG...]", 1, -1, true,
	  { { "--slot", "N", "the slot of addresses for its heap, 0 to 1023",
	      offsetof(struct args, slot) },
	    { "--core", NULL, "have core dumps hold what is published and attached",
	      offsetof(struct args, core) } },
	  RUN(cli_run), "run a program with librmmap preloaded",
	  "The program's malloc is then rmmap's. Warns where preloading cannot work: a\n"
	  "static program, a setuid or setgid one, one of another libc. With --core, the\n"
	  "program and its children dump private mappings of files, too\n"
	  "(/proc/self/coredump_filter). The exit status is the program's own.\n" },
	{ "hello", "[HANDLE | - | @FILE]", 0, 1, false, { OPTION_JSON },
	  RUN(cli_hello), "publish a built-in structure, or attach and verify one",
	  "Without an operand, publish a list, a tree, strings and a block of bytes, and\n"
	  "print the handle. With the handle, here or on another host, attach, verify every\n"
	  "node and print how long it took, the bandwidth and the provider.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "info", "", 0, 0, false, { OPTION_JSON },
	  RUN(cli_info), "what this host offers, and the remedy where it falls short",
	  "userfaultfd, memlock, the run directory, rmmapd, the fabric and its port, RDMA\n"
	  "devices. Changes nothing and does not start rmmapd.\n" },
	{ "list", "", 0, 0, false, { OPTION_JSON },
	  RUN(cli_list), "the publications that this host's rmmapd holds or has attached",
	  "Prints nothing where no rmmapd runs.\n" },
	{ "stat", "HANDLE | ID | - | @FILE", 1, 1, false, { OPTION_JSON },
	  RUN(cli_stat), "one publication: size, lease, readers, what was fetched of it and how",
	  OR_AN_ID },
	{ "unpublish", "HANDLE | ID | - | @FILE", 1, 1, false,
	  { { "--revoke", NULL, "other hosts lose it too", offsetof(struct args, revoke) } },
	  RUN(cli_unpublish), "end a publication; who has it attached keeps it",
	  "With --revoke, other hosts' memory keys are closed at once: a page that one of\n"
	  "them has not fetched yet is a SIGBUS there. Processes of this host keep it.\n"
	  OR_AN_ID },
	{ "check", "HANDLE | - | @FILE", 1, 1, false, { OPTION_JSON },
	  RUN(cli_check), "words of a publication that look like pointers out of it",
	  "Such as string literals and functions: they mean nothing to who attaches it.\n"
	  "Exit status 1 if there are any. Counts as a reader.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "plan", "FILE | -", 1, 1, false, { OPTION_JSON },
	  RUN(cli_plan), "a slot of addresses for every function of a workflow",
	  "FILE has a line 'NAME: UPSTREAM...' for each function, NAME*4 for four instances;\n"
	  "what follows # is not read. Prints 'NAME[I] RMMAP_SLOT=N' for each instance: no two\n"
	  "have the same slot if their content may meet in one process.\n" },
	{ "save", "{HANDLE | - | @FILE} FILE", 2, 2, false, { { 0 } },
	  RUN(cli_save), "a publication into a file",
	  "FILE is replaced once all is written, or stays as it was. Counts as a reader.\n"
	  IN_PLACE_OF_A_HANDLE },
	{ "load", "FILE", 1, 1, false,
	  { { "--readers", "N", "how many may attach it", offsetof(struct args, readers) },
	    { "--ttl", "SECONDS|none", "how long it lives while nobody is attached",
	      offsetof(struct args, ttl) } },
	  RUN(cli_load), "publish what was saved, at the same addresses",
	  "Prints the handle. A file that is damaged or not of save is refused.\n"
	  "Load only what you trust: the pointers in it are its maker's.\n" },
	{ "move", "{HANDLE | ID | - | @FILE} HOST:PORT", 2, 2, false,
	  { { "--keep", NULL, "the original stays", offsetof(struct args, keep) } },
	  RUN(cli_move), "hand a publication to another host's rmmapd",
	  "HOST:PORT is where that one listens; rmmap info says so there. It fetches all of\n"
	  "it, and the new handle is printed; then the original is unpublished. Both hosts\n"
	  "need the same secret in the file move.key of their run directories.\n"
	  OR_AN_ID },
	{ "function", "--handler FILE [OPTION...]", -1, -1, false, { { 0 } },
	  RUN(cli_function), "serve CloudEvents over HTTP with a function in C", "" },
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);
