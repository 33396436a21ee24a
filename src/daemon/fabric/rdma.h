/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rdma.h - RDMA devices as libibverbs sees them: may they be used, and is a port up
 *
 * libfabric says what a device can do; this says why it does not list one, and when a
 * port goes down. Worker thread only: like libfabric, nothing of it survives a fork.
 */
#ifndef RM_RDMA_H
#define RM_RDMA_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/loop.h"

/*
 * Is there a device with an active port that this process may use? 1; 0: there is none at
 * all; -errno: there is one, and what keeps it from being used, with the remedy, is in why.
 */
int rdma_usable(char *why, size_t size);

struct rdma_watch;
/*
 * Follow the events of a device (its libibverbs name): changed() is called from the loop
 * each time that it has, or no longer has, an active port. NULL if it cannot be opened.
 */
struct rdma_watch *rdma_watch(struct loop *loop, const char *device,
                              void (*changed)(void *arg, bool active), void *arg);
void rdma_unwatch(struct rdma_watch *watch);

#endif
