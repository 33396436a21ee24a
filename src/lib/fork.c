/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.c - what happens around fork(), in one place and one order
 *
 * Registered after jemalloc's own handlers, so that it runs before them in prepare and
 * after them in parent and child: jemalloc works in all three. What is locked here is
 * locked before jemalloc's locks, as everywhere.
 */
#include "internal.h"

#include <pthread.h>

static void prepare(void)
{
	attach_prefork();
	client_lock();
	heap_prefork();
}

static void parent(void)
{
	heap_parent();
	client_unlock();
	attach_parent();
}

static void child(void)
{
	heap_child();
	client_child();
	attach_child();
	stats_child();
}

void fork_init(void)
{
	pthread_atfork(prepare, parent, child);
}
