/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - one message and its descriptors over a unix SOCK_SEQPACKET socket
 *
 * The library, rmmapd and rmmap use it. Any thread may call; on one socket, one
 * thread sends and one receives at a time. Nothing allocates. Each call has a
 * deadline on CLOCK_MONOTONIC in nanoseconds; 0 means not to wait at all.
 */
#ifndef RM_CHANNEL_H
#define RM_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RM_CHANNEL_FDS_MAX 64           /* descriptors in one message */

uint64_t rm_now_ns(void);               /* CLOCK_MONOTONIC */

/*
 * Send one message. Never raises SIGPIPE. 0; -EAGAIN (deadline 0) or -ETIMEDOUT if the
 * socket did not accept it in time; -EPIPE if the other end is gone; other -errno.
 */
int rm_channel_send(int fd, const void *message, size_t length, const int *fds, unsigned count,
                    uint64_t deadline);

/*
 * Receive one message of at most size bytes with up to RM_CHANNEL_FDS_MAX descriptors,
 * which get CLOEXEC. Returns the bytes received, with *count descriptors in fds; 0 at the
 * end of the connection; -EAGAIN (deadline 0) or -ETIMEDOUT if none came in time; or other
 * -errno. No descriptors are kept with an error:
 *   -EMSGSIZE  the message or its descriptors did not fit
 *   -EMFILE    this process may open no more descriptors; the message itself is complete,
 *              so the caller can answer it
 */
ssize_t rm_channel_recv(int fd, void *message, size_t size, int fds[RM_CHANNEL_FDS_MAX],
                        unsigned *count, uint64_t deadline);

#endif
