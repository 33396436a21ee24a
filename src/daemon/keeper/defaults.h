/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.h - process attributes that rmmapd resets
 *
 * One rmmapd serves all programs of its user. So it must not run with the attributes that the
 * program had which happened to start it: priority, CPUs, scheduling class, OOM score, limits.
 * Allocates nothing.
 */
#ifndef RM_DEFAULTS_H
#define RM_DEFAULTS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Called once by the keeper, before the first worker. Removes signal handlers that libraries
 * have installed, and raises soft limits to the hard ones. If WHOLE is true a program has started
 * this rmmapd, and all other attributes are reset, too. Else a user or a service manager has, and
 * what they have set stays. The log has a line for each attribute that cannot be set.
 */
void defaults_set(bool whole);

/*
 * An addition to a message about memory that could not be allocated. If RLIMIT_AS is set for this
 * process, TEXT becomes " (rmmapd has ...)" with its value and the remedy, else "". Keeper or
 * worker.
 */
void defaults_memory(char *text, size_t size);

#endif
