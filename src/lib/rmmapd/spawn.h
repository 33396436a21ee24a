/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.h - making rmmapd's process; for start.c
 *
 * Any thread, under the connection's lock. System calls only; memory is own pages.
 */
#ifndef RM_SPAWN_H
#define RM_SPAWN_H

#include <stdbool.h>

#define SPAWN_PASSED 2

struct spawn {                          /* in memory that all processes that take part share */
	char *const *arguments;         /* the first is the path of the program */
	char *const *environment;
	/*
	 * Those that are not -1 become the new process's descriptors 3 and 4, in this order, and
	 * words becomes its standard error. All have been moved by fd_raise().
	 */
	int passed[SPAWN_PASSED];
	int words;
	int error;                      /* errno of what failed; 0: the exec was done */
	const char *step;               /* what failed */
};

/* 0: it was executed; else -ECONNREFUSED with error and step, or -ENOMEM. Keeps errno. */
int spawn_process(struct spawn *spawn);

/* ---- spawn.c, for parent.c ---- */
int spawn_failed(struct spawn *spawn, const char *step);        /* notes errno; returns 1 */
void spawn_close_from(unsigned first);  /* all descriptors from this one on */
int spawn_exec(void *spawn);            /* in a child like vfork's: exec, or return 1 */

/* ---- parent.c ---- */
bool parent_needed(void);       /* would this process inherit an orphaned rmmapd? */
/* With all signals blocked. False: it cannot be done this way, and nothing has happened. */
bool parent_spawn(struct spawn *spawn);

/* libc's clone(): the name clone is this library's wrapper for programs (fork.c). */
int __clone(int (*function)(void *), void *stack, int flags, void *arg, ...);

#endif
