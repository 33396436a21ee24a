/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager.h - page faults of lazy attachments, by userfaultfd
 *
 * Reads fault events, has remote.c fetch a batch of pages, resolves them by
 * UFFDIO_CONTINUE; pages that can no longer be had by UFFDIO_POISON, or, where
 * the kernel has none, by a SIGBUS to the process. Never sees the network.
 * Worker thread only.
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
	uint64_t attachment;            /* its number, to find the attachment for lazy_restore() */
	uint32_t features;
	uint32_t reserved;
};

/*
 * Serve uffd for this attachment from now on. Descriptors are the pager's, on failure
 * too: uffd, the consumer's lifeline end (SIGBUS; O_ASYNC once it has the answer), ours, the
 * ranges if features has RM_UFFD_RANGES, and its stderr if there is one more. 0 or -errno. Sets
 * attachment->lazy, which is NULL again when everything was filled or the attachment stopped.
 */
int lazy_start(struct attachment *attachment, const int *fds, unsigned count, uint32_t features);
/* After a restart: the same, from the keeper's record; attachment->remote is set. */
void lazy_restore(struct attachment *attachment, const struct record *record);

/* Fill every absent page, tell when done: 0, or -errno if some had to be poisoned. */
void lazy_complete(struct lazy *lazy, void (*done)(void *arg, int error), void *arg);
/*
 * Fetch what is absent of [addr, addr + length), which may lie anywhere, while nobody waits.
 * 0, -ENOMEM, or -EAGAIN if too much of that is still to be done.
 */
int lazy_prefetch(struct lazy *lazy, uint64_t addr, uint64_t length);
/* The consumer's socket closed: true if its memory is gone (exec, exit). */
bool lazy_gone(struct lazy *lazy);
/* Detached or dead: close all, disarm the lifeline; a done() still owed gets -ECANCELED. */
void lazy_stop(struct lazy *lazy);

#endif
