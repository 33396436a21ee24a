/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reserve.h - blocks of memory for page faults, for when malloc has none left
 *
 * While a page fault is served, it needs a few small blocks: a record of the fault, a batch, a
 * piece of a read. The faulting thread waits until its page is there, so these must not fail.
 * RESERVE_BLOCKS of them are set aside when the worker starts. Work that no thread waits for, such
 * as readahead, must not take them. There is one reserve for each worker. Worker thread only.
 */
#ifndef RM_RESERVE_H
#define RM_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESERVE_BLOCK 512               /* size in bytes of a block */
#define RESERVE_BLOCKS 128              /* number of blocks */

/* Write to each block once, so that the kernel has given memory for it before it is needed. */
void reserve_open(void);
/*
 * As calloc(1, size). If calloc() fails and VITAL is set, a block of the reserve is returned. NULL
 * if the reserve is empty too, or SIZE is more than RESERVE_BLOCK.
 */
void *reserve_zalloc(size_t size, bool vital);
/* Free a result of reserve_zalloc(), from calloc() or from the reserve. NULL is fine. */
void reserve_free(void *block);
/* True if this block belongs to the reserve, and not to malloc. */
bool reserve_has(const void *block);

#endif
