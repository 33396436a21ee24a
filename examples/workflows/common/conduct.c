/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conduct - run a workflow: start its functions, pass references between them, measure
 *
 *   conduct [--via WAY] [-n N] [--far PREFIX] [--figures FILE] [--memory MS [--also PID]...]
 *           WORKFLOW [ARG...]
 *
 * All functions are started first and wait for their input. The time runs from then until the last
 * one has printed its answer on standard output. PREFIX is put before the commands of far
 * functions. The figures are one line: seconds; CPU seconds spent on packing, on unpacking and in
 * all; bytes sent and received; and the largest memory of all functions together, sampled every MS
 * milliseconds, with the processes that --also names (0 without --memory).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conduct.h"

#define SECONDS_MAX 600

static struct stage stages[STAGES_MAX];
static size_t stage_count;
static struct instance instances[INSTANCES_MAX];
static size_t instance_count;
static pid_t pids[INSTANCES_MAX + 64];          /* of the instances, then those of --also */
static size_t pid_count;

static const char *via = "rmmap";
static char *far_words[64];
static long functions = 4, sample_ms;
static const char *figures;

static volatile sig_atomic_t signalled;

static struct {
	double packing, unpacking, cpu, sent, received, memory;
} total;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("conduct: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	stop_all(instances, instance_count);
	exit(1);
}

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- start ---- */

/* In the child: execute the function, behind the words of --far and, if needed, rmmap run. */
static void function_become(const struct stage *stage, size_t part, size_t number, int report)
{
	static char texts[4][32], program[2 * PATH_MAX];
	char *argv[WORDS_MAX + 80], *slash;
	size_t n = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);       /* if the conductor is killed */
	snprintf(texts[0], sizeof(texts[0]), "%d", report);
	setenv("WORKFLOW_REPORT", texts[0], 1);
	for (size_t i = 0; stage->far && far_words[i]; i++)
		argv[n++] = far_words[i];
	if (!strcmp(via, "rmmap")) {
		/* a slot for each, since two hosts could choose the same; it differs between runs */
		snprintf(texts[1], sizeof(texts[1]), "%zu", (number + (size_t)getppid() * 37) % 900);
		setenv("RMMAP_SLOT", texts[1], 1);
		setenv("RMMAP_HEAP", "shared", 1);
		argv[n++] = (char *)"rmmap";
		argv[n++] = (char *)"run";
		argv[n++] = (char *)"--";
	}
	if (readlink("/proc/self/exe", program, PATH_MAX - 1) < 0) {
		fprintf(stderr, "conduct: /proc/self/exe: %s\n", strerror(errno));
		_exit(127);
	}
	for (int up = 0; up < 2 && (slash = strrchr(program, '/')); up++)
		*slash = 0;
	snprintf(program + strlen(program), PATH_MAX, "/%s", stage->word[0]);
	argv[n++] = program;
	argv[n++] = (char *)"--via";
	argv[n++] = (char *)via;
	snprintf(texts[2], sizeof(texts[2]), "%zu", part);
	argv[n++] = (char *)"--part";
	argv[n++] = texts[2];
	snprintf(texts[3], sizeof(texts[3]), "%zu", stage->receivers);
	argv[n++] = (char *)"--receivers";
	argv[n++] = texts[3];
	for (size_t i = 1; i < stage->words; i++)
		argv[n++] = stage->word[i];
	argv[n] = NULL;
	execvp(argv[0], argv);
	fprintf(stderr, "conduct: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void instance_start(struct instance *instance, const struct stage *stage, size_t part)
{
	int in[2], out[2], report[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
		fail("no pipe: %m");
	instance->stage = stage;
	instance->pid = fork();
	if (instance->pid < 0)
		fail("no process: %m");
	if (!instance->pid) {
		dup2(in[0], STDIN_FILENO);
		if (stage->receivers)
			dup2(out[1], STDOUT_FILENO);
		fcntl(report[1], F_SETFD, 0);
		function_become(stage, part, (size_t)(instance - instances), report[1]);
	}
	close(in[0]);
	close(out[1]);
	close(report[1]);
	instance->input = in[1];
	instance->output = out[0];
	instance->report = report[0];
}

static void start_all(void)
{
	for (size_t i = 0; i < stage_count; i++) {
		stages[i].count = stages[i].many ? (size_t)functions : 1;
		for (size_t j = 0; j < stages[i].inputs; j++)
			stages[stages[i].input[j]].receivers += stages[i].count;
	}
	for (size_t i = 0; i < stage_count; i++) {
		stages[i].first = instance_count;
		if (instance_count + stages[i].count > INSTANCES_MAX)
			fail("more than %d processes", INSTANCES_MAX);
		for (size_t part = 0; part < stages[i].count; part++)
			instance_start(&instances[instance_count++], &stages[i], part);
	}
}

/* ---- references ---- */

/*
 * The line of an input's output that is for this instance. The receivers of a stage are numbered:
 * first the instances of the first stage that has it as an input, then those of the next one.
 */
static size_t line_for(const struct instance *to, size_t input)
{
	size_t line = (size_t)(to - instances) - to->stage->first;

	for (const struct stage *s = stages; s < to->stage; s++)
		for (size_t i = 0; i < s->inputs; i++)
			if (s->input[i] == input)
				line += s->count;
	return line;
}

/* Write to an instance the references that have come, in the order of its inputs. */
static void references_give(struct instance *to)
{
	while (to->stage_at < to->stage->inputs && to->input >= 0) {
		const size_t input = to->stage->input[to->stage_at];
		const struct stage *stage = &stages[input];
		const struct instance *from = &instances[stage->first + to->got];
		size_t length;
		const char *line = line_of(from, line_for(to, input), &length);

		if (!line)
			return;
		if (write(to->input, line, length) != (ssize_t)length)
			fail("%s takes no reference: %m", to->stage->name);
		if (++to->got == stage->count) {
			to->got = 0;
			to->stage_at++;
		}
	}
	if (to->input >= 0) {
		close(to->input);
		to->input = -1;
	}
}

static void hear_output(struct instance *from)
{
	if (!hear_lines(from))
		return;
	for (size_t i = 0; i < instance_count; i++)
		references_give(&instances[i]);
}

/* ---- reports ---- */

static void instance_ended(struct instance *instance)
{
	int status;

	close(instance->report);
	instance->report = -1;
	if (waitpid(instance->pid, &status, 0) != instance->pid)
		fail("%s is lost: %m", instance->stage->name);
	instance->pid = 0;
	pids[instance - instances] = 0;
	if (WIFSIGNALED(status))
		fail("%s was ended by signal %d (%s)", instance->stage->name, WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	if (!WIFEXITED(status) || WEXITSTATUS(status) || !strstr(instance->said, "spent"))
		fail("%s failed", instance->stage->name);
}

/* Read a report. True if the instance has reported that it is done. */
static bool hear_report(struct instance *instance)
{
	const ssize_t got = read(instance->report, instance->said + instance->said_length,
	                         sizeof(instance->said) - 1 - instance->said_length);
	double packing, unpacking, cpu, sent, received;
	const char *spent;

	if (got <= 0) {
		instance_ended(instance);
		return false;
	}
	instance->said_length += (size_t)got;
	instance->said[instance->said_length] = 0;
	instance->ready = strstr(instance->said, "ready\n") != NULL;
	spent = strstr(instance->said, "spent ");
	if (!spent || !strchr(spent, '\n') ||
	    sscanf(spent, "spent %lf %lf %lf %lf %lf", &packing, &unpacking, &cpu, &sent,
	           &received) != 5)
		return false;
	total.packing += packing;
	total.unpacking += unpacking;
	total.cpu += cpu;
	total.sent += sent;
	total.received += received;
	return true;
}

static void memory_sample(void)
{
	static double next;
	double bytes;

	if (!sample_ms || now_seconds() < next)
		return;
	bytes = memory_of(pids, pid_count);
	if (bytes > total.memory)
		total.memory = bytes;
	next = now_seconds() + (double)sample_ms * 1e-3;
}

/* Wait for output and reports, and read them. True when the last instance is done. */
static bool reports_hear(void)
{
	static struct pollfd fds[2 * INSTANCES_MAX];
	bool done = false;

	for (size_t i = 0; i < instance_count; i++) {
		fds[2 * i] = (struct pollfd){ .fd = instances[i].report, .events = POLLIN };
		fds[2 * i + 1] = (struct pollfd){ .fd = instances[i].output, .events = POLLIN };
	}
	if (poll(fds, 2 * instance_count, sample_ms ? (int)sample_ms : 1000) < 0 && !signalled)
		fail("poll: %m");
	if (signalled)
		fail("ended by signal %d: the functions are, too", (int)signalled);
	for (size_t i = 0; i < instance_count; i++) {
		if (fds[2 * i + 1].revents)
			hear_output(&instances[i]);
		if (fds[2 * i].revents && hear_report(&instances[i]) && i == instance_count - 1)
			done = true;
	}
	return done;
}

static size_t how_many_are_not_ready(void)
{
	size_t count = 0;

	for (size_t i = 0; i < instance_count; i++)
		count += !instances[i].ready;
	return count;
}

static size_t how_many_run(void)
{
	size_t count = 0;

	for (size_t i = 0; i < instance_count; i++)
		count += instances[i].pid > 0;
	return count;
}

/* ---- the end ---- */

static void unpublish_all(void)
{
	for (size_t i = 0; i < instance_count && !strcmp(via, "rmmap"); i++)
		unpublish(&instances[i], far_words);
}

/* A signal ends conduct by fail(), so that functions are ended and publications unpublished. */
static void note_signal(int number)
{
	signalled = number;
}

static void be_ready_to_end(void)
{
	const struct sigaction note = { .sa_handler = note_signal };

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGHUP, &note, NULL);
	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
}

/* ---- the options ---- */

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: conduct [--via rmmap|messaging|storage] [-n N] [--far PREFIX]\n"
	      "               [--figures FILE] [--memory MS [--also PID]...] WORKFLOW [ARG...]\n", stderr);
	exit(2);
}

static long option_number(const char *text, long most)
{
	char *end;
	const long value = strtol(text, &end, 10);

	if (!*text || *end || value < 0 || value > most) {
		fprintf(stderr, "conduct: '%s' is no number up to %ld\n", text, most);
		usage();
	}
	return value;
}

static void read_options(int argc, char **argv, pid_t *also, size_t *also_count)
{
	static const struct option options[] = {
		{ "via", required_argument, NULL, 'v' },
		{ "far", required_argument, NULL, 'f' },
		{ "figures", required_argument, NULL, 'o' },
		{ "memory", required_argument, NULL, 'm' },
		{ "also", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	size_t words = 0;
	int option;

	while ((option = getopt_long(argc, argv, "+n:", options, NULL)) >= 0) {
		if (option == 'v') {
			via = optarg;
		} else if (option == 'f') {
			for (char *word = strtok(optarg, " "); word; word = strtok(NULL, " "))
				if (words < sizeof(far_words) / sizeof(*far_words) - 1)
					far_words[words++] = word;
		} else if (option == 'o') {
			figures = optarg;
		} else if (option == 'm') {
			sample_ms = option_number(optarg, 60000);
		} else if (option == 'a' && *also_count < 64) {
			also[(*also_count)++] = (pid_t)option_number(optarg, INT_MAX);
		} else if (option == 'n') {
			functions = option_number(optarg, INSTANCES_MAX / 2);
		} else {
			usage();
		}
	}
	if (optind >= argc || functions < 1)
		usage();
}

static void write_figures(double seconds)
{
	FILE *file = fopen(figures, "ae");

	if (!file || fprintf(file, "%.6f %.6f %.6f %.6f %.0f %.0f %.0f\n", seconds, total.packing,
	                     total.unpacking, total.cpu, total.sent, total.received,
	                     total.memory) < 0 || fclose(file))
		fail("%s: %m", figures);
}

int main(int argc, char **argv)
{
	pid_t also[64];
	size_t also_count = 0;
	double began, deadline = now_seconds() + SECONDS_MAX, done = 0;
	int nothing;

	be_ready_to_end();
	/* a pipe must not get one of the numbers 0 to 2, which the functions use for their own */
	while ((nothing = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && nothing <= STDERR_FILENO)
		;
	read_options(argc, argv, also, &also_count);
	stage_count = read_workflow(argv[optind], argv + optind + 1, stages);
	atexit(unpublish_all);
	start_all();
	for (size_t i = 0; i < instance_count; i++)
		pids[pid_count++] = instances[i].pid;
	for (size_t i = 0; i < also_count; i++)
		pids[pid_count++] = also[i];
	while (how_many_are_not_ready()) {
		reports_hear();
		if (now_seconds() > deadline)
			fail("the functions did not start in time");
	}
	began = now_seconds();
	for (size_t i = 0; i < instance_count; i++)
		references_give(&instances[i]);
	while (how_many_run()) {
		memory_sample();
		if (reports_hear())
			done = now_seconds();
		if (now_seconds() > deadline)
			fail("this takes more than %d seconds", SECONDS_MAX);
	}
	if (figures)
		write_figures(done - began);
	return 0;
}
