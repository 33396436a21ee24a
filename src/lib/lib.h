/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib.h - the includes of librmmap's top: malloc.c, fork.c, stats.c
 *
 * These files stand above all rooms. Nothing calls them but the program, libc, and heap/, which
 * calls fork_init().
 */
#ifndef RM_LIB_LIB_H
#define RM_LIB_LIB_H

#include "publish/publish.h"

#endif
