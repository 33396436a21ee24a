/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attachment.h - an attachment, as far as remote/ and pager/ need to know it
 *
 * Embedded by its owner: local/ for a process, take.c for this host itself. Worker thread
 * only; process_counters_new() allocates.
 */
#ifndef RM_ATTACHMENT_H
#define RM_ATTACHMENT_H

#include <stdint.h>

#include "../../common/wire.h"

struct lazy;
struct remote;

/*
 * Counters of a process, for all of its attachments together. A read that is under way has a
 * reference, so that it can be counted after the process has ended.
 */
struct process_counters {
	struct rm_counters sum;
	unsigned refs;                  /* the process's own, and one for each read under way */
};
struct process_counters *process_counters_new(void);    /* one reference; NULL: no memory */
struct process_counters *process_counters_ref(struct process_counters *counters);
/* Frees it with the last reference. NULL is allowed. */
void process_counters_unref(struct process_counters *counters);

struct attachment {
	uint64_t number;                /* on the wire, and of the keeper's record; unique */
	struct process_counters *counters;      /* the owner has the reference */
	int pidfd;                      /* of the process, to signal it; the owner closes it. -1: this
	                                   host's own attachment */
	uint32_t prefetch;              /* enum rm_prefetch_mode, as the process said */
	struct remote *remote;          /* from remote_attach() to remote_detach(); NULL: of a
	                                   publication of this host */
	struct lazy *lazy;              /* ../pager/pager.h; NULL while it is not served lazily */
	uint64_t generation;            /* of the caches whose descriptors the process was sent, see
	                                   remote_shares(). Too early a generation only costs copies. */
	uint32_t served;                /* SERVED_ bits, if it is or was served lazily */
	/* Called after a change of generation or served: the owner records it. */
	void (*save)(struct attachment *attachment);
};

#define SERVED_TO_THE_END 1u            /* every page was given, or marked as lost */
#define SERVED_LOST 2u                  /* at least one page was marked as lost in the process */

#endif
