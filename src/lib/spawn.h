/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.h - a process of rmmapd, made by start.c
 *
 * Under the connection's lock. System calls only; memory is own_pages().
 */
#ifndef RM_SPAWN_H
#define RM_SPAWN_H

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

#endif
