/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_callers.c - who connects to the fabric's port: how many, for how long, and with no
 * descriptor left. Callers are processes of their own, from addresses of the loopback network.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"
#include "../../../src/daemon/fabric/callers.h"
#include "../../../src/daemon/peer/peer.h"
#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/keeper/keep.h"
#include "../../../src/daemon/peer/nets.h"

#define MS UINT64_C(1000000)
#define FILES 200                       /* so that there are 100 places */

static struct {
	struct context context;
	struct nets *nets;
} it;
static struct callers *callers;
static struct sockaddr_in here = { .sin_family = AF_INET };
static int listener, held[FILES];       /* accepted, as the provider holds them */
static unsigned held_count;
static pid_t children[16];
static unsigned child_count;

static void setup(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	it.context.loop = loop_new();
	it.context.keeper = keeper_new(pair[0], 0);
	ck_assert(it.context.loop && it.context.keeper);
	it.nets = nets_new(&it.context, NULL, NULL);
	ck_assert_ptr_nonnull(it.nets);
	callers = callers_watch(&it.context);
}

static void listen_here(void)
{
	socklen_t size = sizeof(here);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&here, size), 0);
	ck_assert_int_eq(listen(listener, 128), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&here, &size), 0);
}

static struct sockaddr_in host(unsigned n)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
	                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK + n) };
}

/* So many connections from the nth host, and nothing more; until the test ends. */
static void call_from(unsigned n, unsigned count)
{
	struct sockaddr_in from = host(n);
	int ready[2];
	char byte = 0;

	ck_assert_int_eq(pipe(ready), 0);
	children[child_count] = fork();
	if (!children[child_count++]) {
		for (unsigned i = 0; i < count; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);

			if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
			    connect(fd, (struct sockaddr *)&here, sizeof(here)))
				_exit(1);
		}
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* As the provider does with those whose stream has ended. */
static void close_ended(void)
{
	char byte;

	for (unsigned i = held_count; i-- > 0;) {
		if (recv(held[i], &byte, 1, MSG_DONTWAIT) != 0)
			continue;
		close(held[i]);
		held[i] = held[--held_count];
	}
}

static void accept_all(const struct sockaddr_in *known)
{
	struct pollfd look = { .fd = listener, .events = POLLIN };

	while (poll(&look, 1, 0) > 0) {
		int fd = accept(listener, NULL, NULL);

		ck_assert(fd >= 0 || errno == EAGAIN);
		if (fd >= 0)
			held[held_count++] = fd;
		close_ended();
		if (known)
			callers_known(known, sizeof(*known));
	}
}

static unsigned held_from(unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < held_count; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);

		if (getpeername(held[i], (struct sockaddr *)&from, &size) == 0)
			count += from.sin_addr.s_addr == host(n).sin_addr.s_addr;
	}
	return count;
}

static void files(rlim_t most)
{
	struct rlimit limit = { most, FILES };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void hang_up_all(void)
{
	while (child_count) {
		kill(children[--child_count], SIGKILL);
		waitpid(children[child_count], NULL, 0);
	}
}

START_TEST(strangers_make_room)
{
	struct sockaddr_in three = host(3), four = host(4);

	setup();
	files(FILES);
	listen_here();
	call_from(2, 60);
	accept_all(NULL);
	ck_assert_uint_eq(held_from(2), 25);
	call_from(3, 5);
	accept_all(&three);
	call_from(2, 60);
	accept_all(NULL);
	ck_assert_uint_eq(held_from(2), 25);
	ck_assert_uint_eq(held_from(3), 5);
	/* those that are known are not hung up on: the next ones from there are turned away */
	call_from(4, 60);
	accept_all(&four);
	ck_assert_uint_eq(held_from(4), 50);
	/* 20 places are left, and the strangers that came first */
	call_from(5, 25);
	accept_all(NULL);
	ck_assert_uint_eq(held_count, 100);
	ck_assert_uint_eq(held_from(5), 25);
	ck_assert_uint_eq(held_from(2), 20);
	ck_assert_uint_eq(held_from(3), 5);
	hang_up_all();
	close_ended();
	ck_assert_uint_eq(held_count, 0);
}
END_TEST

START_TEST(no_descriptor_at_all)
{
	struct pollfd look = { .events = POLLIN };

	setup();
	listen_here();
	look.fd = listener;
	call_from(1, 3);
	files((rlim_t)callers->spare + 1);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(poll(&look, 1, 1000), 1);
		ck_assert_int_eq(accept(listener, NULL, NULL), -1);
		ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_int_eq(poll(&look, 1, 0), 0);
	ck_assert_int_ge(callers->spare, 0);
	files(FILES);
	call_from(1, 1);
	accept_all(NULL);
	ck_assert_uint_eq(held_count, 1);
	hang_up_all();
}
END_TEST

/* Are these two addresses one host's, as far as the bounds know? */
static bool one_host(int family, const char *a, const char *b)
{
	const char *texts[2] = { a, b };
	uint8_t networks[2][16];

	for (unsigned i = 0; i < 2; i++) {
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = (in_port_t)i };
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = (in_port_t)i };
		void *to = family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr;

		ck_assert_int_eq(inet_pton(family, texts[i], to), 1);
		if (family == AF_INET)
			fabric_network(&v4, sizeof(v4), networks[i]);
		else
			fabric_network(&v6, sizeof(v6), networks[i]);
	}
	return memcmp(networks[0], networks[1], 16) == 0;
}

START_TEST(whose_address)
{
	ck_assert(one_host(AF_INET, "10.0.0.1", "10.0.0.1"));
	ck_assert(!one_host(AF_INET, "10.0.0.1", "10.0.0.2"));
	ck_assert(one_host(AF_INET6, "2001:db8::1", "2001:db8::2"));
	ck_assert(!one_host(AF_INET6, "2001:db8:0:1::1", "2001:db8:0:2::1"));
	ck_assert(!one_host(AF_INET6, "::ffff:10.0.0.1", "::ffff:10.0.0.2"));
	/* all hosts of a link have the same first 64 bits there */
	ck_assert(one_host(AF_INET6, "fe80::1", "fe80::1"));
	ck_assert(!one_host(AF_INET6, "fe80::1", "fe80::2"));
}
END_TEST

/* ---- with libfabric, which is to close what was hung up on ---- */

static int called[3];

static unsigned open_files(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static unsigned files_before;           /* any was accepted; with the callers' own ends */

/*
 * The caller sees the end of its stream at the shutdown(2). The provider closes its descriptor
 * some passes of the loop later.
 */
static bool all_ended(void)
{
	char byte;

	for (unsigned i = 0; i < COUNT(called); i++)
		if (recv(called[i], &byte, 1, MSG_DONTWAIT) != 0)
			return false;
	return callers->count == 0 && open_files() == files_before;
}

static uint64_t give_up;

static void look(struct timer *timer)
{
	if (all_ended() || rm_now_ns() >= give_up)
		loop_stop(it.context.loop);
	else
		loop_timer(it.context.loop, timer, rm_now_ns() + 10 * MS);
}

START_TEST(silent_ones_are_closed)
{
	struct timer timer = { .fire = look };
	char host_text[64];
	struct peers *peers;

	setup();
	ck_assert_int_eq(nets_publish(it.nets, "tcp@127.0.0.1", &peers), 0);
	fabric_addr_text(fabric_addr(peers_fabric(peers)), host_text, sizeof(host_text));
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	here.sin_port = htons((uint16_t)atoi(strchr(host_text, ':') + 1));
	callers->silent = 100 * MS;
	callers->tick = 20 * MS;
	files_before = open_files() + COUNT(called);
	for (unsigned i = 0; i < COUNT(called); i++) {
		called[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(called[i], (struct sockaddr *)&here, sizeof(here)), 0);
	}
	give_up = rm_now_ns() + 60000 * MS;
	loop_timer(it.context.loop, &timer, rm_now_ns());
	loop_run(it.context.loop);
	ck_assert(all_ended());
	for (unsigned i = 0; i < COUNT(called); i++)
		close(called[i]);
	ck_assert_uint_eq(open_files(), files_before - COUNT(called));
	nets_free(it.nets);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ strangers_make_room, 0 }, { no_descriptor_at_all, 0 },
		{ whose_address, 0 }, { silent_ones_are_closed, 0 },
	};

	return unit_run("callers", tests, COUNT(tests));
}
