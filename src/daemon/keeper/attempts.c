/* SPDX-License-Identifier: BSD-2-Clause */
/* attempts.c - see attempts.h. Worker thread only; allocates. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/handle.h"
#include "attempts.h"
#include "../base/context.h"

#define DEATHS_MOST 2

struct attempt_record {                 /* data of RECORD_ATTEMPT */
	uint64_t connection, seq;
	uint8_t id[RM_ID_BYTES];
	uint32_t deaths;                /* workers that were killed while it was under way */
	uint32_t running;               /* it is: not yet sent again, it is innocent of a death */
};

struct attempt {
	struct attempt_record data;
	uint64_t record;                /* the keeper's number */
	struct attempt *next;
};

static void attempt_save(struct worker *worker, const struct attempt *attempt)
{
	keeper_put(worker->keeper, RECORD_ATTEMPT, attempt->record, &attempt->data,
	           sizeof(attempt->data), NULL, 0);
}

static struct attempt *attempt_find(const struct worker *worker, uint64_t connection,
                                    uint64_t seq)
{
	struct attempt *attempt = worker->attempts;

	while (attempt && (attempt->data.connection != connection || attempt->data.seq != seq))
		attempt = attempt->next;
	return attempt;
}

static struct attempt *attempt_new(struct worker *worker, uint64_t record)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (!attempt)
		return NULL;
	attempt->record = record;
	attempt->next = worker->attempts;
	worker->attempts = attempt;
	return attempt;
}

void attempt_begin(struct worker *worker, uint64_t connection, uint64_t seq,
                   const uint8_t id[RM_ID_BYTES])
{
	struct attempt *attempt = attempt_find(worker, connection, seq);

	if (!attempt)
		attempt = attempt_new(worker, keeper_number(worker->keeper));
	if (!attempt)
		return;
	attempt->data.connection = connection;
	attempt->data.seq = seq;
	memcpy(attempt->data.id, id, RM_ID_BYTES);
	attempt->data.running = 1;
	attempt_save(worker, attempt);
}

void attempt_end(struct worker *worker, uint64_t connection, uint64_t seq)
{
	struct attempt **link = &worker->attempts, *attempt;

	while ((attempt = *link)) {
		if (attempt->data.connection != connection || (seq && attempt->data.seq != seq)) {
			link = &attempt->next;
			continue;
		}
		*link = attempt->next;
		keeper_delete(worker->keeper, attempt->record);
		free(attempt);
	}
}

bool attempt_failed(const struct worker *worker, uint64_t connection, uint64_t seq)
{
	const struct attempt *attempt = attempt_find(worker, connection, seq);

	return attempt && attempt->data.deaths >= DEATHS_MOST;
}

bool attempts_failed_of(const struct worker *worker, const uint8_t id[RM_ID_BYTES])
{
	const struct attempt *attempt = worker->attempts;

	while (attempt && (attempt->data.deaths < DEATHS_MOST ||
	                   memcmp(attempt->data.id, id, RM_ID_BYTES) != 0))
		attempt = attempt->next;
	return attempt;
}

/* The OOM killer sends SIGKILL; a worker that cannot allocate aborts. */
static bool was_out_of_memory(const struct worker *worker)
{
	return worker->death == SIGKILL || worker->death == SIGABRT;
}

void attempts_restore(struct worker *worker, const struct record *record)
{
	struct attempt *attempt = NULL;
	char id[9];

	if (record->length == sizeof(attempt->data))
		attempt = attempt_new(worker, record->number);
	if (!attempt) {
		keeper_delete(worker->keeper, record->number);
		return;
	}
	memcpy(&attempt->data, record->data, sizeof(attempt->data));
	if (attempt->data.running && was_out_of_memory(worker)) {
		attempt->data.deaths++;
		rm_short_id(attempt->data.id, id);
		log_line("the worker was killed while all of publication %s was fetched%s",
		         id, attempt->data.deaths < DEATHS_MOST ? "" :
		         ", again: that is given up");
	}
	attempt->data.running = 0;
	attempt_save(worker, attempt);
}
