/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - rmmap move: makes a publication of this host one of another host
 *
 * The original is unpublished only after the new handle has been printed. So a failure at any time
 * leaves at least one of the two.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

#include "../common/handle.h"
#include "../common/number.h"
#include "../common/options.h"
#include "../common/say.h"
#include "cli.h"

/* Split HOST:PORT in place; an IPv6 address is in brackets. 0 or -EINVAL. */
static int peer_split(char *peer, const char **host, const char **port)
{
	char *colon = strrchr(peer, ':'), *end = colon;
	uint64_t number;

	if (!colon || rm_parse_number(colon + 1, 1, 65535, &number))
		return -EINVAL;
	/*
	 * Without brackets a colon in the host would be part of an IPv6 address, whose last group
	 * could be taken for the port.
	 */
	if (peer[0] == '[') {
		peer++;
		if (--end <= peer || *end != ']')
			return -EINVAL;
	} else if (end == peer || memchr(peer, ':', (size_t)(end - peer))) {
		return -EINVAL;
	}
	*end = 0;
	*host = peer;
	*port = colon + 1;
	return 0;
}

/*
 * Resolve HOST:PORT into m. It is done here since rmmapd takes numeric addresses only: its worker
 * must not wait for a name server. 0, or 1 after the line on stderr.
 */
static int peer_find(const char *text, struct rm_wire_move *m)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	const char *host, *port;
	char *copy = strdup(text);
	int error, status = 0;

	if (!copy || peer_split(copy, &host, &port)) {
		free(copy);
		return cli_fail("the other host is given as HOST:PORT, where its rmmapd listens: "
		                "rmmap info says so there");
	}
	error = getaddrinfo(host, port, &hints, &list);
	if (error) {
		status = cli_fail("%s: %s", host, gai_strerror(error));
	} else {
		/* The first address that the resolver gives: the others are not tried. */
		error = getnameinfo(list->ai_addr, list->ai_addrlen, m->host, sizeof(m->host), NULL, 0,
		                    NI_NUMERICHOST);
		if (error)
			status = cli_fail("%s: %s", host, gai_strerror(error));
		freeaddrinfo(list);
	}
	m->port = (uint32_t)strtoul(port, NULL, 10);
	free(copy);
	return status;
}

/* Send RM_MOVE and wait until the other host has fetched everything. 0, or -errno with why. */
static int ask_move(struct ask *ask, struct rm_wire_move *m)
{
	struct ask_request request = { .message = m, .size = sizeof(*m) };
	const struct rm_wire_reply *reply = (void *)ask->reply;
	int fd, error = ask_exchange(ask, &request, RM_REPLY, &fd);

	if (error)
		return error;
	if (fd >= 0)
		close(fd);
	if (reply->error)
		rm_format(ask->why, sizeof(ask->why), "%s",
		          reply->text[0] ? reply->text : rm_errno_text(reply->error));
	return -reply->error;
}

/* Unpublish the original. It may be gone already: then there is nothing to do. */
static int end_original(struct ask *ask, const char *name)
{
	int error = ask_unpublish(ask, name, false);

	if (error && error != -ENOENT)
		return cli_fail("it was moved, and the original is still there: %s", ask->why);
	return 0;
}

/* Move, print the new handle, end the original. 0, or 1 after the line on stderr. */
static int move_publication(struct ask *ask, struct rm_wire_move *m, bool keep)
{
	const struct rm_wire_reply *reply = (void *)ask->reply;
	/* Starts no rmmapd: without one there is nothing here to be moved. */
	int error = ask_open(ask);

	if (!error)
		error = ask_move(ask, m);
	if (error)
		return cli_no_such(m->name, ask->why);
	/*
	 * Printed and flushed before the original goes: a handle that is lost on its way would
	 * leave a copy that nobody can reach, and no original.
	 */
	printf("%s\n", reply->text);
	if (fflush(stdout))
		return cli_fail("cannot write to standard output: %m; the original is still there");
	return keep ? 0 : end_original(ask, m->name);
}

int cli_move(const struct args *args)
{
	struct rm_wire_move m = { .head.type = RM_MOVE };
	struct rm_options options;
	struct ask ask = { .fd = -1 };
	int status;

	rm_options_read(&options, environ, getauxval(AT_SECURE) != 0, NULL, NULL);
	if (cli_handle(args->operands[0], true, m.name) || peer_find(args->operands[1], &m))
		return 1;
	rm_format(m.fabric, sizeof(m.fabric), "%s", options.fabric ? options.fabric : "");
	/*
	 * Id and secret of the copy are chosen here, so that the request can be repeated, by
	 * rmmapd too, and makes one copy.
	 */
	if (getrandom(m.id, sizeof(m.id), 0) != sizeof(m.id) ||
	    getrandom(m.secret, sizeof(m.secret), 0) != sizeof(m.secret))
		return cli_fail("getrandom: %m");
	status = move_publication(&ask, &m, args->keep);
	ask_close(&ask);
	explicit_bzero(&m, sizeof(m));
	return status;
}
