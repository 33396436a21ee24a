/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the worker: builds all parts of rmmapd and connects them
 *
 * keep_run() calls it in a process that it has forked for this worker; main.c passes it on, since
 * the keeper's room is below this one.
 */
#ifndef RM_WORKER_H
#define RM_WORKER_H

#include "../keeper/keep.h"

/*
 * Serve until nothing is left. The records are those that earlier workers have left, and are freed.
 * Returns the exit status. Errors of the start are logged. Allocates; single-threaded.
 */
int worker_run(const struct rmmapd *rmmapd, int keeper_socket, struct records *records);

#endif
