/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish.h - the part of publish/ for fork.c
 *
 * On the thread that forks. Its lock is the first one of the library: prefork takes it before all
 * others, so that no publish is under way in the child.
 */
#ifndef RM_LIB_PUBLISH_H
#define RM_LIB_PUBLISH_H

#include "../attach/attach.h"

#pragma GCC visibility push(hidden)

/* ---- publish.c: around fork; the lock is held from prefork to parent or child ---- */
void publish_prefork(void);
void publish_parent(void);
void publish_child(void);

#pragma GCC visibility pop

#endif
