/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * versions.h - an array of pages that is changed here and there and published again and again
 *
 * Each page says which one it is and in which version it was last written, so that a consumer
 * can tell of any publication whether it is exactly that version: what was to be changed in
 * each is drawn from a fixed sequence.
 */
#ifndef VERSIONS_H
#define VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERSIONS_PAGE 4096

struct versions {
	size_t pages;
	size_t changes;                 /* drawn for each version after the first */
	char *data;                     /* pages * VERSIONS_PAGE, page aligned */
};

struct versions *versions_build(size_t pages, size_t changes);  /* version 0 */
void versions_change(struct versions *v, unsigned version);     /* from version - 1 */
/* Is it this version, every byte that was ever written? Says where it is not. */
bool versions_are(const struct versions *v, unsigned version);

/* Run this program as "verify" of that publication, with success, and print what it prints. */
void versions_verify(const char *handle, unsigned version);
/* There: attach what the argument says, and which version that is. NULL after a line on stderr. */
struct versions *versions_attach(const char *argument, unsigned *version);

long mappings(int pid);                 /* lines of /proc/PID/maps; 0: this process's */
/* What all layers take, each counted once, and this process's own memory beside them. */
uint64_t layers_bytes(int daemon);
uint64_t anonymous_bytes(void);

#endif
