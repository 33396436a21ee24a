/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * marks.h - blocks with marks on them, for marked.c: what mlock(), madvise() and mprotect() leave
 * on a page, and what the kernel says of it
 */
#ifndef MARKS_H
#define MARKS_H

#include <stdbool.h>
#include <stddef.h>

#define PAGE ((size_t)4096)
#define BLOCK (16 * PAGE)
#define MARKS_KINDS 6                   /* kinds of advice */
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

struct shown {                          /* from /proc/self/smaps */
	char flags[256];                /* " rd wr ... " */
	int key;
	size_t size, rss, locked;       /* KiB */
};

struct root {
	unsigned char *marked[MARKS_KINDS];   /* NULL: this kernel does not know the advice */
	unsigned char *locked, *on_fault, *guard, *plain;
};

struct shown page_shown(const void *page);
bool has_flag(const void *page, const char *flag);
long locked_kb(void);
char page_state(const void *page);
unsigned char *block(unsigned char fill);
struct root *build(void);
bool filled(const unsigned char *p, unsigned char fill, size_t size);
void check_advice(const struct root *root, bool child);
void check_marks(const struct root *root, bool child);
void fork_checked(const struct root *root, void (*also)(const struct root *root));
void lower_limit(size_t bytes);

#endif
