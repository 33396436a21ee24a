/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rundir_steps.h - run directories below a temporary one, for test_rundir and test_rundir_serve
 *
 * Everything fails the test by itself.
 */
#ifndef RM_TEST_RUNDIR_STEPS_H
#define RM_TEST_RUNDIR_STEPS_H

#include "../unit.h"

#include <stdbool.h>

#include "rundir.h"

/* One temporary directory for the program; the tests, in processes of their own, share it. */
extern char base[];
extern char path[RM_RUNDIR_MAX], why[512];      /* what find() gave */

const char *in_base(const char *leaf);          /* valid until the next call */
int find(const char *rundir, bool create);
int listen_at(const char *dir);
/* check cannot skip a test: what could not be looked at is said in the log. */
void not_tested(const char *what, const char *needs);

/* As unit_run(), in a new base, which is removed at the end. */
int run_in_base(const char *name, const struct unit_test *tests, size_t count);

#endif
