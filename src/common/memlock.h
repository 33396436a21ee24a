/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memlock.h - how much memory this process may lock, which is what RDMA devices may pin
 */
#ifndef RM_MEMLOCK_H
#define RM_MEMLOCK_H

#include <stdint.h>

/* With less than this an RDMA device is left alone: ofi_rxm's own buffers take 32 MiB and more. */
#define RM_MEMLOCK_LEAST ((uint64_t)64 << 20)

/* RLIMIT_MEMLOCK in bytes; UINT64_MAX: none, or CAP_IPC_LOCK is above it. */
uint64_t rm_memlock_limit(void);

#endif
