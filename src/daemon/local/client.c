/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - a process of this host, and how its connections find it
 *
 * A process is known by its pidfd, not by its socket: it may close the socket (daemon(),
 * closefrom()) while its mappings live. Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/log.h"
#include "internal.h"

#ifndef SO_PEERPIDFD                    /* since Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

void counters_add(struct rm_counters *sum, const struct rm_counters *more)
{
	sum->faults += more->faults;
	sum->fault_ns += more->fault_ns;
	sum->reads += more->reads;
	sum->fetched_pages += more->fetched_pages;
	sum->fetched_bytes += more->fetched_bytes;
	for (unsigned i = 0; i < RM_AHEADS; i++) {
		sum->ahead[i].pages += more->ahead[i].pages;
		sum->ahead[i].used += more->ahead[i].used;
	}
	for (unsigned i = 0; i < RM_FAULT_TIMES; i++)
		sum->fault_times[i] += more->fault_times[i];
	if (more->provider[0])
		memcpy(sum->provider, more->provider, sizeof(sum->provider));
}

void client_end(struct client *client)
{
	struct local *local = client->local;
	struct client **link = &local->clients;

	/* Attachments first: one that waits for its pages refers to its connection. */
	while (client->attachments)
		attachment_end(client->attachments);
	while (client->connections)
		connection_free(client->connections);
	layers_hold(store_layers(local->store), &client->holding, NULL, 0);
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	assert(local->client_count > 0);
	local->client_count--;
	counters_add(&local->ended, &client->counters->sum);
	loop_remove(local->context->loop, &client->pidfd);
	keeper_delete(local->context->keeper, client->record);
	close(client->pidfd.fd);
	process_counters_unref(client->counters);
	free(client);
	/* Last, since the worker may decide to leave now. */
	local->events.client_gone(local->events.arg);
}

static void process_ended(struct source *source, uint32_t events)
{
	(void)events;
	client_end(container_of(source, struct client, pidfd));
}

struct client *client_new(struct local *local, uint32_t pid, int pidfd, uint64_t record)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client)
		client->counters = process_counters_new();
	if (!client || !client->counters) {
		free(client);
		return NULL;
	}
	client->local = local;
	client->pid = pid;
	client->record = record;
	client->pidfd.fd = pidfd;
	client->pidfd.ready = process_ended;
	if (loop_add(local->context->loop, &client->pidfd, EPOLLIN) < 0) {
		process_counters_unref(client->counters);
		free(client);
		return NULL;
	}
	client->next = local->clients;
	local->clients = client;
	local->client_count++;
	return client;
}

static bool process_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/*
 * Find the client of this pid. If the kernel has used the pid again, the client with the pid is a
 * process that has ended, as its pidfd tells, and is not the one that connects.
 */
static struct client *client_of(struct local *local, uint32_t pid)
{
	for (struct client *c = local->clients; pid && c; c = c->next)
		if (c->pid == pid && process_alive(c->pidfd.fd))
			return c;
	return NULL;
}

/* A pidfd of the process at the other end, or -1 and errno. */
static int peer_pidfd(int fd, pid_t pid)
{
	int pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
		return pidfd;
	if (pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Find the client, or make it. NULL: it cannot be served; *short_of_fds tells if that is why. */
static struct client *client_take(struct local *local, int fd, uint32_t pid, bool *short_of_fds)
{
	struct client *client = client_of(local, pid);
	struct client_record record = { .pid = pid };
	int pidfd;

	if (client)
		return client;
	pidfd = peer_pidfd(fd, (pid_t)pid);
	if (pidfd < 0 && shortage_is(errno)) {
		*short_of_fds = true;
		return NULL;
	}
	if (pidfd < 0) {
		log_line("process %u cannot be watched for its end and is not served: "
		         "run it in the pid namespace of rmmapd", pid);
		return NULL;
	}
	client = client_new(local, pid, pidfd, keeper_number(local->context->keeper));
	if (!client) {
		close(pidfd);
		return NULL;
	}
	keeper_put(local->context->keeper, RECORD_CLIENT, client->record, &record, sizeof(record),
	           &pidfd, 1);
	return client;
}

void connection_take(struct local *local, int fd)
{
	struct client_record record = { 0 };
	struct client *client = NULL;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct connection *connection = NULL;
	bool short_of_fds = false;

	/* Only processes of the same user are served. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid())
		client = client_take(local, fd, (uint32_t)peer.pid, &short_of_fds);
	/* Its number is higher than the client's: local_restore_client() relies on that. */
	if (client)
		connection = connection_new(client, fd, keeper_number(local->context->keeper));
	if (short_of_fds) {
		shortage_refuse(local, fd);
		return;
	}
	if (!connection) {
		close(fd);
		return;
	}
	record.client = client->record;
	record.pid = client->pid;
	keeper_put(local->context->keeper, RECORD_CLIENT, connection->record, &record, sizeof(record),
	           &fd, 1);
}
