/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - the connection to this host's rmmapd
 *
 * There is one for the process, opened at the first request. Its descriptor has a high number and
 * is checked before each use: a program may close all descriptors, or put another file there. Any
 * thread, one request at a time, under the connection's lock. Allocates in own pages only.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/rundir.h"
#include "../../common/say.h"
#include "exchange.h"

#define START_NS UINT64_C(30000000000)          /* the same for one that is being started */
#define ATTEMPTS 3              /* connections for one request */

/* All under the lock. */
static struct {
	pthread_mutex_t lock;
	bool open;                      /* mark is a connection, if nobody has closed it */
	struct fd_mark mark;
	pid_t owner;                    /* another process: a child, whose connection it is not */
	uint64_t seq;                   /* of the last request; a repeated one keeps its number */
	unsigned era;                   /* counts rmmapds, from 1; see struct exchange */
	uint32_t keeper;                /* the process of the rmmapd of this era, */
	uint8_t host[RM_ID_BYTES];      /* and its host id */
} connection = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Under the lock. Static, since a thread's stack may be small. */
static struct {
	_Alignas(8) char message[RM_WIRE_MAX];
	struct exchange hello;
} scratch;

static void connection_close(void)
{
	if (connection.open && fd_still(&connection.mark))
		close(connection.mark.fd);
	connection.open = false;
}

/* Drop messages that came unasked: RM_RESTARTED, late answers. LOST: the connection has ended. */
static int connection_drain(void)
{
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;
	ssize_t n;

	do {
		n = rm_channel_recv(connection.mark.fd, scratch.message, sizeof(scratch.message),
		                    fds, &count, 0);
		if (n > 0)
			exchange_close_fds(fds, count);
	} while (n > 0 || n == -EMFILE);
	return n == 0 || n == -EPIPE || n == -ECONNRESET ? LOST : 0;
}

/* Send a request, under a new number, over the open connection. As exchange_repeat(). */
static int connection_exchange(struct exchange *x)
{
	x->connection = connection.mark.fd;
	x->seq = ++connection.seq;
	return exchange_repeat(x);
}

/* Introduce this process, which every connection begins with. Notes which rmmapd answered. */
static int hello_send(struct exchange *x)
{
	struct rm_wire_hello m = { .head.type = RM_HELLO, .pid = (uint32_t)getpid(),
	                           .layout = rm_layout_here() };
	const struct rm_wire_hello_reply *reply = (const void *)scratch.message;
	struct exchange *y = &scratch.hello;
	int error;

	y->request = &m;
	y->request_size = sizeof(m);
	y->timeout_ns = x->timeout_ns;
	y->reply = scratch.message;
	y->reply_type = RM_HELLO_REPLY;
	error = connection_exchange(y);
	memcpy(x->why, y->why, sizeof(x->why));
	if (error)
		return error;
	if (y->reply_fd >= 0)
		close(y->reply_fd);
	if (reply->error) {
		rm_format(x->why, sizeof(x->why), "rmmapd refuses this process: %s",
		          reply->text[0] ? reply->text : rm_errno_text(reply->error));
		return -reply->error;
	}
	if (connection.era == 0 || connection.keeper != reply->pid ||
	    memcmp(connection.host, reply->host, sizeof(connection.host)) != 0)
		connection.era++;
	connection.keeper = reply->pid;
	memcpy(connection.host, reply->host, sizeof(connection.host));
	return 0;
}

/* A connected descriptor, or -errno with why. words: see daemon_start(). */
static int daemon_find(struct exchange *x, int *words)
{
	char path[RM_RUNDIR_MAX];
	int error;

	*words = -1;
	if (daemon_is_private())
		return daemon_start_private(words, x->why, sizeof(x->why));
	error = rm_rundir_find(env_options(), true, path, x->why, sizeof(x->why));
	return error ? error : daemon_start(path, words, x->why, sizeof(x->why));
}

/* An rmmapd that is being started gets more time to answer: the host may be busy. */
static int hello_send_to_new(struct exchange *x, int words)
{
	uint64_t asked = x->timeout_ns;
	int error;

	if ((asked ? asked : EXCHANGE_SILENCE_NS) < START_NS)
		x->timeout_ns = START_NS;
	error = hello_send(x);
	x->timeout_ns = asked;
	if (error == LOST && daemon_last_words(words, x->why, sizeof(x->why)))
		return -ECONNREFUSED;
	return error;
}

static int connection_new(struct exchange *x)
{
	int error, words, fd = daemon_find(x, &words);

	if (fd >= 0)
		fd = fd_raise(fd);
	if (fd >= 0) {
		fd_mark(&connection.mark, fd);
		connection.open = true;
		connection.owner = getpid();
		env_log();
		error = words >= 0 ? hello_send_to_new(x, words) : hello_send(x);
		if (error)
			connection_close();
	} else {
		error = fd;
	}
	if (words >= 0)
		close(words);
	return error;
}

/* Make sure that there is a connection, and that it is this process's own. 0, LOST or -errno. */
static int connection_ensure(struct exchange *x)
{
	if (connection.open && connection.owner != getpid())
		connection_close();
	if (connection.open && (!fd_still(&connection.mark) || connection_drain() == LOST))
		connection_close();
	if (connection.open)
		return 0;
	if (x->only_if_connected) {
		rm_format(x->why, sizeof(x->why), "there is no connection to rmmapd");
		return -ENOTCONN;
	}
	return connection_new(x);
}

static int connection_call(struct exchange *x)
{
	int error = LOST;

	for (int i = 0; i < ATTEMPTS && error == LOST; i++) {
		error = connection_ensure(x);
		if (error)
			continue;
		if (x->era && x->era != connection.era) {
			rm_format(x->why, sizeof(x->why), "rmmapd was replaced by another");
			return -ESTALE;
		}
		error = connection_exchange(x);
		/* A late answer could be dropped, but the next request must not wait for it. */
		if (error && error != -EMFILE)
			connection_close();
	}
	x->era = connection.era;
	return error == LOST ? -ECONNREFUSED : error;
}

struct call *call_new(void *request, size_t size, int reply_type)
{
	struct call *call = own_pages(sizeof(*call));

	if (call)
		call->x = (struct exchange){
			.request = request, .request_size = size,
			.reply = call->message, .reply_type = reply_type, .reply_fd = -1,
		};
	return call;
}

void call_free(struct call *call)
{
	own_pages_free(call, sizeof(*call));
}

int client_call(struct exchange *x)
{
	int error;

	x->why[0] = '\0';
	x->sendings = 0;
	client_lock();
	error = connection_call(x);
	client_unlock();
	if (error && !x->why[0])
		rm_format(x->why, sizeof(x->why), "%s", rm_errno_text(-error));
	return error;
}

void client_lock(void)
{
	own_lock(&connection.lock);
}

void client_unlock(void)
{
	own_unlock(&connection.lock);
}

/* A request may be under way: this process must not take its parent's answer. */
void client_inner_child(void)
{
	if (connection.open && connection.owner != getpid() && fd_still(&connection.mark))
		close(connection.mark.fd);
}

/* The lock was taken before the fork, so it is given back here. */
void client_child(void)
{
	connection_close();
	client_unlock();
}
