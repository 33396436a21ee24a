/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - rmmapd's command line, and how it becomes a daemon
 *
 * rmmapd is two processes: the keeper, which is this one (keeper/keep.c), and its worker
 * (worker/worker.c). Single-threaded. Allocates nothing before the keeper runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/worker.h"
#include "arguments.h"
#include "base/log.h"
#include "../common/number.h"
#include "../common/say.h"
#include "config.h"
#include "keeper/defaults.h"
#include "keeper/keep.h"

#define SECOND UINT64_C(1000000000)
#define HELP_WIDTH 15           /* columns of the names of options */

static void usage_print(void)
{
	char text[512];

	fputs("Usage: rmmapd [OPTION]...\n"
	      "Hold what programs publish with rmmap_publish(), serve it to those that attach it,\n"
	      "and fetch what they attach of other hosts. Programs start it when they need it.\n"
	      "\n", stdout);
	for (size_t i = 0; i < RMMAPD_OPTIONS; i++) {
		rm_argument_help(&rmmapd_options[i], HELP_WIDTH, text, sizeof(text));
		fputs(text, stdout);
	}
	fputs("\nEnvironment:\n", stdout);
	for (size_t i = 0; i < rm_option_count; i++)
		printf("  %s=%s  %s\n", rm_option_table[i].name, rm_option_table[i].value,
		       rm_option_table[i].help);
	fputs("\nSee rmmapd(8).\n", stdout);
}

/*
 * For rm_options_read(): a variable has a value that cannot be used. This is no reason to fail.
 * Standard error is as it was inherited: the log is opened later.
 */
static void option_problem(void *arg, const char *name, const char *value, const char *wanted)
{
	(void)arg;
	rm_say_fd(STDERR_FILENO, "rmmapd: %s=%s cannot be used, its default is: give it %s",
	          name, value, wanted);
}

/*
 * The value of --idle or --grace in ns. Exits if it is not a number. The bound keeps the product,
 * and a time in the future, far below 2^64 ns.
 */
static uint64_t parse_seconds(const char *option, const char *text)
{
	uint64_t n;

	if (rm_parse_number(text, 0, 1000000000, &n) == 0)
		return n * SECOND;
	rm_say_fd(STDERR_FILENO, "rmmapd: --%s %s: want a number of seconds; see rmmapd --help",
	          option, text);
	exit(2);
}

/* The value of --private. Standard descriptors are none: start_output() replaces them. */
static int parse_descriptor(const char *text)
{
	uint64_t n;

	if (rm_parse_number(text, STDERR_FILENO + 1, INT_MAX, &n) == 0)
		return (int)n;
	rm_say_fd(STDERR_FILENO, "rmmapd: --private %s: want the number of an open socket; it is "
	          "the library that uses this option", text);
	exit(2);
}

/* Exits with 2 for wrong usage. */
static void parse_arguments(struct rmmapd *rmmapd, int argc, char **argv)
{
	struct option options[RMMAPD_OPTIONS + 1];
	int c;

	rm_arguments_getopt(rmmapd_options, RMMAPD_OPTIONS, options);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f': rmmapd->foreground = true; break;
		case 'r': rmmapd->options.rundir = optarg; break;
		case 'i': rmmapd->idle_ns = parse_seconds("idle", optarg); break;
		case 'g': rmmapd->grace_ns = parse_seconds("grace", optarg); break;
		case 'l': rmmapd->options.log = optarg; break;
		case 'p': rmmapd->served = parse_descriptor(optarg); break;
		case 'I': rmmapd->inherited = true; break;
		case 'h':
			usage_print();
			exit(0);
		case 'v':
			puts("rmmapd " PACKAGE_VERSION);
			exit(0);
		default:
			fputs("rmmapd: see rmmapd --help\n", stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		rm_say_fd(STDERR_FILENO, "rmmapd: unexpected argument %s; see rmmapd --help",
		          argv[optind]);
		exit(2);
	}
}

/* A misspelt variable has no effect, so name those that rmmap does not know. */
static void log_unknown_variables(void)
{
	char text[512];

	if (rm_options_unknown(environ, getauxval(AT_SECURE) != 0, text, sizeof(text)))
		log_line("in the environment, but no variable of rmmap: %s", text);
}

/*
 * The parent waits for the outcome of the start, and passes messages on to the user. Returns its
 * exit status: 0 after the NUL byte of log_ready(), 1 if the pipe closes without one.
 */
static int starter_wait(int words)
{
	char text[512];
	ssize_t n;

	while ((n = read(words, text, sizeof(text))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && text[n - 1] == '\0')
			return 0;
		if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
			break;
	}
	return 1;
}

/*
 * Go on in a child. The lock, which is an flock(), and the socket, which is bound, are the child's
 * from then on. The parent does not return.
 */
static void daemon_fork(struct rmmapd *rmmapd)
{
	int ends[2] = { -1, -1 };
	pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();

	/* The socket is bound already. Left behind, it would be one that nobody listens at. */
	if (pid < 0) {
		log_failed("cannot start a process: %m");
		start_unlisten(rmmapd);
		_exit(1);
	}
	if (pid > 0) {
		close(ends[1]);
		_exit(starter_wait(ends[0]));
	}
	close(ends[0]);
	/* A hang-up or ^C of the starter's terminal must not reach the daemon. */
	setsid();
	start_quiet(rmmapd);
	if (log_starter(ends[1]) < 0)
		_exit(1);
	close(ends[1]);
}

/*
 * Take the run directory, and become a daemon unless --foreground. Exits on errors. The pid is
 * written after the fork, since the process that stays is the child.
 */
static void rundir_take(struct rmmapd *rmmapd)
{
	int ret = start_take(rmmapd);

	/*
	 * Another rmmapd serves the directory. For a program that wants one that is success; a
	 * service manager has to be told that this process is not the one.
	 */
	if (ret == 1)
		exit(rmmapd->foreground);
	if (ret < 0)
		exit(1);
	if (!rmmapd->foreground)
		daemon_fork(rmmapd);
	start_write_pid(rmmapd, (int)getpid());
}

int main(int argc, char **argv)
{
	static struct rmmapd rmmapd = {
		.idle_ns = 60 * SECOND, .grace_ns = 30 * SECOND, .lock = -1, .listener = -1,
		.directory = -1, .watch = -1, .served = -1,
	};

	rm_options_read(&rmmapd.options, environ, getauxval(AT_SECURE) != 0, option_problem, NULL);
	/* After the environment, since options take precedence over it. */
	parse_arguments(&rmmapd, argc, argv);
	signal(SIGPIPE, SIG_IGN);       /* the starter may be gone */
	if (start_output(&rmmapd) < 0)
		return 1;
	/* Before any fork: the workers and their threads inherit these attributes. */
	defaults_set(rmmapd.inherited);
	log_unknown_variables();
	if (rmmapd.served >= 0) {
		/* It ends with its process, not before. */
		rmmapd.idle_ns = 0;
		if (start_private(&rmmapd) < 0)
			return 1;
	} else {
		rundir_take(&rmmapd);
	}
	prctl(PR_SET_NAME, "rmmapd-keeper");
	rmmapd.keeper_pid = (uint32_t)getpid();
	rmmapd.started_ns = rm_now_ns();
	/* No exit handlers: those of linked libraries have nothing to do in the keeper. */
	_exit(keep_run(&rmmapd, worker_run));
}
