/* SPDX-License-Identifier: BSD-2-Clause */
/* arguments.c - the options of rmmapd, in one table */
#include "arguments.h"

const struct rm_argument rmmapd_options[RMMAPD_OPTIONS] = {
	{ "--foreground", NULL, "stay in the foreground, for service managers", 'f' },
	{ "--rundir", "DIR", "the run directory (else RMMAP_RUNDIR, else the usual places)", 'r' },
	{ "--idle", "SECONDS", "exit after so long without publications and attachments\n"
	  "[60; 0: never]", 'i' },
	{ "--grace", "SECONDS", "after SIGTERM, serve publications at most so long [30]", 'g' },
	{ "--log", "FILE", "append what happens to FILE (else RMMAP_LOG)", 'l' },
	{ "--private", "FD", "serve only the process at the other end of this socket, and end\n"
	  "with it, see RMMAP_DAEMON in rmmap(7)", 'p' },
	{ "--inherit", NULL, "the library started it, and has set up descriptors for it", 'I' },
	{ "--help", NULL, "this text", 'h' },
	{ "--version", NULL, "the version", 'v' },
};
