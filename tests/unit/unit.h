/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - what every unit test begins with
 *
 * One program per module, one process per test: a crash is one failed test.
 */
#ifndef RM_UNIT_H
#define RM_UNIT_H

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct unit_test {
	const TTest *test;
	int cases;                      /* runs of a loop test; 0: an ordinary one */
};

static inline int unit_run(const char *name, const struct unit_test *tests, size_t count)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < count; i++) {
		TCase *tcase = tcase_create(tests[i].test->name);

		tcase_set_timeout(tcase, 300);
		/* CK_RUN_CASE takes one test by name; as a tag, CK_EXCLUDE_TAGS leaves some out */
		tcase_set_tags(tcase, tests[i].test->name);
		tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].cases ? tests[i].cases : 1);
		suite_add_tcase(suite, tcase);
	}
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A fixed sequence of numbers that look random: failures repeat. */
static inline uint64_t unit_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
