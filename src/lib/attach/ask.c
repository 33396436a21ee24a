/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask.c - tells rmmapd that something is no longer attached
 *
 * Any thread; takes the connection's lock. Allocates an exchange in own pages.
 */
#include "internal.h"

void attach_tell_detach(uint64_t number, unsigned era)
{
	struct rm_wire_attachment m = { .head.type = RM_DETACH, .attachment = number };
	struct call *call;

	if (!number || !era)
		return;
	call = call_new(&m, sizeof(m), RM_REPLY);
	if (!call)              /* rmmapd will find out when this process ends */
		return;
	call->x.era = era;
	call->x.only_if_connected = true;
	client_call(&call->x);
	call_free(call);
}
