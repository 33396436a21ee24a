/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workflow.h - a workflow as text, and slots for its instances
 *
 * Pure: no allocation, no globals, no system call. What it reads is fuzzed.
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
#define WORKFLOW_WORDS (WORKFLOW_FUNCTIONS_MAX / 64)
#define WORKFLOW_SLOT_WORDS (RM_SLOTS_MAX / 64)

struct workflow_function {
	char name[WORKFLOW_NAME_MAX + 1];
	uint32_t line;                          /* from 1 */
	uint32_t instances;                     /* at least 1 */
	/* sets of functions, by index */
	uint64_t upstream[WORKFLOW_WORDS];      /* as the line says */
	uint64_t reaches[WORKFLOW_WORDS];       /* itself, and whoever gets its content */
	uint64_t slots[WORKFLOW_SLOT_WORDS];    /* one for each instance, ascending */
};

struct workflow {
	uint32_t count;
	struct workflow_function functions[WORKFLOW_FUNCTIONS_MAX];     /* as in the file */
};

struct workflow_error {
	uint32_t line;
	char text[256];
};

/*
 * Read a workflow and give every instance one of so many slots (1 to RM_SLOTS_MAX). No two
 * instances of one function share a slot, and no two whose content may meet in one address
 * space: one gets the other's, or somebody gets both. 0, or -EINVAL with *error.
 */
int workflow_plan(const char *text, size_t size, uint32_t slots, struct workflow *workflow,
                  struct workflow_error *error);

/* May content of these two, of different functions, meet? */
bool workflow_meet(const struct workflow_function *a, const struct workflow_function *b);

#endif
