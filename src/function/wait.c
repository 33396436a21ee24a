/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - who has a connection open, and how long it may take over a request
 *
 * A client that sends a byte now and then is never idle, so each request has a deadline as a
 * whole, from the last answer, or the connection's begin, to its last byte; and each answer has
 * one. Hanging up is a shutdown(): libmicrohttpd's thread then closes the connection itself,
 * and takes it from here before it closes the descriptor.
 */
#include "function.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct waiting {
	struct waiting *next, **place;
	int fd;
	uint64_t deadline_ns;           /* 0: none */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *all;

void *wait_add(int fd)
{
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
			shutdown(w->fd, SHUT_RDWR);
	pthread_mutex_unlock(&lock);
}
