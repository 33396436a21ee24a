/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.h - what parts of the worker ask of the keeper
 *
 * The keeper is the first process of rmmapd. It owns the run directory's lock and socket, has a
 * copy of each record and descriptor that must outlive the worker, and starts another worker when
 * one dies, which gets the records again. The keeper does not look into them. A record is bytes
 * and descriptors under a number that the worker chose. Once keeper_put() has returned, the record
 * survives the worker, because the message is in the kernel.
 *
 * Worker thread only. keep_worker.c is the other end. The functions here do not allocate; they wait
 * up to 5 seconds if the keeper does not read.
 */
#ifndef RM_KEEPER_H
#define RM_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
	RECORD_CLIENT = 1,      /* local/client.c: a process, or a socket of one; fd: its pidfd,
	                           or the socket */
	RECORD_LAYER,           /* store/layers.c: a layer; fds: the layer[, its pages] */
	RECORD_PUBLICATION,     /* store/store.c: a publication; fds: table[, slot lock] */
	RECORD_ATTACHMENT,      /* local/attachment.c: which client has which publication */
	RECORD_FABRIC,          /* peer/nets.c: the fabric address to listen on again */
	RECORD_REMOTE,          /* remote/table.c: another host's publication; fds: table, state,
	                           caches */
	RECORD_ATTEMPT,         /* attempts.c: an attach during which a worker may be killed */
	RECORD_LAZY,            /* pager/pager.c: page faults of an attachment; fds: userfaultfd,
	                           both ends of the lifeline[, ranges][, stderr] */
};

#define RECORD_DATA_MAX 1536    /* bytes of a record's data at most */

/* A record as a new worker gets it after a restart. */
struct record {
	enum record_type type;
	uint64_t number;
	const void *data;
	size_t length;
	const int *fds;         /* in the order in which they were put; the callee's to close */
	unsigned count;
};

struct keeper;                  /* the worker's end of the socket pair */

/* Return a number that no record of this rmmapd has had. Later numbers are higher. */
uint64_t keeper_number(struct keeper *keeper);

/*
 * Store a record's bytes, or replace them. The descriptors are appended to those that the record
 * has; the caller's stay open. LENGTH is at most RECORD_DATA_MAX.
 */
void keeper_put(struct keeper *keeper, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count);
/* Delete a record, if there is one; the keeper closes its descriptors. */
void keeper_delete(struct keeper *keeper, uint64_t number);

/* False once the keeper has died: no other worker would replace this one. */
bool keeper_alive(const struct keeper *keeper);

/*
 * Have the keeper fork a child that writes TEXT to fd, a consumer's standard error. The worker must
 * not write there itself: it might wait for a thread that waits for a page of the worker's.
 */
void keeper_tell(struct keeper *keeper, int fd, const char *text);

#endif
