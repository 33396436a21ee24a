/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callers.h - limits on who connects to the ports that libfabric listens on
 *
 * The tcp provider accepts whatever connects and keeps the connection for as long as the other end
 * likes. It accepts by accept(2), and in rmmapd that name is the function in callers.c. It limits
 * the number of connections and hangs up on those that stay silent.
 *
 * Worker thread only. accept() in another thread behaves like libc's. May allocate with malloc.
 */
#ifndef RM_FABRIC_CALLERS_H
#define RM_FABRIC_CALLERS_H

#include <stdint.h>
#include <sys/socket.h>

#include "../base/loop.h"
#include "../base/context.h"

/*
 * A connection that was accepted. The provider owns the descriptor and may have closed it: then
 * the number may be another file's, which the cookie tells.
 */
struct caller {
	int fd;                         /* at most one caller has a given number */
	uint64_t cookie;                /* the kernel's number for the socket; 0: it has none */
	uint64_t since;                 /* ns: when it was accepted */
	uint64_t known;                 /* ns: the last message from its address that was sealed
	                                   with a key that we have; 0: there was none */
	uint8_t address[16];            /* as fabric_network() gives it */
};

struct callers {
	struct context *context;        /* NULL: nothing is watched yet */
	struct timer timer;             /* runs while count > 0 */
	int spare;                      /* a descriptor held in reserve: closed in order to accept,
	                                   and turn away, a caller when none is left; or -1 */
	struct caller *all;             /* in the order of coming; room for capacity of them */
	unsigned count, capacity;       /* count <= capacity */
	uint64_t told;                  /* ns: the last log line that there is no room; 0: none */
	/* Durations in ns; tests shorten them. */
	uint64_t silent;                /* a stranger that has sent no byte by then is closed */
	uint64_t idle;                  /* a stranger that has sent none for this long, too */
	uint64_t lapse;                 /* a known caller becomes a stranger after this long */
	uint64_t tick;                  /* between two looks at all callers */
};

/*
 * Begin to watch what this thread accepts. Returns the only instance, which must be a global:
 * accept() has no argument for it. Later calls change nothing.
 */
struct callers *callers_watch(struct context *context);
/*
 * A message was opened with its key, and says that it comes from this provider's address, which
 * may be no sockaddr. Callers from that address are no strangers from now on.
 */
void callers_known(const void *address, size_t length);

#endif
