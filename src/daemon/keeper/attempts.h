/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attempts.h - attaches during which workers were killed
 *
 * After a worker has died its clients send their requests again. An attach that fetches the whole
 * publication may be what the OOM killer kills workers for. Sent again each time, it would end the
 * keeper too, and with it all that anybody has published. So the keeper has a record of each such
 * attach while it is under way, with the number of workers that were killed meanwhile. After two
 * deaths the attach is not begun again: it fails, and the pages that it had fetched are dropped.
 *
 * Worker thread only; allocates.
 */
#ifndef RM_ATTEMPTS_H
#define RM_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"
#include "keeper.h"

struct context;
struct attempt;                         /* context->attempts is the list of all */

/*
 * Request seq of a connection (its record's number) begins to fetch all of publication id. The same
 * request sent again after a restart continues the same attempt. Without memory for the attempt
 * nothing is recorded.
 */
void attempt_begin(struct context *context, uint64_t connection, uint64_t seq,
                   const uint8_t id[RM_ID_BYTES]);
/* The request has ended. With seq 0 the connection has, and all of its requests. */
void attempt_end(struct context *context, uint64_t connection, uint64_t seq);
/* True if two workers were killed while this request was under way. */
bool attempt_failed(const struct context *context, uint64_t connection, uint64_t seq);
/* True if that holds for some request that fetched publication id. */
bool attempts_failed_of(const struct context *context, const uint8_t id[RM_ID_BYTES]);

/* After a restart, before remote publications are restored: worker.c asks for the failed ones. */
void attempts_restore(struct context *context, const struct record *record);

#endif
