/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings.c - the options of rmmap-function; the clock and the messages of all its files
 *
 * main() parses the options before it starts other threads, and nothing changes them later. A wrong
 * option ends the program with status 2.
 */
#include "function.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/number.h"
#include "../common/say.h"
#include "arguments.h"
#include "text.h"

#define HELP_WIDTH 18           /* columns of the names of options */

struct settings settings = {
	.concurrency = 1, .queue = 256, .body = 1 << 20, .arrival_ns = 30 * NS_PER_S,
	.timeout_ns = 300 * NS_PER_S, .drain_ns = 25 * NS_PER_S, .type = "rmmap.published",
};

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void say(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)rm_vformat(text, sizeof(text), format, args);
	va_end(args);
	rm_say_fd(STDERR_FILENO, "rmmap function: %s", text);
}

/* ---- options ---- */

static void help_print(void)
{
	char text[256];

	printf("usage: rmmap function --handler FILE [OPTION...]\n\n"
	       "serve CloudEvents over HTTP with a function in C\n\n"
	       "For each event the publication that its dataref names is attached, rmmap_function()\n"
	       "of the shared object FILE called, and the root that it gives published: the answer\n"
	       "is an event whose dataref is the new handle. See rmmap-function(3).\n\n");
	for (size_t i = 0; i < FUNCTION_OPTIONS; i++) {
		rm_argument_help(&function_options[i], HELP_WIDTH, text, sizeof(text));
		fputs(text, stdout);
	}
}

/* Parse a number, or end the program with a message. */
static uint64_t option_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t n;

	if (!rm_parse_number(text, min, max, &n))
		return n;
	say("%s wants a number from %llu to %llu; see rmmap function --help", option,
	    (unsigned long long)min, (unsigned long long)max);
	exit(2);
}

static size_t option_bytes(const char *text)
{
	uint64_t n;

	if (!rm_parse_bytes(text, &n) && n && n <= (uint64_t)1 << 30)
		return (size_t)n;
	say("--body wants a number of bytes from 1 to 1024M; see rmmap function --help");
	exit(2);
}

/* Check a value that becomes an attribute of each answer, now instead of with the first event. */
static const char *option_attribute(const char *option, const char *text, bool uri)
{
	if (*text && text_string(text, strlen(text)) && strlen(text) < sizeof(settings.source) &&
	    (!uri || text_uri(text)))
		return text;
	say("%s wants %s; see rmmap function --help", option, uri ? "a URI reference" : "a text");
	exit(2);
}

static void option_take(int c, const char *text)
{
	switch (c) {
	case 'h': settings.handler = text; break;
	case 'p': settings.port = (uint16_t)option_number("--port", text, 0, 65535); break;
	case 'a': settings.address = text; break;
	case 'c': settings.concurrency = (unsigned)option_number("--concurrency", text, 1, 1024); break;
	case 'q': settings.queue = (unsigned)option_number("--queue", text, 1, 100000); break;
	case 'b': settings.body = option_bytes(text); break;
	case 'A': settings.arrival_ns = option_number("--arrival", text, 1, 86400) * NS_PER_S; break;
	case 't': settings.timeout_ns = option_number("--timeout", text, 1, 86400) * NS_PER_S; break;
	case 'd': settings.drain_ns = option_number("--drain", text, 0, 86400) * NS_PER_S; break;
	case 'T': settings.ttl_ms = (unsigned)option_number("--ttl", text, 1, 4000000) * 1000; break;
	case 'r': settings.readers = (unsigned)option_number("--readers", text, 1, UINT_MAX); break;
	case 's': snprintf(settings.source, sizeof(settings.source), "%s",
	                   option_attribute("--source", text, true)); break;
	case 'y': settings.type = option_attribute("--type", text, false); break;
	case '?':
		say("see rmmap function --help");
		exit(2);
	}
}

/* Parse the command line. --port comes before $PORT, which comes before 8080. */
static void arguments_parse(int argc, char **argv)
{
	struct option options[FUNCTION_OPTIONS + 1];
	static char name[] = "rmmap function";
	/* Knative says by PORT where it sends requests; --port comes after it, and so wins. */
	const char *port = getenv("PORT");
	int c;

	settings.port = 8080;
	if (port && *port)
		settings.port = (uint16_t)option_number("PORT in the environment", port, 0, 65535);
	/* getopt_long() begins its messages with it. */
	argv[0] = name;
	rm_arguments_getopt(function_options, FUNCTION_OPTIONS, options);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'H') {
			help_print();
			exit(fflush(stdout) ? 1 : 0);
		}
		option_take(c, optarg);
	}
	if (optind < argc || !settings.handler) {
		say(optind < argc ? "unexpected operand; see rmmap function --help" :
		    "--handler FILE is missing; see rmmap function --help");
		exit(2);
	}
}

/* The default source: the name of Knative's service or of the handler, as a URI path. */
static void source_default(void)
{
	const char *name = getenv("K_SERVICE"), *slash = strrchr(settings.handler, '/');

	if (settings.source[0])
		return;
	if (!name || !*name)
		name = slash ? slash + 1 : settings.handler;
	rm_format(settings.source, sizeof(settings.source), "/rmmap/%s", name);
	/*
	 * From '-' to '9' are '.', '/' and the digits, too. None of what stays has to be escaped.
	 */
	for (char *c = settings.source; *c; c++)
		if (!(*c >= '-' && *c <= '9') && !(*c >= 'A' && *c <= 'Z') &&
		    !(*c >= 'a' && *c <= 'z') && *c != '_')
			*c = '-';
}

void settings_parse(int argc, char **argv)
{
	arguments_parse(argc, argv);
	source_default();
}
