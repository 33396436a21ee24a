/* SPDX-License-Identifier: BSD-2-Clause */
/* conduct.h - the functions of a workflow, and how much memory they take */
#ifndef CONDUCT_H
#define CONDUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STAGES_MAX 16
#define WORDS_MAX 200
#define INSTANCES_MAX 1000

struct stage {                          /* a line of the workflow's file */
	char *name;
	bool far, many;
	size_t inputs, input[STAGES_MAX];       /* earlier lines */
	size_t words;
	char *word[WORDS_MAX];          /* the program, relative to the directory above conduct's */
	size_t first, count;            /* its instances */
	size_t receivers;
};

struct instance {
	const struct stage *stage;
	pid_t pid;                      /* 0: it has ended */
	int input, output, report;      /* ours; -1: closed */
	bool ready;
	char *lines;                    /* its output */
	size_t length;
	size_t stage_at, got;           /* of its inputs: which stage, how many lines of that */
	char said[512];                 /* what it reports */
	size_t said_length;
};

/* The workflow in this file, its arguments put in: %A all of them, %1 to %9 one. */
size_t read_workflow(const char *file, char **arguments, struct stage stages[STAGES_MAX]);

/*
 * Bytes of memory that these processes have now: their private pages, their part of what is mapped
 * from files, and each of their memory files once, as much of it as is there.
 */
double memory_of(const pid_t *pids, size_t count);

/* Line number `at` of what this instance printed; NULL if it is not there yet. */
const char *line_of(const struct instance *from, size_t at, size_t *length);
/* More of its output: false if that is at its end, and closed. */
bool hear_lines(struct instance *from);
/* End these, and hear what they printed until then. */
void stop_all(struct instance *instances, size_t count);
/* What this instance has published, if it is still there. */
void unpublish(const struct instance *from, char **far_words);

/* Say so and exit with 1, the functions ended. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
