/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.c - the socket that requests come to
 *
 * The first thread.
 */
#include "function.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/say.h"

/*
 * Listen at an address, or at all addresses if it is NULL; an IPv6 socket accepts IPv4 too. A
 * descriptor or -errno. listen_open() tries IPv4 if the host has no IPv6.
 */
static int listen_at(const char *address, int family)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM,
	                                .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	const int yes = 1, no = 0;
	struct addrinfo *found;
	char port[8];
	int fd, error = 0;

	rm_format(port, sizeof(port), "%u", settings.port);
	if (getaddrinfo(address, port, &hints, &found))
		return -EINVAL;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		error = -errno;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (found->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
		if (bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, SOMAXCONN))
			error = -errno;
	}
	freeaddrinfo(found);
	if (error && fd >= 0)
		close(fd);
	return error ? error : fd;
}

int listen_open(void)
{
	int fd = listen_at(settings.address, settings.address ? AF_UNSPEC : AF_INET6);

	if (fd < 0 && fd != -EADDRINUSE && fd != -EACCES && !settings.address)
		fd = listen_at(NULL, AF_INET);
	if (fd < 0) {
		say("cannot listen on port %u%s%s: %s%s", settings.port,
		    settings.address ? " of " : "", settings.address ? settings.address : "",
		    fd == -EINVAL ? "not an address" : rm_errno_text(-fd),
		    fd == -EADDRINUSE || fd == -EACCES ? "; choose another one with --port" : "");
		return -1;
	}
	return fd;
}

unsigned listen_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size))
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port :
	             ((struct sockaddr_in *)&address)->sin_port);
}
