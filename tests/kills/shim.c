/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim.c - preloaded into rmmapd and into consumers by the kill harness
 *
 * In rmmapd (KILLS_ROLE=daemon) it counts points and kills its own process, the keeper, or
 * both at the numbers that control.h gives. In a consumer (KILLS_ROLE=consumer) it waits at
 * one. It allocates nothing and calls the kernel directly: nothing of the process's state is
 * other than it would be without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../src/common/wire.h"
#include "../../src/daemon/keeper/keep.h"
#include "control.h"

static struct control *control;
static bool consumer;
static pid_t first;             /* the process that the harness started: the keeper */

__attribute__((constructor)) static void shim_start(void)
{
	const char *path = getenv("KILLS_CONTROL"), *role = getenv("KILLS_ROLE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	control = map;
	consumer = role && strcmp(role, "consumer") == 0;
	first = (pid_t)syscall(SYS_getpid);
}

static void shim_pause(void)
{
	syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &(struct timespec){ 0, 1000000 }, NULL);
}

/* ---- points ---- */

static void die(bool keeper)
{
	pid_t self = (pid_t)syscall(SYS_getpid), parent = (pid_t)syscall(SYS_getppid);

	if (control->gate_wanted && !atomic_load(&control->kills))
		atomic_store(&control->gate, 1);
	atomic_store(&control->count, 0);
	atomic_fetch_add(&control->kills, 1);
	atomic_fetch_add(&control->keeper_ahead_ns, KILLS_APART_NS);
	if (keeper || control->victim != WORKER)
		atomic_store(&control->keeper_killed, 1);
	/* a worker whose keeper is gone is a child of the lane */
	if (!keeper && control->victim != WORKER && parent == first)
		syscall(SYS_kill, parent, SIGKILL);
	if (keeper || control->victim != KEEPER)
		syscall(SYS_kill, self, SIGKILL);
}

static void daemon_point(struct point point)
{
	bool keeper = (pid_t)syscall(SYS_getpid) == first;
	unsigned kills, number, at;

	if (!atomic_load(&control->armed) || !(control->mask & point.kind) ||
	    keeper != (control->counted == KEEPER))
		return;
	kills = atomic_load(&control->kills);
	/* what another process does in between is not counted */
	if (kills && atomic_load(&control->gate))
		return;
	number = atomic_fetch_add(&control->count, 1) + 1;
	at = atomic_fetch_add(&control->traced, 1);
	if (at < KILLS_TRACE)
		control->trace[at] = point;
	if (kills < KILLS_AT && number == control->at[kills])
		die(keeper);
}

static void consumer_point(struct point point)
{
	unsigned number;

	if (point.kind != POINT_CLIENT || !atomic_load(&control->armed) ||
	    (pid_t)syscall(SYS_getpid) != first)
		return;
	number = atomic_fetch_add(&control->count, 1) + 1;
	if (number <= KILLS_TRACE)
		control->trace[number - 1] = point;
	if (number == control->hold) {
		atomic_store(&control->held, 1);
		while (!atomic_load(&control->go))
			shim_pause();
	}
}

static void shim_point(struct point point)
{
	int kept = errno;

	if (control && point.kind) {
		if (consumer)
			consumer_point(point);
		else
			daemon_point(point);
	}
	errno = kept;
}

/* ---- messages ---- */

static uint8_t socket_kind(int fd, const void *message, size_t length, uint8_t *type)
{
	const struct rm_wire *head = message;
	const struct keep_message *keep = message;
	int domain = 0;
	socklen_t size = sizeof(domain);

	*type = 0;
	if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return 0;
	if (domain == AF_INET || domain == AF_INET6)
		return POINT_FABRIC;
	if (domain != AF_UNIX || length < sizeof(*head))
		return 0;
	if (head->magic == RM_WIRE_MAGIC) {
		*type = (uint8_t)head->type;
		return POINT_CLIENT;
	}
	/* a record's type for KEEP_PUT; other messages above those */
	*type = (uint8_t)(keep->type == KEEP_PUT ? keep->record : 16 + keep->type);
	return POINT_RECORD;
}

static struct point message_point(int fd, const struct iovec *iov, size_t length, bool received)
{
	struct point point = { .received = received };

	if (control && iov && iov->iov_base)
		point.kind = socket_kind(fd, iov->iov_base,
		                         length < iov->iov_len ? length : iov->iov_len, &point.type);
	return point;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	const struct iovec *iov = message->msg_iovlen ? message->msg_iov : NULL;
	struct point point = message_point(fd, iov, iov ? iov->iov_len : 0, false);
	ssize_t n;

	shim_point(point);
	n = syscall(SYS_sendmsg, fd, message, flags);
	point.after = 1;
	if (n > 0)
		shim_point(point);
	return n;
}

/* Only a message that is there makes a point: who polls would count its own haste. */
static bool shim_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return syscall(SYS_poll, &p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void before_receive(int fd)
{
	uint8_t head[sizeof(struct keep_message)];
	struct iovec peeked = { head, sizeof(head) };
	struct msghdr message = { .msg_iov = &peeked, .msg_iovlen = 1 };
	ssize_t n;

	if (!control || !shim_readable(fd))
		return;
	n = syscall(SYS_recvmsg, fd, &message, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		shim_point(message_point(fd, &peeked, (size_t)n, true));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct iovec *iov = message->msg_iovlen ? message->msg_iov : NULL;
	struct point point;
	ssize_t n;

	/* as rm_channel_recv() does it; libfabric polls, and would be slowed down */
	if (flags & MSG_CMSG_CLOEXEC)
		before_receive(fd);
	n = syscall(SYS_recvmsg, fd, message, flags);
	if (n > 0) {
		point = message_point(fd, iov, (size_t)n, true);
		point.after = 1;
		shim_point(point);
	}
	return n;
}

/* ---- libfabric's plain ones ---- */

static void fabric_point(int fd, bool received, bool after)
{
	struct point point = { .after = after, .received = received };

	if (!control || consumer)
		return;
	point.kind = socket_kind(fd, NULL, 0, &point.type);
	if (point.kind == POINT_FABRIC)
		shim_point(point);
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
               socklen_t size)
{
	ssize_t n;

	fabric_point(fd, false, false);
	n = syscall(SYS_sendto, fd, data, length, flags, to, size);
	if (n > 0)
		fabric_point(fd, false, true);
	return n;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	return sendto(fd, data, length, flags, NULL, 0);
}

ssize_t recvfrom(int fd, void *data, size_t length, int flags, struct sockaddr *from,
                 socklen_t *size)
{
	ssize_t n = syscall(SYS_recvfrom, fd, data, length, flags, from, size);

	if (n > 0)
		fabric_point(fd, true, true);
	return n;
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
	return recvfrom(fd, data, length, flags, NULL, NULL);
}

/* ---- the pager's steps ---- */

int ioctl(int fd, unsigned long request, ...)
{
	struct point point = { .kind = POINT_PAGER, .type = (uint8_t)_IOC_NR(request) };
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) != UFFDIO || consumer)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	shim_point(point);
	ret = (int)syscall(SYS_ioctl, fd, request, arg);
	point.after = 1;
	shim_point(point);
	return ret;
}

/* ---- time, so that leases can end without a minute's wait ---- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, time);
	long long ahead;

	if (ret == 0 && control && !consumer && clock == CLOCK_MONOTONIC) {
		ahead = atomic_load(&control->ahead_ns);
		if ((pid_t)syscall(SYS_getpid) == first)
			ahead += atomic_load(&control->keeper_ahead_ns);
		time->tv_sec += (time_t)(ahead / 1000000000);
		time->tv_nsec += (long)(ahead % 1000000000);
		if (time->tv_nsec >= 1000000000) {
			time->tv_nsec -= 1000000000;
			time->tv_sec++;
		}
	}
	return ret;
}
