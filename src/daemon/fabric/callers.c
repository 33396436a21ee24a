/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callers.c - limits on who connects to the fabric's ports; see callers.h
 *
 * Half of the descriptors that this process may have are for callers. The rest is for processes of
 * this host and what they publish. A caller is a stranger until a message from its address could be
 * opened. A stranger is closed after ten seconds of silence. If there is no place for a new caller,
 * the stranger that came first is closed. One address has at most half of the places, and strangers
 * of one address have fewer.
 *
 * A connection is ended by shutdown(2), never by close(2): the descriptor belongs to the provider,
 * which sees the end of the stream and closes it. The provider's listener cannot be taken out of
 * the provider's epoll set. A caller left in its queue would keep it ready and the worker
 * spinning. So a caller without a place is accepted and closed, and tries again as after any other
 * failure.
 *
 * Worker thread only, but for accept(). Allocates the array of callers with malloc.
 */
#include "../base/log.h"
#include "callers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "fabric.h"
#include "../base/container.h"

#define SECOND UINT64_C(1000000000)
#define CALLERS_MAX 8192u       /* connections, whatever the limit of descriptors allows */
#define STRANGERS_MAX 1024u     /* of those; the buffers of a connection take some 40 KiB */
#define STRANGERS_ADDRESS 256u  /* of those, from one address */
#define CALLERS_LEAST 4u        /* even if the limit of descriptors is tiny */
#define TOLD_NS (60 * SECOND)   /* between two log lines */
#define PAUSE_NS 10000000       /* if no caller can be turned away: the host is out of files */

static struct callers callers = {
	.spare = -1, .silent = 10 * SECOND, .idle = 30 * SECOND, .lapse = 60 * SECOND,
	.tick = SECOND,
};
static pthread_t watched;               /* the thread of callers_watch() */

/* ---- one caller ---- */

/* The kernel's unique number for a socket; 0: fd is none. */
static uint64_t socket_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) ? 0 : cookie;
}

/* Is fd still this caller's connection? The provider may have closed it. */
static bool caller_there(const struct caller *caller)
{
	return socket_cookie(caller->fd) == caller->cookie;
}

static bool caller_stranger(const struct caller *caller, uint64_t now)
{
	return !caller->known || now >= caller->known + callers.lapse;
}

/*
 * Silent for too long? The provider's own first bytes count: after them a longer pause is allowed.
 */
static bool caller_idle(const struct caller *caller, uint64_t now)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (now < caller->since + callers.silent ||
	    getsockopt(caller->fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		return false;
	return !info.tcpi_bytes_received ||
	       info.tcpi_last_data_recv * UINT64_C(1000000) >= callers.idle;
}

/* The connection itself is left alone. The order of the others stays. */
static void caller_forget(unsigned i)
{
	assert(i < callers.count);
	memmove(&callers.all[i], &callers.all[i + 1],
	        (--callers.count - i) * sizeof(*callers.all));
}

/* The provider closes the descriptor when it next reads from it. */
static void caller_hang_up(unsigned i)
{
	if (caller_there(&callers.all[i]))
		shutdown(callers.all[i].fd, SHUT_RDWR);
	caller_forget(i);
}

/* ---- all of them ---- */

static void callers_look(struct timer *timer)
{
	uint64_t now = rm_now_ns();

	for (unsigned i = callers.count; i-- > 0;) {
		struct caller *caller = &callers.all[i];

		if (!caller_there(caller))
			caller_forget(i);
		else if (caller_stranger(caller, now) && caller_idle(caller, now))
			caller_hang_up(i);
	}
	if (callers.count)
		loop_timer(callers.context->loop, timer, now + callers.tick);
}

static void callers_forget_closed(void)
{
	for (unsigned i = callers.count; i-- > 0;)
		if (!caller_there(&callers.all[i]))
			caller_forget(i);
}

/* How many callers there are, as seen by a new one from some address. */
struct crowd {
	unsigned from_there, strangers, strangers_from_there;
	unsigned oldest, oldest_from_there;     /* strangers, as indices; callers.count: none */
};

static struct crowd crowd_count(const uint8_t address[16], uint64_t now)
{
	struct crowd crowd = { .oldest = callers.count, .oldest_from_there = callers.count };

	for (unsigned i = callers.count; i-- > 0;) {
		const struct caller *caller = &callers.all[i];
		bool there = memcmp(caller->address, address, 16) == 0;

		crowd.from_there += there;
		if (!caller_stranger(caller, now))
			continue;
		crowd.strangers++;
		crowd.oldest = i;
		if (there) {
			crowd.strangers_from_there++;
			crowd.oldest_from_there = i;
		}
	}
	return crowd;
}

/* How many callers there may be. The limit is read each time, since it may be changed. */
static unsigned callers_limit(void)
{
	struct rlimit limit;
	unsigned most = CALLERS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < most)
		most = (unsigned)(limit.rlim_cur / 2);
	return most > CALLERS_LEAST ? most : CALLERS_LEAST;
}

static unsigned smaller_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Is there a place for one more from this address? A stranger may be closed for it. */
static bool callers_make_place(const uint8_t address[16], uint64_t now)
{
	unsigned most = callers_limit(), victim;
	struct crowd crowd;

	if (callers.count >= most)
		callers_forget_closed();
	crowd = crowd_count(address, now);
	if (crowd.from_there >= most / 2 ||
	    crowd.strangers_from_there >= smaller_of(STRANGERS_ADDRESS, most / 4))
		victim = crowd.oldest_from_there;
	else if (callers.count >= most || crowd.strangers >= STRANGERS_MAX)
		victim = crowd.oldest;
	else
		return true;
	if (victim == callers.count)
		return false;
	caller_hang_up(victim);
	return true;
}

/* Add a caller. False: no memory. */
static bool caller_note(int fd, const uint8_t address[16], uint64_t now)
{
	struct caller *more;

	/* An earlier caller with this descriptor is closed, or the kernel would not reuse it. */
	for (unsigned i = callers.count; i-- > 0;)
		if (callers.all[i].fd == fd)
			caller_forget(i);
	if (callers.count == callers.capacity) {
		unsigned capacity = callers.capacity ? 2 * callers.capacity : 64;

		more = realloc(callers.all, capacity * sizeof(*more));
		if (!more)
			return false;
		callers.all = more;
		callers.capacity = capacity;
	}
	callers.all[callers.count] = (struct caller){ .fd = fd, .cookie = socket_cookie(fd),
	                                              .since = now };
	memcpy(callers.all[callers.count++].address, address, 16);
	if (!callers.timer.index)
		loop_timer(callers.context->loop, &callers.timer, now + callers.tick);
	return true;
}

static bool caller_let_in(int fd, const struct sockaddr *from, socklen_t length)
{
	uint64_t now = rm_now_ns();
	uint8_t address[16];

	fabric_network(from, length, address);
	return callers_make_place(address, now) && caller_note(fd, address, now);
}

/* ---- accept(2), as libfabric calls it ---- */

static void callers_tell_full(void)
{
	uint64_t now = rm_now_ns();

	if (callers.told && now < callers.told + TOLD_NS)
		return;
	callers.told = now;
	log_line("no place for a connection of another host: there are %u, half of "
	         "them for one address; if they are needed raise the limit of rmmapd (ulimit -n, "
	         "LimitNOFILE=)", callers_limit());
}

/*
 * There is no descriptor left to accept a caller with, and it must not stay in the queue: use the
 * spare one. If the whole host is out of files, not even that works, and all that can be done is
 * not to spin.
 */
static void caller_turn_away(int listener)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct pollfd look = { .fd = listener, .events = POLLIN };
	int fd = -1;

	if (callers.spare >= 0)
		close(callers.spare);
	if (poll(&look, 1, 0) > 0)
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		nanosleep(&pause, NULL);
	callers.spare = open("/", O_PATH | O_CLOEXEC);
}

/* A caller that finds no place is EAGAIN, as if nobody had called. */
static int accept_watched(int listener, struct sockaddr_storage *from, socklen_t *length)
{
	int fd = accept4(listener, (struct sockaddr *)from, length, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		callers_tell_full();
		caller_turn_away(listener);
		errno = EAGAIN;
	}
	if (fd < 0 || caller_let_in(fd, (const struct sockaddr *)from, *length))
		return fd;
	callers_tell_full();
	close(fd);
	errno = EAGAIN;
	return -1;
}

/*
 * Libraries find this before libc's, since the program's symbols come first. Any thread may call
 * it; only the watched one's callers are counted.
 */
__attribute__((visibility("default")))
int accept(int listener, struct sockaddr *address, socklen_t *length)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int fd;

	if (!callers.context || !pthread_equal(watched, pthread_self()))
		return accept4(listener, address, length, 0);
	memset(&from, 0, sizeof(from));
	fd = accept_watched(listener, &from, &size);
	if (fd >= 0 && address && length) {
		memcpy(address, &from, smaller_of(*length, size));
		*length = size;
	}
	return fd;
}

struct callers *callers_watch(struct context *context)
{
	if (!callers.context) {
		callers.context = context;
		watched = pthread_self();
		callers.timer.fire = callers_look;
		callers.spare = open("/", O_PATH | O_CLOEXEC);
	}
	return &callers;
}

void callers_known(const void *address, size_t length)
{
	uint64_t now = rm_now_ns();
	uint8_t from[16];

	fabric_network(address, length, from);
	for (unsigned i = 0; i < callers.count; i++)
		if (memcmp(callers.all[i].address, from, 16) == 0)
			callers.all[i].known = now;
}
