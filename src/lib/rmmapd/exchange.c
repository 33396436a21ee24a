/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange.c - one request and its reply, over an open connection
 *
 * Any thread, under the connection's lock; for client.c. Allocates own pages for the descriptors
 * of an attach.
 */
#include "exchange.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/say.h"

#define REPEATS 8               /* sendings of a request on one connection, after RM_RESTARTED */

/* For RM_LAYERS. Static, since a thread's stack may be small; under the connection's lock. */
static _Alignas(8) char layers_message[RM_WIRE_MAX];

void exchange_close_fds(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* By when the next message must have come. */
static uint64_t answer_deadline(const struct exchange *x)
{
	return rm_now_ns() + (x->timeout_ns ? x->timeout_ns : EXCHANGE_SILENCE_NS);
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
		          ((x->timeout_ns ? x->timeout_ns : EXCHANGE_SILENCE_NS) / 1000000000));
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
		ssize_t n = rm_channel_recv(x->connection, message, RM_WIRE_MAX, fds, count,
		                            answer_deadline(x));
		int error;

		if (n <= 0)
			return channel_trouble(x, (int)n);
		error = rm_wire_check(message, (size_t)n);
		if (error) {
			exchange_close_fds(fds, *count);
			return channel_trouble(x, error);
		}
		if (head->type == RM_RESTARTED) {
			exchange_close_fds(fds, *count);
			rm_format(x->why, sizeof(x->why), "rmmapd's worker fails again and again; "
			          "see its log (RMMAP_LOG=FILE)");
			return RESTARTED;
		}
		if (head->seq == x->seq && head->type != RM_PROGRESS)
			return 0;
		exchange_close_fds(fds, *count);
	}
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
		error = rm_channel_send(x->connection, &m, sizeof(m), fds, m.count,
		                        answer_deadline(x));
		if (error)
			return channel_trouble(x, error);
	}
	return 0;
}

static void layers_drop(struct exchange *x, uint32_t got)
{
	exchange_close_fds(x->layer_fds, got);
	own_pages_free(x->layer_fds, x->layer_fd_count * sizeof(*x->layer_fds));
	x->layer_fds = NULL;
	x->layer_fd_count = 0;
}

/* Receive the RM_LAYERS that follow an RM_ATTACH_REPLY: all of them, or none. */
static int layers_receive(struct exchange *x, uint32_t count)
{
	const struct rm_wire_layers *m = (const void *)layers_message;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned n;
	uint32_t got = 0;

	x->layer_fd_count = count;
	x->layer_fds = own_pages(count * sizeof(*x->layer_fds));
	if (!x->layer_fds)
		return -ENOMEM;
	while (got < count) {
		int error = message_next(x, layers_message, fds, &n);

		if (!error && (m->head.type != RM_LAYERS || m->first != got || m->count != n ||
		               n == 0 || n > count - got)) {
			exchange_close_fds(fds, n);
			error = reply_refusal(x, layers_message);
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
		exchange_close_fds(fds, count);
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
	head->seq = x->seq;
	x->reply_fd = -1;
	x->layer_fds = NULL;
	x->layer_fd_count = 0;
	error = rm_channel_send(x->connection, x->request, x->request_size, x->fds,
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
int exchange_repeat(struct exchange *x)
{
	int error;

	for (int i = 0; i < REPEATS; i++) {
		error = exchange_once(x);
		if (error != RESTARTED)
			return error;
	}
	return -ECONNREFUSED;
}
