/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.h - what rmmapd does not keep of the program that started it
 *
 * One rmmapd serves all programs of its user, so it must not run with what the first of them
 * was given: its priority, its CPUs, its scheduling class, its place before the OOM killer,
 * its limits. Allocates nothing.
 */
#ifndef RM_DEFAULTS_H
#define RM_DEFAULTS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Once, before the first worker. Soft limits are raised to the hard ones in any case; the rest
 * is set where a program started this rmmapd (whole), and left as the administrator has set it
 * where it was run by hand or by a service manager. What cannot be set is in the log.
 */
void defaults_set(bool whole);

/*
 * For a message about memory that could not be had: " (RLIMIT_AS ...)" with the figure and the
 * remedy where such a limit is set here, else "". Any process of rmmapd.
 */
void defaults_memory(char *text, size_t size);

#endif
