/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.c - locks of this library, and how many of them a thread holds
 *
 * Any thread. Does not allocate.
 */
#include "base.h"

__thread unsigned own_locks __attribute__((tls_model("initial-exec")));
/* Locks taken by own_lock(): the first disables cancellation, the last restores it. */
static __thread unsigned held __attribute__((tls_model("initial-exec")));
static __thread int cancel_state __attribute__((tls_model("initial-exec")));

void own_lock(pthread_mutex_t *mutex)
{
	own_enter();
	if (!held++)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	pthread_mutex_lock(mutex);
}

void own_unlock(pthread_mutex_t *mutex)
{
	pthread_mutex_unlock(mutex);
	/*
	 * Before own_leave(): the child of a handler that forks after that has forgotten its locks
	 * (own_child()), and comes back to here.
	 */
	if (!--held)
		pthread_setcancelstate(cancel_state, NULL);
	own_leave();
}

void (*own_unsettled)(void);

void own_child(void)
{
	own_locks = 0;          /* jemalloc has initialised its own locks anew */
	if (held)
		pthread_setcancelstate(cancel_state, NULL);
	held = 0;
}
