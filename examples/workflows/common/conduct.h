/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conduct.h - the stages of a workflow and their instances, for the files of conduct
 *
 * A stage is a function of the workflow; an instance is a process of it. One thread.
 */
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
	bool far, many;                 /* runs on the other host; has several instances */
	size_t inputs, input[STAGES_MAX];       /* indices of earlier stages */
	size_t words;
	char *word[WORDS_MAX];          /* the program, relative to the directory above conduct's */
	size_t first, count;            /* its instances, in order of their parts */
	size_t receivers;               /* instances of later stages that have it as input */
};

struct instance {
	const struct stage *stage;
	pid_t pid;                      /* 0: it has ended */
	int input, output, report;      /* our ends of its pipes; -1: closed */
	bool ready;                     /* it has reported that it waits for its input */
	char *lines;                    /* its output */
	size_t length;
	size_t stage_at, got;           /* inputs written: stages, and lines of the next stage */
	char said[512];                 /* its reports so far */
	size_t said_length;
};

/* Read a workflow's file. In its commands %A stands for all arguments, %1 to %9 for one. */
size_t read_workflow(const char *file, char **arguments, struct stage stages[STAGES_MAX]);

/*
 * Bytes of memory that these processes use now: their private pages, their shares of mapped files,
 * and the allocated pages of their memory files, each file once.
 */
double memory_of(const pid_t *pids, size_t count);

/* Line number at, from 0, of an instance's output, newline included; NULL if it is not there. */
const char *line_of(const struct instance *from, size_t at, size_t *length);
/* Read more of its output. False at its end, which closes it. */
bool hear_lines(struct instance *from);
/* End these instances, and read the rest of their output. */
void stop_all(struct instance *instances, size_t count);
/* Unpublish what this instance has published, if it is still published. */
void unpublish(const struct instance *from, char **far_words);

/* Print a message, end all instances, exit with status 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
