/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.h - what every part of rmmapd's worker needs: the loop, the keeper, the options
 *
 * Built by worker/, which outlives all of its parts. What one part needs of another is handed
 * to its constructor; parts below call those above by tables of functions that they are given.
 * Worker thread only.
 */
#ifndef RM_CONTEXT_H
#define RM_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/layout.h"
#include "../../common/options.h"
#include "limit.h"

struct attempt;
struct loop;
struct keeper;

struct context {
	struct loop *loop;
	struct keeper *keeper;
	struct rm_options options;
	struct limit limit;             /* with options.limit: the memory that it may hold */
	struct attempt *attempts;       /* keeper/attempts.h: a list of them */
	uint8_t host[RM_ID_BYTES];
	uint64_t idle_ns, grace_ns;     /* --idle, --grace */
	uint64_t started_ns;
	uint64_t active_ns;             /* the last request, or end of something held: the worker is
	                                   idle since then */
	uint32_t keeper_pid, restarts;
	int death;                      /* signal that ended the worker before this one, or 0 */
	bool draining;                  /* SIGTERM came: no new publications */
	bool private;                   /* serves one process, and ends with it */
};

#endif
