/* SPDX-License-Identifier: BSD-2-Clause */
/* preload.h - for programs whose malloc is to be librmmap's: assertions, and where memory lies */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "layout.h"

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
		abort(); \
	} \
} while (0)

/* The compiler must not reason about what malloc returns, or leave a pair of calls out. */
#define OPAQUE(p) __asm__ volatile("" : "+r"(p) : : "memory")

static inline bool in_window(const void *p)
{
	return rm_in_window((uintptr_t)p);
}

static inline unsigned slot_of(const void *p)
{
	return rm_slot_of((uintptr_t)p);
}

/* The slot of a fresh allocation of this thread. */
static inline unsigned fresh_slot(void)
{
	void *p = malloc(40);
	unsigned slot;

	OPAQUE(p);
	CHECK(p && in_window(p));
	slot = slot_of(p);
	free(p);
	return slot;
}

#endif
