/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reserve.h - memory for what somebody waits for, where malloc has none
 *
 * A fault takes a few small blocks until its page is there: a record of it, a batch, a piece of
 * a read. They are set aside when the worker starts. What nobody waits for must not take them.
 * One of each worker; worker thread only.
 */
#ifndef RM_RESERVE_H
#define RM_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESERVE_BLOCK 512               /* bytes at most */
#define RESERVE_BLOCKS 128

void reserve_open(void);                /* touch it, so that it is there when it is needed */
/* As calloc(1, size); vital: if that has none, out of the reserve. NULL: that has none either. */
void *reserve_zalloc(size_t size, bool vital);
void reserve_free(void *block);         /* of either kind, or NULL */
bool reserve_has(const void *block);    /* is it one of the reserve's? */

#endif
