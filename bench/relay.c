/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay - a slow wire between two network namespaces, for machines whose kernel has no netem
 *
 *   relay DELAY_US MBIT NAMESPACE ADDRESS PORT NAMESPACE ADDRESS PORT
 *
 * Each pair of namespaces' hosts lives at its address in its own namespace, and the relay at
 * that address in the other one: a connection to it is made anew where the host is, and what
 * passes is delayed by DELAY_US each way and held to MBIT, 0 for as fast as it goes. Namespaces
 * are files (/run/netns/NAME). Runs until it is killed; says "ready" when it listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "bench.h"

#define CHUNK (64 << 10)
#define CHUNKS 512                      /* 32 MiB under way, each direction */
#define PIPES 256

struct chunk {
	double due;
	size_t length, sent;
	char *data;
};

struct pipe {                           /* one direction of a connection */
	int from, to;                   /* -1: closed */
	struct chunk chunks[CHUNKS];
	unsigned head, count;
	double last;                    /* when the wire is free again */
	bool ended;                     /* nothing more comes */
};

struct side {
	int ns, listener;
	struct sockaddr_in host;        /* who is connected to, in this namespace */
};

static double delay, bytes_per_second;
static struct side sides[2];
static struct pipe *pipes[PIPES];

static void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		bench_die("setns failed: this needs root");
}

static int new_socket(int ns)
{
	const int on = 1;
	int fd;

	enter(ns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		bench_die("no socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void set_side(struct side *side, char **args)
{
	side->ns = open(args[0], O_RDONLY | O_CLOEXEC);
	if (side->ns < 0)
		bench_die("there is no such namespace");
	side->host.sin_family = AF_INET;
	side->host.sin_port = htons((uint16_t)atoi(args[2]));
	if (inet_pton(AF_INET, args[1], &side->host.sin_addr) != 1)
		bench_die("not an IPv4 address");
}

/* In the one namespace, at the other one's address. */
static void listen_for(struct side *here, const struct side *there)
{
	here->listener = new_socket(here->ns);
	if (bind(here->listener, (const void *)&there->host, sizeof there->host) ||
	    listen(here->listener, 64) || fcntl(here->listener, F_SETFL, O_NONBLOCK))
		bench_die("cannot listen at the other side's address");
}

static void add_pipe(int from, int to)
{
	struct pipe *pipe = calloc(1, sizeof *pipe);
	unsigned i = 0;

	while (i < PIPES && pipes[i])
		i++;
	if (!pipe || i == PIPES)
		bench_die("too many connections");
	pipe->from = from;
	pipe->to = to;
	pipes[i] = pipe;
}

static void accept_from(struct side *here, const struct side *there)
{
	const int on = 1;
	int in = accept4(here->listener, NULL, NULL, SOCK_CLOEXEC), out;

	if (in < 0)
		return;
	setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	out = new_socket(there->ns);
	if (connect(out, (const void *)&there->host, sizeof there->host)) {
		close(in);
		close(out);
		return;
	}
	fcntl(in, F_SETFL, O_NONBLOCK);
	fcntl(out, F_SETFL, O_NONBLOCK);
	add_pipe(in, out);
	add_pipe(out, in);
}

static void take(struct pipe *pipe)
{
	struct chunk *chunk = &pipe->chunks[(pipe->head + pipe->count) % CHUNKS];
	const double now = bench_now();
	ssize_t n;

	if (!chunk->data)
		chunk->data = malloc(CHUNK);
	if (!chunk->data)
		bench_die("out of memory");
	n = read(pipe->from, chunk->data, CHUNK);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		pipe->ended = true;
		return;
	}
	pipe->last = pipe->last > now ? pipe->last : now;
	if (bytes_per_second > 0)
		pipe->last += (double)n / bytes_per_second;
	chunk->due = pipe->last + delay;
	chunk->length = (size_t)n;
	chunk->sent = 0;
	pipe->count++;
}

/* Pass on what is due; true if the socket took no more. */
static bool give(struct pipe *pipe)
{
	while (pipe->count && pipe->chunks[pipe->head].due <= bench_now()) {
		struct chunk *chunk = &pipe->chunks[pipe->head];
		const ssize_t n = send(pipe->to, chunk->data + chunk->sent,
		                       chunk->length - chunk->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			pipe->ended = true;
			pipe->count = 0;
			return false;
		}
		chunk->sent += (size_t)n;
		if (chunk->sent < chunk->length)
			continue;
		pipe->head = (pipe->head + 1) % CHUNKS;
		pipe->count--;
	}
	if (pipe->ended && !pipe->count)
		shutdown(pipe->to, SHUT_WR);
	return false;
}

/* Time until the next chunk is due; a quarter of a second if none is under way. */
static double next_due(void)
{
	const double now = bench_now();
	double wait = 0.25;

	for (unsigned i = 0; i < PIPES; i++)
		if (pipes[i] && pipes[i]->count && pipes[i]->chunks[pipes[i]->head].due - now < wait)
			wait = pipes[i]->chunks[pipes[i]->head].due - now;
	return wait > 0 ? wait : 0;
}

static void run(void)
{
	struct pollfd fds[2 + 2 * PIPES];
	bool full[PIPES] = { false };

	for (;;) {
		double wait = next_due();
		struct timespec time = { .tv_nsec = (long)(wait * 1e9) };

		for (unsigned i = 0; i < 2; i++)
			fds[i] = (struct pollfd){ .fd = sides[i].listener, .events = POLLIN };
		for (unsigned i = 0; i < PIPES; i++) {
			struct pipe *p = pipes[i];
			const bool room = p && !p->ended && p->count < CHUNKS;

			fds[2 + 2 * i] = (struct pollfd){ .fd = room ? p->from : -1,
			                                  .events = POLLIN };
			fds[3 + 2 * i] = (struct pollfd){ .fd = p && full[i] ? p->to : -1,
			                                  .events = POLLOUT };
			if (full[i])
				time.tv_nsec = 1000000;
		}
		if (ppoll(fds, 2 + 2 * PIPES, &time, NULL) < 0)
			bench_die("ppoll failed");
		for (unsigned i = 0; i < 2; i++)
			if (fds[i].revents)
				accept_from(&sides[i], &sides[!i]);
		for (unsigned i = 0; i < PIPES; i++) {
			if (!pipes[i])
				continue;
			if (fds[2 + 2 * i].revents)
				take(pipes[i]);
			full[i] = give(pipes[i]);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 9)
		bench_die("usage: relay DELAY_US MBIT NAMESPACE ADDRESS PORT NAMESPACE ADDRESS PORT");
	delay = atof(argv[1]) / 1e6;
	bytes_per_second = atof(argv[2]) * 1e6 / 8;
	set_side(&sides[0], argv + 3);
	set_side(&sides[1], argv + 6);
	listen_for(&sides[0], &sides[1]);
	listen_for(&sides[1], &sides[0]);
	puts("ready");
	fflush(stdout);
	run();
	return 0;
}
