/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.h - what the worker asks of the keeper
 *
 * The keeper is the first process of rmmapd. It owns the run directory's lock
 * and socket, keeps a copy of every record and descriptor that must outlive the
 * worker, restarts the worker when it dies, and hands it the records again. It
 * looks at nothing in them. A record is bytes and descriptors under a number of
 * the worker's choosing; once keeper_put() has returned, the record survives
 * the worker (the message is in the kernel).
 *
 * Worker side only; main.c is the other end.
 */
#ifndef RM_KEEPER_H
#define RM_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
	RECORD_CLIENT = 1,      /* local.c: a process; fds: socket, pidfd */
	RECORD_LAYER,           /* layers.c: fd: the layer */
	RECORD_PUBLICATION,     /* store.c: fds: table[, slot lock] */
	RECORD_ATTACHMENT,      /* local.c: which client has which publication */
	RECORD_FABRIC,          /* fabric address to listen on again */
	RECORD_REMOTE,          /* remote.c: another host's publication; fds: table, state, caches */
	RECORD_ATTEMPT,         /* attempts.c: an attach that a worker may be killed for */
	RECORD_LAZY,            /* pager.c: fds: uffd, lifeline ends, stderr */
};

#define RECORD_DATA_MAX 1536

struct record {                 /* as handed back after a restart */
	enum record_type type;
	uint64_t number;
	const void *data;
	size_t length;
	const int *fds;         /* the worker's from then on */
	unsigned count;
};

struct keeper;                  /* the worker's end of the socket pair */

/* A number that no record of this rmmapd has had. */
uint64_t keeper_number(struct keeper *keeper);

/* Store or replace a record's bytes; with count > 0 append descriptors to those it has. */
void keeper_put(struct keeper *keeper, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count);
void keeper_delete(struct keeper *keeper, uint64_t number);

bool keeper_alive(const struct keeper *keeper); /* if not, nobody would replace this worker */

/* Have the keeper fork a child that writes text to a consumer's stderr: the worker must not. */
void keeper_tell(struct keeper *keeper, int fd, const char *text);

#endif
