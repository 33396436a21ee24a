/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attempts.h - requests that a worker was killed at
 *
 * An attach that fetches all is sent again to the next worker, and one that the kernel kills
 * workers for (out of memory) would be sent until the keeper gives up, with all that anybody
 * published. So the keeper has a record of each such attach while it is under way, with the
 * number of workers that were killed meanwhile. After two it is not begun again: it fails,
 * and what it had fetched is given up. Worker thread only; allocates.
 */
#ifndef RM_ATTEMPTS_H
#define RM_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"
#include "keeper.h"

struct context;
struct attempt;                         /* of struct context: a list of them */

/*
 * Request seq of a connection (by its record) begins to fetch all of publication id. Once more
 * after a restart it is the same attempt. Without memory for it none is noted.
 */
void attempt_begin(struct context *context, uint64_t connection, uint64_t seq,
                   const uint8_t id[RM_ID_BYTES]);
/* It is over, or the connection is (seq 0: all of its requests). */
void attempt_end(struct context *context, uint64_t connection, uint64_t seq);
/* Were two workers killed while this one was under way? */
bool attempt_failed(const struct context *context, uint64_t connection, uint64_t seq);
/* Or one of this publication, whoever it was? */
bool attempts_failed_of(const struct context *context, const uint8_t id[RM_ID_BYTES]);

/* After a restart, before remote publications. */
void attempts_restore(struct context *context, const struct record *record);

#endif
