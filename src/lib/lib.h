/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib.h - the top of librmmap: malloc.c, fork.c, stats.c
 */
#ifndef RM_LIB_LIB_H
#define RM_LIB_LIB_H

#include "publish/publish.h"

#pragma GCC visibility push(hidden)

#pragma GCC visibility pop

#endif
