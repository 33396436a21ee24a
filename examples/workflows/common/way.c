/* SPDX-License-Identifier: BSD-2-Clause */
/* way.c - the options, the references, and the counters */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ways.h"

struct self self;
struct spent spent;
static const struct way *way;
static double before;                   /* CPU time of the process when the time began */

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static double clock_time(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double thread_time(void)
{
	return clock_time(CLOCK_THREAD_CPUTIME_ID);
}

/* Write a line to the conductor, if there is one: its descriptor is in the environment. */
static void conductor_tell(const char *line)
{
	const char *fd = getenv("WORKFLOW_REPORT");

	if (fd && write(atoi(fd), line, strlen(line)) < 0)
		die("cannot report: %m");
}

size_t number_of(const char *text, size_t most)
{
	char *end;
	const unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value > most)
		die("'%s' should be a number up to %zu", text, most);
	return value;
}

static const struct way *way_of(const char *name)
{
	static const struct way *const ways[] = { &by_rmmap, &by_messaging, &by_storage };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i]->name, name))
			return ways[i];
	die("--via %s: it is rmmap, messaging or storage", name);
}

void begin(int *argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const bool has_value = i + 1 < *argc;

		if (!strcmp(argv[i], "--via") && has_value)
			way = way_of(argv[++i]);
		else if (!strcmp(argv[i], "--part") && has_value)
			self.part = number_of(argv[++i], 100000);
		else if (!strcmp(argv[i], "--receivers") && has_value)
			self.receivers = number_of(argv[++i], 100000);
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	argv[kept] = NULL;
	if (!way)
		die("--via rmmap, messaging or storage is missing");
	if (way->prepare)
		way->prepare();
	if (getenv("WORKFLOW_REPORT")) {
		/* wait for a reference, or for the end of the input if there is none */
		conductor_tell("ready\n");
		if (poll(&input, 1, -1) < 0)
			die("cannot wait for the start: %m");
	}
	before = clock_time(CLOCK_PROCESS_CPUTIME_ID);
}

void print_reference(const char *reference)
{
	if (puts(reference) < 0)
		die("cannot print a reference: %m");
}

void hand_over(const struct kind *kind, const void *root)
{
	if (!self.receivers)
		die("--receivers N is missing");
	way->hand_over(kind, root);
}

void *take(const struct kind *kind)
{
	char reference[REFERENCE_MAX];

	if (!fgets(reference, sizeof(reference), stdin))
		return NULL;
	reference[strcspn(reference, "\n")] = 0;
	return way->take(kind, reference);
}

void *take_one(const struct kind *kind, const char *what)
{
	void *root = take(kind);

	if (!root)
		die("there is no %s on standard input", what);
	return root;
}

int finish(void)
{
	char line[200];

	if (fflush(stdout)) {
		perror("standard output");
		return 1;
	}
	if (way->finish)
		way->finish();
	snprintf(line, sizeof(line), "spent %.9f %.9f %.9f %llu %llu\n", spent.packing,
	         spent.unpacking, clock_time(CLOCK_PROCESS_CPUTIME_ID) - before,
	         (unsigned long long)spent.sent, (unsigned long long)spent.received);
	conductor_tell(line);
	return 0;
}
