/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask.c - sends requests to this host's rmmapd and receives the replies; starts nothing
 *
 * The library has a connection of its own. This one is for what the public interface does not
 * offer: lists, facts, eager attaches without a mapping.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../common/channel.h"
#include "../common/options.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "cli.h"

#define SILENCE_NS (10 * UINT64_C(1000000000))  /* rmmapd sends RM_PROGRESS each second */
#define RECORDS_MAX (1u << 20)                  /* a larger number in a reply is damage */

/* Set why to "WHAT: the words of the error". Returns the error. */
static int ask_failed(struct ask *ask, int error, const char *what)
{
	rm_format(ask->why, sizeof(ask->why), "%s: %s", what, rm_errno_text(-error));
	return error;
}

/* Take over rmmapd's error, a positive errno or 0, and its reason if it gave one. */
static int ask_refused(struct ask *ask, int error, const char *text)
{
	if (error)
		rm_format(ask->why, sizeof(ask->why), "%s", *text ? text : rm_errno_text(error));
	return -error;
}

/* Send a request, and its layers in as many RM_LAYERS as it takes. */
static int ask_send(struct ask *ask, const struct ask_request *request, uint64_t deadline)
{
	struct rm_wire_layers m = { .head = *(const struct rm_wire *)request->message };
	int error = rm_channel_send(ask->fd, request->message, request->size, request->fds,
	                            request->fd_count, deadline);

	/*
	 * The head is the request's: by its number rmmapd knows to which publish layers belong.
	 */
	m.head.type = RM_LAYERS;
	while (!error && m.first < request->layer_count) {
		m.count = request->layer_count - m.first;
		if (m.count > RM_CHANNEL_FDS_MAX)
			m.count = RM_CHANNEL_FDS_MAX;
		error = rm_channel_send(ask->fd, &m, sizeof(m), request->layers + m.first, m.count,
		                        deadline);
		m.first += m.count;
	}
	return error;
}

/*
 * Receive one message into ask->reply and check it. *fd is its first descriptor or -1; others are
 * closed. 0, or -errno with why.
 */
static int ask_receive(struct ask *ask, uint64_t deadline, int *fd)
{
	int fds[RM_CHANNEL_FDS_MAX], error;
	unsigned count;
	ssize_t got = rm_channel_recv(ask->fd, ask->reply, sizeof(ask->reply), fds, &count, deadline);

	*fd = -1;
	if (got < 0)
		return ask_failed(ask, (int)got, "rmmapd does not answer");
	if (got == 0)
		return ask_failed(ask, -ECONNRESET, "rmmapd ended while it was asked; try again");
	/* No reply to this program has a second one, but another version's may. */
	for (unsigned i = 1; i < count; i++)
		close(fds[i]);
	if (count)
		*fd = fds[0];
	error = rm_wire_check(ask->reply, (size_t)got);
	if (!error)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return ask_failed(ask, error, error == -EPROTO ? "the rmmapd that runs here is of another "
	                  "version; end it" : "cannot talk to rmmapd");
}

int ask_exchange(struct ask *ask, struct ask_request *request, int type, int *fd)
{
	struct rm_wire *head = request->message, *reply = (struct rm_wire *)ask->reply;
	uint64_t deadline = rm_now_ns() + SILENCE_NS;
	int error;

	head->magic = RM_WIRE_MAGIC;
	head->version = RM_WIRE_VERSION;
	head->seq = ++ask->seq;
	*fd = -1;
	error = ask_send(ask, request, deadline);
	while (!error) {
		error = ask_receive(ask, deadline, fd);
		if (error)
			return error;
		/*
		 * Anything else is RM_PROGRESS, RM_RESTARTED, or the answer to a request that was
		 * given up or sent twice. Each shows that rmmapd is alive.
		 */
		if (reply->type == type && reply->seq == head->seq)
			return 0;
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		deadline = rm_now_ns() + SILENCE_NS;
		if (reply->type == RM_RESTARTED)
			/*
			 * Under the same number: the new worker may find that the old one has
			 * carried it out.
			 */
			error = ask_send(ask, request, deadline);
	}
	return ask_failed(ask, error, "cannot talk to rmmapd");
}

/* ask_exchange() for a message without descriptors. */
static int ask_exchange_plain(struct ask *ask, void *message, size_t size, int type, int *fd)
{
	struct ask_request request = { .message = message, .size = size };

	return ask_exchange(ask, &request, type, fd);
}

/* Say hello: rmmapd refuses a client with another layout of addresses. */
static int ask_greet(struct ask *ask)
{
	struct rm_wire_hello hello = { .head.type = RM_HELLO, .pid = (uint32_t)getpid(),
	                               .layout = rm_layout_here() };
	const struct rm_wire_hello_reply *reply = (void *)ask->reply;
	int fd, error = ask_exchange_plain(ask, &hello, sizeof(hello), RM_HELLO_REPLY, &fd);

	if (error)
		return error;
	if (fd >= 0)
		close(fd);
	return ask_refused(ask, reply->error, reply->text);
}

int ask_open(struct ask *ask)
{
	char path[RM_RUNDIR_MAX];
	struct rm_options options;
	int error;

	memset(ask, 0, sizeof(*ask));
	ask->fd = -1;
	rm_options_read(&options, environ, getauxval(AT_SECURE) != 0, NULL, NULL);
	error = rm_rundir_find(&options, false, path, ask->why, sizeof(ask->why));
	if (!error)
		ask->fd = rm_rundir_connect(path);
	/* ECONNREFUSED: a socket that an rmmapd which was killed has left. */
	if (error == -ENOENT || ask->fd == -ECONNREFUSED || ask->fd == -ENOENT) {
		rm_format(ask->why, sizeof(ask->why), "no rmmapd runs here: there is no publication "
		          "and no attachment (another host has another RMMAP_RUNDIR)");
		return -ENOENT;
	}
	if (error)
		return error;
	if (ask->fd < 0) {
		error = ask->fd;
		ask->fd = -1;
		return ask_failed(ask, error, "cannot connect to rmmapd");
	}
	error = ask_greet(ask);
	if (error)
		ask_close(ask);
	return error;
}

void ask_close(struct ask *ask)
{
	if (ask->fd >= 0)
		close(ask->fd);
	ask->fd = -1;
}

/* Read the memory file of records. The buffer is never of size 0, which malloc may refuse. */
static int read_records(struct ask *ask, int fd, size_t size, void **records)
{
	char *data = malloc(size + 1);
	size_t done = 0;

	if (!data)
		return ask_failed(ask, -ENOMEM, "cannot take rmmapd's answer");
	while (done < size) {
		/*
		 * From offset 0: rmmapd's duplicate has moved the position that both share to the
		 * end.
		 */
		ssize_t got = pread(fd, data + done, size - done, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(data);
			return ask_failed(ask, got ? -errno : -EPROTO,
			                  "rmmapd's answer is cut short");
		}
		done += (size_t)got;
	}
	*records = data;
	return 0;
}

int ask_records(struct ask *ask, int type, const char *name, size_t record_size, void **records)
{
	struct rm_wire_name request = { .head.type = (uint16_t)type };
	/* rm_wire_check() knows one size for each type, and refuses any other. */
	size_t size = name ? sizeof(request) : sizeof(request.head);
	const struct rm_wire_info_reply *reply = (void *)ask->reply;
	int fd, error;

	*records = NULL;
	rm_format(request.name, sizeof(request.name), "%s", name ? name : "");
	error = ask_exchange_plain(ask, &request, size, RM_INFO_REPLY, &fd);
	/* The name may be a handle. */
	explicit_bzero(&request, sizeof(request));
	if (error)
		return error;
	if (reply->error) {
		error = ask_refused(ask, reply->error, reply->text);
	} else if (reply->count > RECORDS_MAX ||
	           (reply->count && (fd < 0 || reply->record_size != record_size))) {
		error = ask_failed(ask, -EPROTO, "rmmapd's answer is of another version");
	} else {
		error = read_records(ask, fd, reply->count * record_size, records);
	}
	if (fd >= 0)
		close(fd);
	return error ? error : (int)reply->count;
}

int ask_unpublish(struct ask *ask, const char *name, bool revoke)
{
	struct rm_wire_name request = { .head.type = RM_UNPUBLISH, .revoke = revoke };
	const struct rm_wire_reply *reply = (void *)ask->reply;
	int fd, error;

	rm_format(request.name, sizeof(request.name), "%s", name);
	error = ask_exchange_plain(ask, &request, sizeof(request), RM_REPLY, &fd);
	explicit_bzero(&request, sizeof(request));
	if (error)
		return error;
	if (fd >= 0)
		close(fd);
	return ask_refused(ask, reply->error, reply->text);
}

/* Receive the RM_LAYERS that follow the reply to RM_ATTACH. */
static int ask_receive_layers(struct ask *ask, uint32_t count,
                              int (*take)(void *arg, uint32_t layer, int fd), void *arg)
{
	const struct rm_wire_layers *message = (void *)ask->reply;
	int fds[RM_CHANNEL_FDS_MAX], error = 0;
	unsigned came;

	for (uint32_t got = 0; got < count && !error; got += came) {
		ssize_t size = rm_channel_recv(ask->fd, ask->reply, sizeof(ask->reply), fds, &came,
		                               rm_now_ns() + SILENCE_NS);

		if (size <= 0)
			return ask_failed(ask, size ? (int)size : -ECONNRESET,
			                  "rmmapd does not send all of the publication");
		error = rm_wire_check(ask->reply, (size_t)size);
		if (!error && (message->head.type != RM_LAYERS || message->first != got ||
		               message->count != came || !came || came > count - got))
			error = ask_failed(ask, -EPROTO, "cannot talk to rmmapd");
		/* Each is closed or given away, also after an error in the midst of them. */
		for (unsigned i = 0; i < came; i++) {
			if (error)
				close(fds[i]);
			else
				error = take(arg, got + i, fds[i]);
		}
	}
	return error;
}

int ask_attach(struct ask *ask, const char *handle, struct rm_wire_attach_reply *answer,
               int *table, int (*take)(void *arg, uint32_t layer, int fd), void *arg)
{
	struct rm_wire_attach request = { .head.type = RM_ATTACH, .want = RM_FETCH_EAGER };
	struct rm_options options;
	int error;

	rm_options_read(&options, environ, getauxval(AT_SECURE) != 0, NULL, NULL);
	rm_format(request.fabric, sizeof(request.fabric), "%s", options.fabric ? options.fabric : "");
	rm_format(request.handle, sizeof(request.handle), "%s", handle);
	error = ask_exchange_plain(ask, &request, sizeof(request), RM_ATTACH_REPLY, table);
	explicit_bzero(&request, sizeof(request));
	if (error)
		return error;
	/* The messages with the layers overwrite the reply. */
	memcpy(answer, ask->reply, sizeof(*answer));
	error = ask_refused(ask, answer->error, answer->text);
	if (!error)
		error = ask_receive_layers(ask, answer->layer_count, take, arg);
	if (error && *table >= 0) {
		close(*table);
		*table = -1;
	}
	return error;
}

int ask_detach(struct ask *ask, uint64_t attachment)
{
	/* If this fails, the attachment ends with the process. */
	struct rm_wire_attachment request = { .head.type = RM_DETACH, .attachment = attachment };
	int fd, error = ask_exchange_plain(ask, &request, sizeof(request), RM_REPLY, &fd);

	if (fd >= 0)
		close(fd);
	return error;
}
