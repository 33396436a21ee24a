/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_callers.c - bounds for who connects to the fabric's ports, see fabric_callers.h
 *
 * Half of the descriptors that this process may have are for callers, the rest for this host's
 * processes and what they publish. Who has sent no message that could be opened is a stranger:
 * it is hung up on when it has been silent for ten seconds, and, the one that came first before
 * others, where there is no room for the next. One address has half of the places at most, and
 * fewer for strangers.
 *
 * A connection is ended by shutdown(2), never by close(2): the descriptor is the provider's, who
 * sees the end of the stream and closes it. The provider's listener cannot be taken out of its
 * epoll set, so nobody is left waiting in its queue, where it would be ready for ever: who finds
 * no place is accepted and closed, and asks again like after any other failure.
 */
#include "../base/log.h"
#include "callers.h"

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
#define STRANGERS_MAX 1024u     /* of those; a connection has buffers of some 40 KiB */
#define STRANGERS_ADDRESS 256u  /* of those, from one address */
#define LEAST 4u
#define TOLD_NS (60 * SECOND)
#define PAUSE_NS 10000000       /* where nobody can be turned away: the host has no files left */

static struct callers callers = {
	.spare = -1, .silent = 10 * SECOND, .idle = 30 * SECOND, .lapse = 60 * SECOND,
	.tick = SECOND,
};
static pthread_t watched;

/* ---- one caller ---- */

/* 0: the kernel tells none. */
static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) ? 0 : cookie;
}

static bool caller_there(const struct caller *caller)
{
	return cookie_of(caller->fd) == caller->cookie;
}

static bool caller_stranger(const struct caller *caller, uint64_t now)
{
	return !caller->known || now >= caller->known + callers.lapse;
}

/* A provider's own first words are words: who has said them may pause for longer. */
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

static void caller_forget(unsigned i)
{
	memmove(&callers.all[i], &callers.all[i + 1],
	        (--callers.count - i) * sizeof(*callers.all));
}

/* The provider closes it when it next looks. */
static void caller_hang_up(unsigned i)
{
	if (caller_there(&callers.all[i]))
		shutdown(callers.all[i].fd, SHUT_RDWR);
	caller_forget(i);
}

/* ---- all of them ---- */

static void look_at_all(struct timer *timer)
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

static void forget_closed(void)
{
	for (unsigned i = callers.count; i-- > 0;)
		if (!caller_there(&callers.all[i]))
			caller_forget(i);
}

struct crowd {
	unsigned from_there, strangers, strangers_from_there;
	unsigned oldest, oldest_from_there;     /* strangers; callers.count: there is none */
};

static struct crowd count_crowd(const uint8_t address[16], uint64_t now)
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

/* How many there may be. The limit is asked for each time: somebody may have changed it. */
static unsigned places(void)
{
	struct rlimit limit;
	unsigned most = CALLERS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < most)
		most = (unsigned)(limit.rlim_cur / 2);
	return most > LEAST ? most : LEAST;
}

static unsigned least_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Is there a place for one more from this address? Strangers are hung up on for it. */
static bool place_for(const uint8_t address[16], uint64_t now)
{
	unsigned most = places(), victim;
	struct crowd crowd;

	if (callers.count >= most)
		forget_closed();
	crowd = count_crowd(address, now);
	if (crowd.from_there >= most / 2 ||
	    crowd.strangers_from_there >= least_of(STRANGERS_ADDRESS, most / 4))
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

static bool caller_note(int fd, const uint8_t address[16], uint64_t now)
{
	struct caller *more;

	/* what had this number is closed, or it would not be this one's */
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
	callers.all[callers.count] = (struct caller){ .fd = fd, .cookie = cookie_of(fd),
	                                              .since = now };
	memcpy(callers.all[callers.count++].address, address, 16);
	if (!callers.timer.index)
		loop_timer(callers.context->loop, &callers.timer, now + callers.tick);
	return true;
}

static bool let_in(int fd, const struct sockaddr *from, socklen_t length)
{
	uint64_t now = rm_now_ns();
	uint8_t address[16];

	fabric_network(from, length, address);
	return place_for(address, now) && caller_note(fd, address, now);
}

/* ---- accept(2), as libfabric calls it ---- */

static void tell_full(void)
{
	uint64_t now = rm_now_ns();

	if (callers.told && now < callers.told + TOLD_NS)
		return;
	callers.told = now;
	log_line("no place for a connection of another host: there are %u, half of "
	         "them for one address; if they are needed raise the limit of rmmapd (ulimit -n, "
	         "LimitNOFILE=)", places());
}

/* There is no descriptor to accept it with, and it may not stay in the queue. */
static void turn_away(int listener)
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

static int accept_watched(int listener, struct sockaddr_storage *from, socklen_t *length)
{
	int fd = accept4(listener, (struct sockaddr *)from, length, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		tell_full();
		turn_away(listener);
		errno = EAGAIN;
	}
	if (fd < 0 || let_in(fd, (const struct sockaddr *)from, *length))
		return fd;
	tell_full();
	close(fd);
	errno = EAGAIN;
	return -1;
}

/* Libraries find this before libc's, since the program's symbols come first. */
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
		memcpy(address, &from, least_of(*length, size));
		*length = size;
	}
	return fd;
}

struct callers *callers_watch(struct context *context)
{
	if (!callers.context) {
		callers.context = context;
		watched = pthread_self();
		callers.timer.fire = look_at_all;
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
