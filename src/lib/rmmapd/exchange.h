/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange.h - one request and its reply, over an open connection
 *
 * For client.c, under the connection's lock, on any thread. Allocates own pages only.
 */
#ifndef RM_LIB_EXCHANGE_H
#define RM_LIB_EXCHANGE_H

#include "client.h"

#pragma GCC visibility push(hidden)

/* How long rmmapd may be silent before it counts as stuck, unless the exchange says it. */
#define EXCHANGE_SILENCE_NS UINT64_C(10000000000)

/* Results beside 0 and -errno. */
enum {
	LOST = 1,               /* the connection ended: a new one may help */
	RESTARTED,              /* rmmapd's worker was replaced: send the request again */
};

/*
 * Send the request over x->connection with the number x->seq, again after each RM_RESTARTED, and
 * receive the reply. 0, LOST or -errno with x->why.
 */
int exchange_repeat(struct exchange *x);
void exchange_close_fds(const int *fds, unsigned count);

#pragma GCC visibility pop

#endif
