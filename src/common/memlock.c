/* SPDX-License-Identifier: BSD-2-Clause */
/* memlock.c - the limit for locked memory; see memlock.h */
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memlock.h"

uint64_t rm_memlock_limit(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit;

	memset(data, 0, sizeof(data));
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	if (!syscall(SYS_capget, &head, data) && (data[0].effective >> CAP_IPC_LOCK & 1))
		return UINT64_MAX;
	return limit.rlim_cur;
}
