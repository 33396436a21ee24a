/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_callers.h - who connects to the ports that libfabric listens on
 *
 * The tcp provider accepts by itself and keeps whatever connects, for as long as the other end
 * likes. It does so by accept(2), and in rmmapd that is fabric_callers.c's, which bounds how
 * many there are and hangs up on those that say nothing.
 *
 * Worker thread only; what other threads accept is none of this. May allocate with malloc.
 */
#ifndef RM_FABRIC_CALLERS_H
#define RM_FABRIC_CALLERS_H

#include <stdint.h>
#include <sys/socket.h>

#include "../base/loop.h"
#include "../base/context.h"

struct caller {                         /* a connection that was accepted */
	int fd;                         /* the provider's: it may be another file by now */
	uint64_t cookie;                /* the kernel's for the socket: is it still that one? */
	uint64_t since;
	uint64_t known;                 /* when a message came from its address that was sealed
	                                   with a key that we have; 0: never */
	uint8_t address[16];            /* fabric_network() of it */
};

struct callers {
	struct context *context;          /* NULL: nothing is watched yet */
	struct timer timer;             /* runs while there is a caller */
	int spare;                      /* open for nothing: to accept who is turned away; or -1 */
	struct caller *all;             /* in the order of coming */
	unsigned count, capacity;
	uint64_t told;                  /* when it was last logged that there is no room; 0: never */
	/* ns; a test makes them short */
	uint64_t silent;                /* a stranger may say nothing for so long, */
	uint64_t idle;                  /* or stop talking, */
	uint64_t lapse;                 /* and who is known is a stranger again after so long */
	uint64_t tick;
};

/* The one there is; accept() has no argument for it. From here on its thread is watched. */
struct callers *callers_watch(struct context *context);
/*
 * A message was opened with its key that says it is of here (a provider's address, which may be
 * no sockaddr): who calls from there is no stranger.
 */
void callers_known(const void *address, size_t length);

#endif
