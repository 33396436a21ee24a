/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager.h - page faults of lazy attachments, by userfaultfd
 *
 * Reads fault events, has remote/ fetch pages, and maps them with UFFDIO_CONTINUE. A page that
 * can no longer be had is marked with UFFDIO_POISON; where the kernel has no such call, the
 * process gets SIGBUS. Never sees the network.
 *
 * Called by local/. Worker thread only. Allocates with malloc; what a fault needs comes from
 * base/reserve.h where malloc fails.
 */
#ifndef RM_PAGER_H
#define RM_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "../keeper/keeper.h"
#include "../remote/attachment.h"
#include "../remote/remote.h"
#include "../base/context.h"

struct lazy;

struct lazy_record {                    /* data of RECORD_LAZY */
	uint64_t attachment;            /* attachment.number, to find it for lazy_restore() */
	uint32_t features;
	uint32_t reserved;
};

/*
 * Serve the faults of this attachment from now on. The descriptors are the pager's from here on,
 * on failure too. They are, in this order: the userfaultfd; the process's end of its lifeline
 * (the kernel sends SIGBUS for it if rmmapd ends, once the process has set O_ASYNC); our end of
 * it; the file of ranges if features has RM_UFFD_RANGES; and the process's stderr if there is
 * one more. Sets attachment->lazy, which becomes NULL again when every page is settled or after
 * lazy_stop(). 0 or -errno.
 */
int lazy_start(struct attachment *attachment, const int *fds, unsigned count, uint32_t features);
/*
 * The same after a restart, from the keeper's record. attachment->remote must be set. If it
 * fails, the process gets SIGBUS.
 */
void lazy_restore(struct attachment *attachment, const struct record *record);

/*
 * Fetch and map every absent page, then call done(), perhaps from here if there is no memory. 0,
 * or -errno if some pages had to be marked as lost.
 */
void lazy_complete(struct lazy *lazy, void (*done)(void *arg, int error), void *arg);
/*
 * Start to fetch the absent pages of [addr, addr + length); parts that lie in no segment are
 * ignored. 0, -ENOMEM, or -EAGAIN if too many ranges are waiting already.
 */
int lazy_prefetch(struct lazy *lazy, uint64_t addr, uint64_t length);
/* After the process's socket closed: is its address space gone (exec, exit)? */
bool lazy_gone(struct lazy *lazy);
/*
 * The attachment was detached, or its process is dead: stop serving, disarm the lifeline, and
 * free it. A done() that is still owed gets -ECANCELED.
 */
void lazy_stop(struct lazy *lazy);

#endif
