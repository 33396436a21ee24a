/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.c - one message and its descriptors over a unix SOCK_SEQPACKET socket
 *
 * Memory is on the stack only. Sockets are used without blocking, whatever their flags
 * are; waiting is a ppoll() up to the deadline.
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000u
#define RETRY_NS 1000000u               /* between attempts where the kernel has no event */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(RM_CHANNEL_FDS_MAX * sizeof(int))];
};

uint64_t rm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/*
 * Wait until fd is ready for events, but not beyond the deadline, nor longer than at_most
 * if that is not 0. Returns 0 if the caller shall try again; -EAGAIN (deadline 0),
 * -ETIMEDOUT, other -errno.
 */
static int socket_wait(int fd, short events, uint64_t deadline, uint64_t at_most)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct timespec ts;
	uint64_t now, left;

	if (deadline == 0)
		return -EAGAIN;
	now = rm_now_ns();
	if (now >= deadline)
		return -ETIMEDOUT;
	left = deadline - now;
	if (at_most && left > at_most)
		left = at_most;
	ts.tv_sec = (time_t)(left / NS);
	ts.tv_nsec = (long)(left % NS);
	/* on a timeout the caller tries once more, and the next call finds the deadline passed */
	if (ppoll(&p, 1, &ts, NULL) < 0 && errno != EINTR)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : 0;
}

static void pack_fds(struct msghdr *msg, union control *control, const int *fds, unsigned count)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(count * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
}

int rm_channel_send(int fd, const void *message, size_t length, const int *fds, unsigned count,
                    uint64_t deadline)
{
	struct iovec iov = { .iov_base = (void *)message, .iov_len = length };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	int error;

	/* the receiver would take an empty message for the end of the connection */
	if (length == 0 || count > RM_CHANNEL_FDS_MAX)
		return -EINVAL;
	if (count)
		pack_fds(&msg, &control, fds, count);
	for (;;) {
		if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		switch (errno) {
		case EINTR:
			continue;
		case EAGAIN:
			error = socket_wait(fd, POLLOUT, deadline, 0);
			break;
		case ETOOMANYREFS:      /* RLIMIT_NOFILE also limits descriptors in flight */
		case ENOBUFS:
			error = socket_wait(-1, 0, deadline, RETRY_NS);
			break;
		case ECONNRESET:
		case ENOTCONN:
			return -EPIPE;
		default:
			return -errno;
		}
		if (error)
			return error;
	}
}

/* Copy the descriptors of a received message to fds. There may be several control messages. */
static unsigned unpack_fds(struct msghdr *msg, int fds[RM_CHANNEL_FDS_MAX])
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
		count += (unsigned)n;
	}
	return count;
}

/* Close the descriptors of a message that did not fit, and tell which limit was hit. */
static int message_cut(const struct msghdr *msg, int fds[RM_CHANNEL_FDS_MAX], unsigned *count)
{
	/* fds had room, so the descriptor table of this process was full */
	bool no_room = (msg->msg_flags & MSG_CTRUNC) && *count < RM_CHANNEL_FDS_MAX;

	while (*count)
		close(fds[--*count]);
	return no_room && !(msg->msg_flags & MSG_TRUNC) ? -EMFILE : -EMSGSIZE;
}

ssize_t rm_channel_recv(int fd, void *message, size_t size, int fds[RM_CHANNEL_FDS_MAX],
                        unsigned *count, uint64_t deadline)
{
	struct iovec iov = { .iov_base = message, .iov_len = size };
	union control control;
	ssize_t n;
	int error;

	*count = 0;
	for (;;) {
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
		};

		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0) {
			*count = unpack_fds(&msg, fds);
			if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
				return message_cut(&msg, fds, count);
			return n;
		}
		/*
		 * ECONNRESET is reported once if the other end closed before it read all of
		 * our messages. Its own earlier messages can still be received.
		 */
		if (errno == EINTR || errno == ECONNRESET)
			continue;
		if (errno != EAGAIN)
			return -errno;
		error = socket_wait(fd, POLLIN, deadline, 0);
		if (error)
			return error;
	}
}
