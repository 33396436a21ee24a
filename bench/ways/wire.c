/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire - a wire between two network namespaces that takes its time, for kernels without
 * netem: a TUN device in each, and what comes out of one goes into the other after DELAY
 * microseconds, at no more than RATE megabits a second. Whole TCP segments of up to 64 KiB
 * pass as they are, as on a device that segments by itself. Runs until it is killed.
 *
 *   wire NAMESPACE NAMESPACE DEVICE DELAY_US RATE_MBIT
 *
 * Addresses are the caller's business; "ready" on standard output says that the devices exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "../bench.h"

#define PACKET_MAX (66u << 10)
#define QUEUE_BYTES (4u << 20)  /* then the device has to wait, and with it its sender */

struct packet {
	struct packet *next;
	double due;
	size_t length;
	char data[];
};

struct direction {
	int from, to;
	struct packet *first, **last;
	size_t queued;
	double idle;            /* when the wire is free again */
};

static double delay, seconds_per_byte;

static int open_device(const char *namespace, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		bench_die("cannot enter a network namespace");
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		bench_die("/dev/net/tun cannot be opened");
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		bench_die("a TUN device cannot be made");
	return fd;
}

/* One packet from the device onto the wire; 0 if there was none. */
static int accept_one(struct direction *way)
{
	static char buffer[PACKET_MAX];
	const ssize_t length = read(way->from, buffer, sizeof buffer);
	const double now = bench_now();
	struct packet *packet;

	if (length <= 0)
		return 0;
	packet = malloc(sizeof *packet + (size_t)length);
	if (!packet)
		bench_die("out of memory");
	way->idle = (way->idle > now ? way->idle : now) + (double)length * seconds_per_byte;
	packet->next = NULL;
	packet->due = way->idle + delay;
	packet->length = (size_t)length;
	memcpy(packet->data, buffer, (size_t)length);
	*way->last = packet;
	way->last = &packet->next;
	way->queued += packet->length;
	return 1;
}

static void deliver(struct direction *way)
{
	struct packet *packet;

	while ((packet = way->first) && packet->due <= bench_now()) {
		if (write(way->to, packet->data, packet->length) < 0 && errno == EAGAIN)
			return;
		way->first = packet->next;
		if (!way->first)
			way->last = &way->first;
		way->queued -= packet->length;
		free(packet);
	}
}

static void wait_for_work(const struct direction *ways)
{
	struct pollfd polled[2];
	struct timespec until = { .tv_sec = 1 };
	double soon = 1;

	for (int i = 0; i < 2; i++) {
		polled[i] = (struct pollfd){ .fd = ways[i].queued < QUEUE_BYTES ? ways[i].from : -1,
		                             .events = POLLIN };
		if (ways[i].first && ways[i].first->due - bench_now() < soon)
			soon = ways[i].first->due - bench_now();
	}
	if (soon < 1)
		until = (struct timespec){ 0, soon > 0 ? (long)(soon * 1e9) : 0 };
	ppoll(polled, 2, &until, NULL);
}

int main(int argc, char **argv)
{
	struct direction ways[2];

	if (argc != 6 || atof(argv[5]) <= 0)
		bench_die("usage: wire NAMESPACE NAMESPACE DEVICE DELAY_US RATE_MBIT");
	delay = atof(argv[4]) * 1e-6;
	seconds_per_byte = 8e-6 / atof(argv[5]);
	ways[0] = (struct direction){ .from = open_device(argv[1], argv[3]) };
	ways[1] = (struct direction){ .from = open_device(argv[2], argv[3]) };
	for (int i = 0; i < 2; i++) {
		ways[i].to = ways[!i].from;
		ways[i].last = &ways[i].first;
	}
	prctl(PR_SET_TIMERSLACK, 1);    /* or each packet is 50 us late */
	puts("ready");
	fflush(stdout);
	for (;;) {
		for (int i = 0; i < 2; i++) {
			while (ways[i].queued < QUEUE_BYTES && accept_one(&ways[i]))
				deliver(&ways[i]);
			deliver(&ways[i]);
		}
		wait_for_work(ways);
	}
}
