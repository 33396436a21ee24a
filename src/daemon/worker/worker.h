/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the worker: builds all parts of rmmapd and connects them
 *
 * Called by keep_run() in a process that it has forked.
 */
#ifndef RM_WORKER_H
#define RM_WORKER_H

#include "../keeper/keep.h"

/* Serve until nothing is left. records are what earlier workers left. Exit status. */
int worker_run(const struct rmmapd *rmmapd, int keeper_socket, struct records *records);

#endif
