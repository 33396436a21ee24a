/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.h - a process of rmmapd, made by start.c
 *
 * Under the connection's lock. System calls only; memory is own_pages().
 */
#ifndef RM_SPAWN_H
#define RM_SPAWN_H

#include <stdbool.h>

#define SPAWN_PASSED 2

struct spawn {                          /* shared by all processes that take part */
	char *const *arguments;         /* the first is the program's path */
	char *const *environment;
	/*
	 * Of these descriptors those that are not -1 become the new process's 3 and 4, in this
	 * order, and words its standard error. All have been raised: see fd_raise().
	 */
	int passed[SPAWN_PASSED];
	int words;
	int error;                      /* why it could not be executed, an errno; 0: it was */
	const char *step;
};

/* It was executed (0), or -ECONNREFUSED with error and step, or -ENOMEM. errno is kept. */
int spawn_process(struct spawn *spawn);

/* ---- spawn.c, for parent.c ---- */
int spawn_failed(struct spawn *spawn, const char *step);        /* by errno; returns 1 */
void spawn_close_from(unsigned first);  /* all descriptors from this one on */
int spawn_exec(void *spawn);            /* becomes the process; the child of a vfork. Or 1 */

/* ---- parent.c ---- */
bool parent_needed(void);       /* would this process inherit rmmapd when its parent ends? */
/* Signals are blocked. False: it cannot be done so; nothing has happened. */
bool parent_spawn(struct spawn *spawn);

/* libc's own: clone() is this library's, for programs (fork.c). */
int __clone(int (*function)(void *), void *stack, int flags, void *arg, ...);

#endif
