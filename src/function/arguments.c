/* SPDX-License-Identifier: BSD-2-Clause */
/* arguments.c - the options of rmmap-function, in one table */
#include "arguments.h"

const struct rm_argument function_options[FUNCTION_OPTIONS] = {
	{ "--handler", "FILE", "the shared object; with a slash, such as ./libfn.so", 'h' },
	{ "--port", "N", "the port [$PORT, else 8080]; 0: any that is free", 'p' },
	{ "--address", "A", "the address to listen on [all]", 'a' },
	{ "--concurrency", "N", "events that the handler may be called for at once [1]", 'c' },
	{ "--queue", "N", "events that may wait for their turn [256]", 'q' },
	{ "--body", "SIZE", "the largest body that is taken, with K or M [1M]", 'b' },
	{ "--arrival", "S", "seconds within which a request has to be here [30]", 'A' },
	{ "--timeout", "S", "seconds after which a handler is not waited for [300]", 't' },
	{ "--drain", "S", "seconds to finish what runs, at SIGTERM [25]", 'd' },
	{ "--ttl", "S", "seconds that an answer's publication lives unattached\n[RMMAP_TTL]", 'T' },
	{ "--readers", "N", "attaches that are admitted to it [any number]", 'r' },
	{ "--source", "URI", "source of the answers [/rmmap/$K_SERVICE or FILE's name]", 's' },
	{ "--type", "TYPE", "type of the answers [rmmap.published]", 'y' },
	{ "--help", NULL, "print this", 'H' },
};
