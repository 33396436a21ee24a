/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prefetch.c - rmmap_prefetch(): have rmmapd fetch a range that is attached
 *
 * Any thread. Which pages are absent only rmmapd knows. Does not allocate.
 */
#include <errno.h>
#include <pthread.h>

#include "../common/say.h"
#include "attach.h"
#include "rmmap.h"

static const char me[] = "rmmap_prefetch";

static int prefetch(uint64_t addr, uint64_t length)
{
	uint64_t first = addr - addr % RM_PAGE, end;
	struct rm_wire_prefetch m = { .head.type = RM_PREFETCH, .addr = first };
	_Alignas(8) char message[RM_WIRE_MAX];
	const struct rm_wire_reply *reply = (const void *)message;
	struct exchange x = {
		.request = &m, .request_size = sizeof(m), .only_if_connected = true,
		.reply = message, .reply_type = RM_REPLY,
	};
	int err;

	if (__builtin_add_overflow(addr, length, &end) || end > UINT64_MAX - RM_PAGE)
		return fail(me, EINVAL, "0x%llx and %llu bytes is beyond the end of all addresses",
		            (unsigned long long)addr, (unsigned long long)length);
	if (!attach_end(addr))
		return fail(me, EFAULT, "nothing is attached at 0x%llx; pass a pointer into what "
		            "rmmap_attach() returned", (unsigned long long)addr);
	if (!length)
		return 0;
	m.length = rm_page_up(end) - first;
	err = client_call(&x);
	/* A connection that was closed had rmmapd fetch everything. */
	if (err == -ENOTCONN)
		return 0;
	if (err)
		return fail(me, -err, "%s", x.why);
	if (reply->error)
		return fail(me, reply->error, "%s", reply->text[0] ? reply->text :
		            rm_errno_text(reply->error));
	return 0;
}

RM_EXPORT int rmmap_prefetch(const void *addr, size_t length)
{
	int cancel, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	result = prefetch((uintptr_t)addr, length);
	pthread_setcancelstate(cancel, &cancel);
	return result;
}
