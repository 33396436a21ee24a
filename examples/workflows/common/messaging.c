/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * messaging.c - each receiver fetches a message from the sender over TCP
 *
 * A reference is ADDRESS:PORT of the sender. The sender listens at WORKFLOW_ADDRESS (127.0.0.1) and
 * stays until all receivers have connected. A receiver first sends the number of its part.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ways.h"

static struct sockaddr_in ipv4_of(const char *host, unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("'%s' is no IPv4 address", host);
	return address;
}

static void be_patient(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int listen_anywhere(char reference[REFERENCE_MAX])
{
	const char *host = getenv("WORKFLOW_ADDRESS");
	struct sockaddr_in address = ipv4_of(host ? host : "127.0.0.1", 0);
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 1024) || getsockname(fd, (struct sockaddr *)&address, &length))
		die("cannot listen: %m");
	snprintf(reference, REFERENCE_MAX, "%s:%u", host ? host : "127.0.0.1",
	         ntohs(address.sin_port));
	return fd;
}

static int next_receiver(int listening, uint32_t *part)
{
	struct pollfd wait = { .fd = listening, .events = POLLIN };
	int fd;

	if (poll(&wait, 1, PATIENCE_S * 1000) != 1)
		die("a receiver did not come");
	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		die("cannot accept a receiver: %m");
	be_patient(fd);
	if (recv(fd, part, sizeof(*part), MSG_WAITALL) != (ssize_t)sizeof(*part))
		die("a receiver did not say what it wants");
	*part = ntohl(*part);
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	spent.sent += size;
	while (size) {
		const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			die("cannot send: %m");
		data += sent;
		size -= (size_t)sent;
	}
}

static void messaging_hand_over(const struct kind *kind, const void *root)
{
	char reference[REFERENCE_MAX];
	const int listening = listen_anywhere(reference);
	msgpack_sbuffer buffer;

	for (size_t i = 0; i < self.receivers; i++)
		print_reference(reference);
	fflush(stdout);
	msgpack_sbuffer_init(&buffer);
	if (!kind->parted)
		pack_into(&buffer, kind, root, 0);
	for (size_t i = 0; i < self.receivers; i++) {
		uint32_t part;
		const int fd = next_receiver(listening, &part);

		if (kind->parted) {
			msgpack_sbuffer_clear(&buffer);
			pack_into(&buffer, kind, root, part);
		}
		send_all(fd, buffer.data, buffer.size);
		close(fd);
	}
	msgpack_sbuffer_destroy(&buffer);
	close(listening);
}

static void *messaging_take(const struct kind *kind, const char *reference)
{
	struct message message = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	const uint32_t part = htonl((uint32_t)self.part);
	const char *colon = strrchr(reference, ':');
	struct sockaddr_in address;
	char host[64];
	void *root;

	if (!colon || (size_t)(colon - reference) >= sizeof(host))
		die("'%s' is no address of a sender", reference);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - reference), reference);
	address = ipv4_of(host, (unsigned)strtoul(colon + 1, NULL, 10));
	if (message.fd < 0)
		die("cannot make a socket: %m");
	be_patient(message.fd);
	if (connect(message.fd, (struct sockaddr *)&address, sizeof(address)) ||
	    send(message.fd, &part, sizeof(part), MSG_NOSIGNAL) != (ssize_t)sizeof(part))
		die("cannot connect to %s: %m", reference);
	root = unpack_from(&message, kind);
	close(message.fd);
	return root;
}

const struct way by_messaging = {
	.name = "messaging",
	.hand_over = messaging_hand_over,
	.take = messaging_take,
};
