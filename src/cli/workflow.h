/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workflow.h - parses the text of a workflow and assigns slots to its instances
 *
 * rmmap plan uses it. Pure: any thread, no allocation, no globals, no system call. Parsing is
 * fuzzed. A workflow has a line for each function, with its instances and the functions whose
 * publications it attaches:
 *
 *   # a word count
 *   split:
 *   map*4: split
 *   reduce: map
 */
#ifndef RM_CLI_WORKFLOW_H
#define RM_CLI_WORKFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/layout.h"

#define WORKFLOW_FUNCTIONS_MAX 1024u
#define WORKFLOW_NAME_MAX 64            /* bytes, without the NUL */
#define WORKFLOW_WORDS (WORKFLOW_FUNCTIONS_MAX / 64)   /* a set of functions */
#define WORKFLOW_SLOT_WORDS (RM_SLOTS_MAX / 64)

struct workflow_function {
	char name[WORKFLOW_NAME_MAX + 1];
	uint32_t line;                          /* where it is defined; the first is 1 */
	uint32_t instances;                     /* at least 1 */
	/* sets of functions, by index */
	uint64_t upstream[WORKFLOW_WORDS];      /* named in its line */
	uint64_t reaches[WORKFLOW_WORDS];       /* itself, and all that get its content, directly
	                                           or through others */
	uint64_t slots[WORKFLOW_SLOT_WORDS];    /* a set of slots: as many as instances, the
	                                           lowest for the first one */
};

struct workflow {
	uint32_t count;
	struct workflow_function functions[WORKFLOW_FUNCTIONS_MAX];     /* in order of lines */
};

struct workflow_error {
	uint32_t line;
	char text[256];
};

/*
 * Parse a workflow and assign one of so many slots (1 to RM_SLOTS_MAX) to each instance. Two
 * instances have different slots if they are of one function, or if their content may meet in
 * one address space: one of them gets the other's content, or a third gets both. 0, or -EINVAL
 * with *error.
 */
int workflow_plan(const char *text, size_t size, uint32_t slots, struct workflow *workflow,
                  struct workflow_error *error);

/* True if content of these two different functions may meet in one process. */
bool workflow_meet(const struct workflow_function *a, const struct workflow_function *b);

#endif
