/* SPDX-License-Identifier: BSD-2-Clause */
/* backing_steps.h - a heap of spans in slot 900, and what is looked at in it; see the .c file */
#ifndef BACKING_STEPS_H
#define BACKING_STEPS_H

#include "../../../src/lib/heap/backing.h"
#include "../unit.h"         /* check.h has a macro fail() of its own */

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define HEAP 7                  /* a number for the memory of this process */

extern struct array spans;      /* of the last frozen() */

char *base(void);
char *grow(char *at, size_t length);
char *shared(size_t length);
bool filled(const char *p, int value, size_t length);
bool intact(const char *p, size_t from, size_t to);
const struct span *frozen(size_t count);
void check_span(const struct span *s, int kind, const char *from, size_t size, bool fresh);
int file_of(uint32_t number, size_t expected);
char *mapped(int fd, size_t length);
int lines(const char *words);
void close_all(void);

#endif
