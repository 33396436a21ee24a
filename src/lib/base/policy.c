/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c - whether this process publishes, and whether devices may write to its memory
 *
 * Found out once by policy_init(), before there are threads; any thread may read it then. Does
 * not allocate.
 */
#include "base.h"

static bool publishes, pins;

/* A freeze replaces pages, while a device goes on writing to the old ones: rmmap_publish(3). */
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
