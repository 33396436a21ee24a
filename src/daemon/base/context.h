/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.h - the state that every part of rmmapd's worker may use
 *
 * worker/ builds the context before all parts, and it lives longer than each of them. It holds no
 * pointers to parts: a part that needs a lower one gets it as an argument of its constructor, and
 * a part that has to call a higher one is given a table of functions (store_events, nets_events,
 * local_events). Worker thread only; allocates nothing.
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
	struct limit limit;             /* limit.h: how much memory rmmapd holds and may hold */
	struct attempt *attempts;       /* first of the list of keeper/attempts.c */
	uint8_t host[RM_ID_BYTES];      /* id of this host: of its run directory, not its machine */
	uint64_t idle_ns;               /* --idle: leave when idle for so long; 0: never */
	uint64_t grace_ns;              /* --grace: how long a drain may take */
	uint64_t started_ns;            /* when the keeper started; the same for all its workers */
	uint64_t active_ns;             /* time of the last request, or of the last end of an
	                                   attachment or publication: idle time counts from it */
	uint32_t keeper_pid;
	uint32_t restarts;              /* workers that died before this one */
	int death;                      /* signal that ended the worker before this one, or 0 */
	bool draining;                  /* SIGTERM came, so new publications are refused; never
	                                   false again */
	bool private;                   /* --private: serves one process, and ends with it */
};

#endif
