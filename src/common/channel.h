/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - one message and its descriptors over a unix SOCK_SEQPACKET socket
 *
 * Used by the library, rmmapd and rmmap. Does not allocate. Every call has a
 * deadline on CLOCK_MONOTONIC in nanoseconds; 0 does not wait at all.
 */
#ifndef RM_CHANNEL_H
#define RM_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RM_CHANNEL_FDS_MAX 64

uint64_t rm_now_ns(void);

/*
 * Send one message, never SIGPIPE. 0, -EAGAIN or -ETIMEDOUT at the deadline,
 * -EPIPE (the other end is gone), other -errno.
 */
int rm_channel_send(int fd, const void *message, size_t length, const int *fds, unsigned count,
                    uint64_t deadline);

/*
 * Receive one message of at most size bytes and up to RM_CHANNEL_FDS_MAX descriptors,
 * all CLOEXEC. Bytes received; 0 at the end of the connection; -ETIMEDOUT or -EAGAIN at
 * the deadline; -EMSGSIZE if message or descriptors were cut (descriptors that did
 * arrive are closed); -EMFILE if this process may have no more of them (as before, and
 * the message is whole, so that it can be answered); other -errno. *count says how many descriptors came.
 */
ssize_t rm_channel_recv(int fd, void *message, size_t size, int fds[RM_CHANNEL_FDS_MAX],
                        unsigned *count, uint64_t deadline);

#endif
