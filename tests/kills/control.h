/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - what the kill harness shares with the processes it watches
 *
 * One file for each rmmapd and one for each consumer, mapped MAP_SHARED by the harness, by the
 * shim that is preloaded (shim.c; the file's path is in KILLS_CONTROL) and by the consumer
 * itself. A worker that the keeper forks inherits the mapping, so points are counted on across
 * its predecessor's death.
 *
 * A point is the moment before or after a message, a record or a step of the pager that can be
 * told apart from outside: a process that dies anywhere in between leaves what it would leave
 * at one of the two.
 */
#ifndef KILLS_CONTROL_H
#define KILLS_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

#define KILLS_AT 2              /* deaths by counted points in one case */
#define KILLS_TRACE 8192        /* points whose names are kept */
#define KILLS_RESULTS 2         /* a consumer, and its child by fork() */

/* Kinds of points; a case counts those of its mask. */
enum {
	POINT_CLIENT = 1,       /* messages on clients' sockets */
	POINT_RECORD = 2,       /* messages between worker and keeper */
	POINT_PAGER = 4,        /* ioctl() on a userfaultfd */
	POINT_FABRIC = 8,       /* libfabric's sockets */
};

/* A keeper whose worker dies too often in 10 s gives up: from a death on it is so much later. */
#define KILLS_APART_NS 11000000000

enum process { NOBODY, WORKER, KEEPER, BOTH };

struct point {
	uint8_t kind;
	uint8_t after;          /* 0: before it */
	uint8_t received;       /* a message that came, not one that goes */
	uint8_t type;           /* of the message or record, or the ioctl's number */
};

enum phase {                    /* of a consumer */
	STARTING, PUBLISHING, PUBLISHED, ATTACHING, ATTACHED, WALKING, DETACHING, PREFETCHING,
	FORKING, DONE
};

struct result {
	atomic_uint phase;
	int refused;            /* errno of a call that failed */
	char why[256];          /* its rmmap_error() */
	uint32_t right, zeros, wrong, sigbus;   /* pages */
	uint64_t bad_page, bad_word;            /* the first that is zeros or wrong */
};

struct control {
	/* set by the harness before it arms */
	uint32_t mask;
	uint32_t counted;       /* enum process: whose points */
	uint32_t victim;        /* enum process: who is killed at one */
	uint32_t at[KILLS_AT];  /* the point's number, from 1; the second one's from the first kill
	                           on. 0: none */
	uint32_t gate_wanted;   /* consumers wait at the first kill until the harness opens */
	uint32_t hold;          /* a consumer waits at this point of its own; 0: nowhere */

	atomic_uint armed;      /* points count */
	atomic_uint count;      /* since it was armed, or since the first kill */
	atomic_uint kills;
	/*
	 * Set before the keeper is killed: while it closes its descriptors, tens of ms on a busy
	 * machine, waitid() does not tell yet.
	 */
	atomic_uint keeper_killed;
	atomic_uint gate;       /* 1: consumers wait */
	atomic_uint held, go;   /* a consumer is held; it may go on */
	atomic_llong ahead_ns;  /* CLOCK_MONOTONIC of rmmapd is so far ahead, */
	atomic_llong keeper_ahead_ns;   /* and the keeper's by so much more: KILLS_APART_NS */
	atomic_uint traced;
	struct point trace[KILLS_TRACE];

	/* written by a consumer */
	struct result results[KILLS_RESULTS];
	char handle[512];       /* of what it published */
};

#endif
