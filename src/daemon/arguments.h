/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arguments.h - the options of rmmapd, in one table
 *
 * For the parser in main.c and for completion/. Constant data; the key is a letter for the parser.
 */
#ifndef RM_DAEMON_ARGUMENTS_H
#define RM_DAEMON_ARGUMENTS_H

#include "../common/arguments.h"

#define RMMAPD_OPTIONS 9
extern const struct rm_argument rmmapd_options[RMMAPD_OPTIONS];

#endif
