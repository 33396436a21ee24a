/* SPDX-License-Identifier: BSD-2-Clause */
/* attempts.c - attaches during which workers were killed: see attempts.h */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/handle.h"
#include "attempts.h"
#include "../base/context.h"

#define DEATHS_MOST 2                   /* fewer than those that end rmmapd: see RESTARTS_MAX */

struct attempt_record {                 /* data of RECORD_ATTEMPT */
	uint64_t connection, seq;       /* the request: the connection's record, its number */
	uint8_t id[RM_ID_BYTES];        /* of the publication */
	uint32_t deaths;                /* workers that were killed while running was 1 */
	uint32_t running;               /* 1: under way. 0: restored, and not sent again yet, so the
	                                   next death of a worker is not its fault */
};

struct attempt {
	struct attempt_record data;
	uint64_t record;                /* number of its record in the keeper */
	struct attempt *next;
};

static void attempt_save(struct context *context, const struct attempt *attempt)
{
	keeper_put(context->keeper, RECORD_ATTEMPT, attempt->record, &attempt->data,
	           sizeof(attempt->data), NULL, 0);
}

static struct attempt *attempt_find(const struct context *context, uint64_t connection,
                                    uint64_t seq)
{
	struct attempt *attempt = context->attempts;

	while (attempt && (attempt->data.connection != connection || attempt->data.seq != seq))
		attempt = attempt->next;
	return attempt;
}

static struct attempt *attempt_new(struct context *context, uint64_t record)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (!attempt)
		return NULL;
	attempt->record = record;
	attempt->next = context->attempts;
	context->attempts = attempt;
	return attempt;
}

void attempt_begin(struct context *context, uint64_t connection, uint64_t seq,
                   const uint8_t id[RM_ID_BYTES])
{
	struct attempt *attempt = attempt_find(context, connection, seq);

	if (!attempt)
		attempt = attempt_new(context, keeper_number(context->keeper));
	if (!attempt)
		return;
	attempt->data.connection = connection;
	attempt->data.seq = seq;
	memcpy(attempt->data.id, id, RM_ID_BYTES);
	attempt->data.running = 1;
	attempt_save(context, attempt);
}

void attempt_end(struct context *context, uint64_t connection, uint64_t seq)
{
	struct attempt **link = &context->attempts, *attempt;

	while ((attempt = *link)) {
		if (attempt->data.connection != connection || (seq && attempt->data.seq != seq)) {
			link = &attempt->next;
			continue;
		}
		*link = attempt->next;
		keeper_delete(context->keeper, attempt->record);
		free(attempt);
	}
}

bool attempt_failed(const struct context *context, uint64_t connection, uint64_t seq)
{
	const struct attempt *attempt = attempt_find(context, connection, seq);

	return attempt && attempt->data.deaths >= DEATHS_MOST;
}

bool attempts_failed_of(const struct context *context, const uint8_t id[RM_ID_BYTES])
{
	const struct attempt *attempt = context->attempts;

	while (attempt && (attempt->data.deaths < DEATHS_MOST ||
	                   memcmp(attempt->data.id, id, RM_ID_BYTES) != 0))
		attempt = attempt->next;
	return attempt;
}

/*
 * The OOM killer sends SIGKILL, and a worker that cannot allocate aborts. One whose assertion fails
 * aborts as well, and is counted: an attach during which that happens twice is not begun again
 * either.
 */
static bool was_out_of_memory(const struct context *context)
{
	return context->death == SIGKILL || context->death == SIGABRT;
}

void attempts_restore(struct context *context, const struct record *record)
{
	struct attempt *attempt = NULL;
	char id[9];

	if (record->length == sizeof(attempt->data))
		attempt = attempt_new(context, record->number);
	if (!attempt) {
		keeper_delete(context->keeper, record->number);
		return;
	}
	memcpy(&attempt->data, record->data, sizeof(attempt->data));
	if (attempt->data.running && was_out_of_memory(context)) {
		attempt->data.deaths++;
		rm_short_id(attempt->data.id, id);
		log_line("the worker was killed while all of publication %s was fetched%s",
		         id, attempt->data.deaths < DEATHS_MOST ? "" :
		         ", again: that is given up");
	}
	attempt->data.running = 0;
	attempt_save(context, attempt);
}
