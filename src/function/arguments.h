/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arguments.h - the options of rmmap-function, in one table
 *
 * For the parser in settings.c and for completion/. Constant data; the key is a letter for the
 * parser.
 */
#ifndef RM_FUNCTION_ARGUMENTS_H
#define RM_FUNCTION_ARGUMENTS_H

#include "../common/arguments.h"

#define FUNCTION_OPTIONS 14
extern const struct rm_argument function_options[FUNCTION_OPTIONS];

#endif
