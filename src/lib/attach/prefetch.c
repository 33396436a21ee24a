/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prefetch.c - rmmap_prefetch(): have rmmapd fetch a range that is attached
 *
 * Any thread. Only rmmapd knows which pages are absent. Allocates an exchange in own pages.
 */
#include <errno.h>
#include <pthread.h>

#include "../../common/say.h"
#include "internal.h"
#include "rmmap.h"

static const char me[] = "rmmap_prefetch";

static int prefetch_range(uint64_t addr, uint64_t length)
{
	uint64_t first = addr - addr % RM_PAGE, end;
	struct rm_wire_prefetch m = { .head.type = RM_PREFETCH, .addr = first };
	const struct rm_wire_reply *reply;
	struct call *call;
	int error;

	if (__builtin_add_overflow(addr, length, &end) || end > UINT64_MAX - RM_PAGE)
		return fail(me, EINVAL, "0x%llx and %llu bytes is beyond the end of all addresses",
		            (unsigned long long)addr, (unsigned long long)length);
	if (!attach_end(addr))
		return fail(me, EFAULT, "nothing is attached at 0x%llx; pass a pointer into what "
		            "rmmap_attach() returned", (unsigned long long)addr);
	if (!length)
		return 0;
	m.length = rm_page_up(end) - first;
	call = call_new(&m, sizeof(m), RM_REPLY);
	if (!call)
		return fail(me, ENOMEM, "no memory for a request to rmmapd");
	call->x.only_if_connected = true;
	reply = (const void *)call->message;
	error = client_call(&call->x);
	/* When a connection ends, rmmapd has fetched everything: there is nothing to do. */
	if (error == -ENOTCONN)
		error = 0;
	else if (error)
		error = fail(me, -error, "%s", call->x.why);
	else if (reply->error)
		error = fail(me, reply->error, "%s", reply->text[0] ? reply->text :
		             rm_errno_text(reply->error));
	call_free(call);
	return error;
}

RM_EXPORT int rmmap_prefetch(const void *addr, size_t length)
{
	int cancel, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	result = prefetch_range((uintptr_t)addr, length);
	pthread_setcancelstate(cancel, &cancel);
	return result;
}
