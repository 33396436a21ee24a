/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - deadlines of connections
 *
 * A client that sends a byte from time to time is never idle. So a request has one deadline, from
 * the last answer, or the start of the connection, to its last byte; an answer has one too. Hanging
 * up is a shutdown(): libmicrohttpd's thread then closes the connection. It calls wait_remove()
 * before it closes the descriptor, so that a descriptor in the list is always open.
 *
 * libmicrohttpd's thread adds and changes, the first thread checks.
 */
#include "function.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct waiting {
	struct waiting *next, **place;  /* *place == this */
	int fd;
	uint64_t deadline_ns;           /* 0: none */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *all;             /* under lock */

void *wait_add(int fd)
{
	/* From the heap that is published: it has nothing of the request in it. */
	struct waiting *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	w->fd = fd;
	w->deadline_ns = now_ns() + settings.arrival_ns;
	pthread_mutex_lock(&lock);
	w->next = all;
	w->place = &all;
	if (all)
		all->place = &w->next;
	all = w;
	pthread_mutex_unlock(&lock);
	return w;
}

void wait_remove(void *connection)
{
	struct waiting *w = connection;

	if (!w)
		return;
	pthread_mutex_lock(&lock);
	*w->place = w->next;
	if (w->next)
		w->next->place = w->place;
	pthread_mutex_unlock(&lock);
	free(w);
}

void wait_until(void *connection, uint64_t deadline_ns)
{
	struct waiting *w = connection;

	if (!w)
		return;
	pthread_mutex_lock(&lock);
	w->deadline_ns = deadline_ns;
	pthread_mutex_unlock(&lock);
}

void wait_check(void)
{
	uint64_t now = now_ns();

	pthread_mutex_lock(&lock);
	for (struct waiting *w = all; w; w = w->next)
		if (w->deadline_ns && now > w->deadline_ns)
			/*
			 * Again at each look until the connection is removed, which does no harm.
			 */
			shutdown(w->fd, SHUT_RDWR);
	pthread_mutex_unlock(&lock);
}
