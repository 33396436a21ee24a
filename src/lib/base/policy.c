/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c - what this process does with its heap: found out once, before there are threads
 *
 * Does not allocate.
 */
#include "base.h"

static bool publishes, pins;

/* Memory that a device writes to is not where a frozen file's pages go: see rmmap_publish(3). */
static bool imports_pinning(void)
{
	return env_imports("ibv_reg_mr") || env_imports("io_uring_register_buffers") ||
	       env_imports("fi_fabric") || env_imports("fi_getinfo");
}

void policy_init(void)
{
	publishes = env_options()->heap == RM_HEAP_SHARED || env_imports("rmmap_publish") ||
	            env_imports("rmmap_publish_with");
	pins = imports_pinning();
}

bool policy_publishes(void)
{
	return publishes;
}

bool policy_pins(void)
{
	return pins;
}
