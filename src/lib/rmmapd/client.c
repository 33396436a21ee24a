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
#include "client.h"

#define SILENCE_NS UINT64_C(10000000000)        /* without a message: rmmapd is stuck */
#define START_NS UINT64_C(30000000000)          /* the same for one that is being started */
#define ATTEMPTS 3              /* connections for one request */
#define REPEATS 8               /* sendings of a request on one connection, after RM_RESTARTED */

/* Results of sending a request once, beside 0 and -errno. */
enum {
	LOST = 1,               /* the connection ended: a new one may help */
	RESTARTED,              /* rmmapd's worker was replaced: send the request again */
};

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

static void fds_close(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static void connection_close(void)
{
	if (connection.open && fd_still(&connection.mark))
		close(connection.mark.fd);
	connection.open = false;
}

/* By when the next message must have come. */
static uint64_t answer_deadline(const struct exchange *x)
{
	return rm_now_ns() + (x->timeout_ns ? x->timeout_ns : SILENCE_NS);
}

/* Say in x->why why the channel failed. LOST if a new connection may help, else -errno. */
static int channel_trouble(struct exchange *x, int error)
{
	switch (error) {
	case 0:
	case -EPIPE:
	case -ECONNRESET:
	case -ENOTCONN:
	case -EBADF:            /* closed meanwhile, by the program or by client_inner_child() */
		rm_format(x->why, sizeof(x->why), "rmmapd closed the connection; see its log "
		          "(RMMAP_LOG=FILE)");
		return LOST;
	case -EAGAIN:
	case -ETIMEDOUT:
		rm_format(x->why, sizeof(x->why), "rmmapd did not answer in %llu s; see whether it "
		          "is stopped, and its log (RMMAP_LOG=FILE)", (unsigned long long)
		          ((x->timeout_ns ? x->timeout_ns : SILENCE_NS) / 1000000000));
		return -ETIMEDOUT;
	case -EMFILE:
		rm_format(x->why, sizeof(x->why), "too many open files to take what rmmapd sent; "
		          "raise the limit (ulimit -n)");
		return -EMFILE;
	case -EMSGSIZE:
	case -EPROTO:
	case -EINVAL:
		rm_format(x->why, sizeof(x->why), "rmmapd is of another version than this library; "
		          "end it (rmmap info shows its process), or use another RMMAP_RUNDIR");
		return -EPROTO;
	default:
		rm_format(x->why, sizeof(x->why), "talking to rmmapd: %s", rm_errno_text(-error));
		return error;
	}
}

/*
 * Receive the next message for this request. Answers to earlier requests are dropped, and
 * RM_PROGRESS begins the wait anew. 0 with message, fds and count filled in; LOST, RESTARTED or
 * -errno without descriptors.
 */
static int message_next(struct exchange *x, void *message, int fds[RM_CHANNEL_FDS_MAX],
                        unsigned *count)
{
	const struct rm_wire *head = message;

	for (;;) {
		ssize_t n = rm_channel_recv(connection.mark.fd, message, RM_WIRE_MAX, fds, count,
		                            answer_deadline(x));
		int error;

		if (n <= 0)
			return channel_trouble(x, (int)n);
		error = rm_wire_check(message, (size_t)n);
		if (error) {
			fds_close(fds, *count);
			return channel_trouble(x, error);
		}
		if (head->type == RM_RESTARTED) {
			fds_close(fds, *count);
			rm_format(x->why, sizeof(x->why), "rmmapd's worker fails again and again; "
			          "see its log (RMMAP_LOG=FILE)");
			return RESTARTED;
		}
		if (head->seq == connection.seq && head->type != RM_PROGRESS)
			return 0;
		fds_close(fds, *count);
	}
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
			fds_close(fds, count);
	} while (n > 0 || n == -EMFILE);
	return n == 0 || n == -EPIPE || n == -ECONNRESET ? LOST : 0;
}

/* An unexpected answer. RM_REPLY with an error may answer any request: rmmapd has refused it. */
static int reply_refusal(struct exchange *x, const void *message)
{
	const struct rm_wire_reply *reply = message;

	if (reply->head.type != RM_REPLY || reply->error <= 0)
		return channel_trouble(x, -EPROTO);
	rm_format(x->why, sizeof(x->why), "%s",
	          reply->text[0] ? reply->text : rm_errno_text(reply->error));
	return -reply->error;
}

/* Send the descriptors of a publication's new layers, in as many RM_LAYERS as it takes. */
static int layers_send(struct exchange *x)
{
	struct rm_wire_layers m = { .head = *(struct rm_wire *)x->request };
	int fds[RM_CHANNEL_FDS_MAX];

	m.head.type = RM_LAYERS;
	for (m.first = 0; m.first < x->layer_count; m.first += m.count) {
		int error;

		m.count = x->layer_count - m.first;
		if (m.count > RM_CHANNEL_FDS_MAX)
			m.count = RM_CHANNEL_FDS_MAX;
		for (uint32_t i = 0; i < m.count; i++)
			fds[i] = x->layers[m.first + i];
		error = rm_channel_send(connection.mark.fd, &m, sizeof(m), fds, m.count,
		                        answer_deadline(x));
		if (error)
			return channel_trouble(x, error);
	}
	return 0;
}

static void layers_drop(struct exchange *x, uint32_t got)
{
	fds_close(x->layer_fds, got);
	own_pages_free(x->layer_fds, x->layer_fd_count * sizeof(*x->layer_fds));
	x->layer_fds = NULL;
	x->layer_fd_count = 0;
}

/* Receive the RM_LAYERS that follow an RM_ATTACH_REPLY: all of them, or none. */
static int layers_receive(struct exchange *x, uint32_t count)
{
	const struct rm_wire_layers *m = (const void *)scratch.message;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned n;
	uint32_t got = 0;

	x->layer_fd_count = count;
	x->layer_fds = own_pages(count * sizeof(*x->layer_fds));
	if (!x->layer_fds)
		return -ENOMEM;
	while (got < count) {
		int error = message_next(x, scratch.message, fds, &n);

		if (!error && (m->head.type != RM_LAYERS || m->first != got || m->count != n ||
		               n == 0 || n > count - got)) {
			fds_close(fds, n);
			error = reply_refusal(x, scratch.message);
		}
		if (error) {
			layers_drop(x, got);
			return error;
		}
		memcpy(x->layer_fds + got, fds, n * sizeof(*fds));
		got += n;
	}
	return 0;
}

/* Receive the reply to the request, with its descriptors. */
static int reply_take(struct exchange *x)
{
	const struct rm_wire_attach_reply *reply = x->reply;
	int fds[RM_CHANNEL_FDS_MAX], error;
	unsigned count;

	error = message_next(x, x->reply, fds, &count);
	if (error)
		return error;
	if (reply->head.type != x->reply_type || count > 1) {
		fds_close(fds, count);
		return reply_refusal(x, reply);
	}
	x->reply_fd = count ? fds[0] : -1;
	if (reply->head.type != RM_ATTACH_REPLY || reply->error || reply->layer_count == 0)
		return 0;
	if (reply->layer_count > RM_TABLE_LAYERS_MAX)
		error = channel_trouble(x, -EPROTO);
	else
		error = layers_receive(x, reply->layer_count);
	if (error && x->reply_fd >= 0) {
		close(x->reply_fd);
		x->reply_fd = -1;
	}
	return error;
}

/* Send the request once and take its answer: 0, -errno, LOST or RESTARTED. */
static int exchange_once(struct exchange *x)
{
	struct rm_wire *head = x->request;
	int error;

	head->magic = RM_WIRE_MAGIC;
	head->version = RM_WIRE_VERSION;
	head->seq = connection.seq;
	x->reply_fd = -1;
	x->layer_fds = NULL;
	x->layer_fd_count = 0;
	error = rm_channel_send(connection.mark.fd, x->request, x->request_size, x->fds,
	                        x->fd_count, answer_deadline(x));
	if (error)
		return channel_trouble(x, error);
	x->sendings++;
	error = layers_send(x);
	return error ? error : reply_take(x);
}

/*
 * After RM_RESTARTED the request is sent again under the same number, so that the new worker can
 * tell it from another request.
 */
static int exchange_repeat(struct exchange *x)
{
	int error;

	connection.seq++;
	for (int i = 0; i < REPEATS; i++) {
		error = exchange_once(x);
		if (error != RESTARTED)
			return error;
	}
	return -ECONNREFUSED;
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
	error = exchange_repeat(y);
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

	if ((asked ? asked : SILENCE_NS) < START_NS)
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

static int exchange_run(struct exchange *x)
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
		error = exchange_repeat(x);
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
	error = exchange_run(x);
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
