/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * container.h - from a pointer to a member to the struct that embeds it
 *
 * Sources, timers and the like are embedded in their owner's struct, so that a callback needs no
 * second pointer and no allocation. Any thread; allocates nothing.
 */
#ifndef RM_CONTAINER_H
#define RM_CONTAINER_H

#include <stddef.h>

/* ptr points to the member of that name in a struct of that type; the result is the struct. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
