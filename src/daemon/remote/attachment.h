/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attachment.h - a process's attachment, as far as the publication's pages are concerned
 *
 * Embedded by who makes one: local/ for a process, take.c for this host itself. Worker
 * thread only.
 */
#ifndef RM_ATTACHMENT_H
#define RM_ATTACHMENT_H

#include <stdint.h>

#include "../../common/wire.h"

struct lazy;
struct remote;

/*
 * Counters of a process, for all of its attachments. Reads that are under way have a
 * reference, so they can be counted after the process has ended.
 */
struct process_counters {
	struct rm_counters sum;
	unsigned refs;                  /* the process's own, and one for each read under way */
};
struct process_counters *process_counters_new(void);    /* one reference; NULL: no memory */
struct process_counters *process_counters_ref(struct process_counters *counters);
void process_counters_unref(struct process_counters *counters);         /* NULL is fine */

struct attachment {
	uint64_t number;                /* on the wire, and the keeper's record; unique */
	struct process_counters *counters;      /* of its process; its own reference is there */
	int pidfd;                      /* of its process, to signal it; the process's to close */
	uint32_t prefetch;              /* enum rm_prefetch_mode, as its process said */
	struct remote *remote;          /* set from remote_attach() on; NULL: of this host */
	struct lazy *lazy;              /* pager.h; NULL if it does not page */
	uint64_t generation;            /* of the caches whose descriptors its process was sent:
	                                   see remote_shares(); an earlier one never harms */
	uint32_t served;                /* SERVED_ bits, of one that pages */
	/* generation or served has changed: have the keeper know. */
	void (*save)(struct attachment *attachment);
};

#define SERVED_TO_THE_END 1u            /* nothing is absent, or what is was given up */
#define SERVED_LOST 2u                  /* some page was marked as lost in its process */

#endif
