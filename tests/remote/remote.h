/* SPDX-License-Identifier: BSD-2-Clause */
/* remote.h - for the programs that the tests between two hosts run: ways to attach, counters */
#ifndef REMOTE_H
#define REMOTE_H

#include <rmmap.h>

/* "eager", "lazy" or "auto". NULL with errno as rmmap_attach() does. */
void *remote_attach(const char *how, const char *handle);

/* One line: pages=N bytes=N reads=N faults=N provider=NAME prefetched=N and so on */
void remote_counters(void);

/* The name of errno and rmmap_error() on standard output; 4, to be the exit status. */
int remote_failed(void);

/* Have sh run this, without fork(): nothing is fetched for its sake. 0 if it succeeded. */
int remote_shell(const char *command);

#endif
