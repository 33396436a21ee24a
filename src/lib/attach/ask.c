/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask.c - telling rmmapd that something is not attached any more
 */
#include "internal.h"

void attach_tell_detach(uint64_t number, unsigned era)
{
	struct rm_wire_attachment m = { .head.type = RM_DETACH, .attachment = number };
	struct call *call;

	if (!number || !era)
		return;
	call = call_new(&m, sizeof(m), RM_REPLY);
	if (!call)              /* where rmmapd is not told it finds out when this process ends */
		return;
	call->x.era = era;
	call->x.only_if_connected = true;
	client_call(&call->x);
	call_free(call);
}
