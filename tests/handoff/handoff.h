/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.h - for the tests of publish and attach: a run directory of their own,
 * processes of their own, structures to hand over
 */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <errno.h>
#include <rmmap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
void check_failed(const char *file, int line, const char *text) __attribute__((noreturn));

/* errno and rmmap_error() are of a failure with this number, and the words say this. */
#define CHECK_ERROR(error, words) check_error(__FILE__, __LINE__, error, words)
void check_error(const char *file, int line, int error, const char *words);

/*
 * Call first in main. The test runs again in a child with RMMAP_RUNDIR set to a new
 * directory; when it is over, its rmmapd is ended and the directory removed. In a
 * process started by run_self() it returns the mode, else NULL.
 */
const char *isolate(int argc, char **argv);

/*
 * This program once more, as another process, in this mode; its standard output, and with
 * HANDOFF_STDERR its messages too, in *out.
 */
int run_self(const char *mode, const char *argument, char *out, size_t size);
pid_t start_self(const char *mode, const char *argument, int *out);     /* without waiting */
int end_self(pid_t pid, int out, char *text, size_t size);      /* exit status, or -1 */

/* A second run directory, so another host to rmmap; for RMMAP_RUNDIR of what run_self() runs. */
const char *other_rundir(void);
const char *third_rundir(void);

/* Have another process build what kind names, publish it and end; its handle. */
void produce(const char *kind, char handle[RMMAP_HANDLE_MAX]);
/* What such a process does: build, publish, print the handle. */
int produce_mode(const char *kind);

/* "list", "tree", "table", "array": build it, or sum up one that is built. */
void *structure_build(const char *kind, uint64_t seed);
uint64_t structure_sum(const char *kind, const void *root);

pid_t daemon_pid(void);         /* of this run directory's rmmapd, or 0 */
bool process_gone(pid_t pid);     /* or a zombie that nobody has waited for */
bool stop_daemon(pid_t pid);     /* by SIGTERM, and without grace by another */
int daemon_children(pid_t pid, pid_t *children, int max);
long daemon_rss_kb(pid_t pid);  /* with its children */
int daemon_descriptors(pid_t pid);
int own_descriptors(void);

#endif
