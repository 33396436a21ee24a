/* SPDX-License-Identifier: BSD-2-Clause */
/* util.h - a few macros for rmmapd's own files */
#ifndef RM_UTIL_H
#define RM_UTIL_H

#include <stddef.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
