/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memlock.h - how much memory this process may lock, and so an RDMA device may pin for it
 *
 * rmmapd and rmmap info use it. Any thread; no allocation.
 */
#ifndef RM_MEMLOCK_H
#define RM_MEMLOCK_H

#include <stdint.h>

/* rmmapd uses no RDMA device if less may be locked: the buffers of ofi_rxm take 32 MiB and more. */
#define RM_MEMLOCK_LEAST ((uint64_t)64 << 20)

/* RLIMIT_MEMLOCK in bytes; UINT64_MAX if there is none, or CAP_IPC_LOCK overrides it. */
uint64_t rm_memlock_limit(void);

#endif
