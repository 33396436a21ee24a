/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rdma.h - RDMA devices as libibverbs sees them: may they be used, and is a port up
 *
 * libfabric says what a device can do. This module says why libfabric does not list a device, and
 * when a port goes down or up.
 *
 * Worker thread only: like libfabric, nothing of libibverbs survives a fork. Allocates with malloc.
 */
#ifndef RM_RDMA_H
#define RM_RDMA_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/loop.h"

/*
 * Is there a device with an active port that this process may use? 1: there is; 0: there is no
 * device at all; -errno: there is one that cannot be used, and why says the reason and the remedy.
 */
int rdma_usable(char *why, size_t size);

struct rdma_watch;
/*
 * Follow the events of a device, given its libibverbs name. changed() is called from the loop
 * each time the device gets its first active port or loses its last one. It is taken to have one
 * at first. NULL: the device cannot be opened, or there is no memory.
 */
struct rdma_watch *rdma_watch(struct loop *loop, const char *device,
                              void (*changed)(void *arg, bool active), void *arg);
void rdma_unwatch(struct rdma_watch *watch);    /* NULL is allowed */

#endif
