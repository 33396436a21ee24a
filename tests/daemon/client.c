/* SPDX-License-Identifier: BSD-2-Clause */
/* client.c - see host.h: a client's messages, and what it is answered */
#include "host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "rundir.h"

static uint64_t seq;

void client_send(int fd, void *message, size_t size, unsigned type, uint64_t number,
                 const int *fds, unsigned count)
{
	struct rm_wire head = { RM_WIRE_MAGIC, RM_WIRE_VERSION, (uint16_t)type, number };

	memcpy(message, &head, sizeof(head));
	ck_assert_int_eq(rm_channel_send(fd, message, size, fds, count, rm_now_ns() + PATIENCE), 0);
}

int client_recv(int fd, void *message, int fds[RM_CHANNEL_FDS_MAX], unsigned *count)
{
	struct rm_wire head;
	ssize_t n;

	do {
		n = rm_channel_recv(fd, message, RM_WIRE_MAX, fds, count, rm_now_ns() + PATIENCE);
		if (n == 0)
			return 0;
		ck_assert_msg(n > 0, "receiving: error %zd", n);
		ck_assert_int_eq(rm_wire_check(message, (size_t)n), 0);
		memcpy(&head, message, sizeof(head));
	} while (head.type == RM_PROGRESS);
	return head.type;
}

int client_connect(void)
{
	int fd = rm_rundir_connect(host_directory());

	ck_assert_int_ge(fd, 0);
	return fd;
}

int client_greet(int fd)
{
	struct rm_wire_hello hello = { .pid = (uint32_t)getpid(), .layout = rm_layout_here() };
	union { struct rm_wire_hello_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	client_send(fd, &hello, sizeof(hello), RM_HELLO, 0, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_HELLO_REPLY);
	ck_assert_int_eq(in.reply.error, 0);
	ck_assert_uint_ne(in.reply.pid, 0);
	return fd;
}

int client_new(void)
{
	return client_greet(client_connect());
}

int client_of_new(void)
{
	const char *const none[] = { NULL };

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	return client_new();
}

int client_of_idle(const char *const *options)
{
	int fd = -1;

	while (fd < 0) {
		ck_assert_int_eq(host_start(options), 0);
		fd = rm_rundir_connect(host_directory());
	}
	return client_greet(fd);
}

static int reply_error(int fd, char *text)
{
	union { struct rm_wire_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_REPLY);
	ck_assert_uint_eq(in.reply.head.seq, seq);
	ck_assert_uint_eq(count, 0);
	if (in.reply.error)
		ck_assert_msg(strlen(in.reply.text) > 10, "an error says why");
	if (text)
		strcpy(text, in.reply.text);
	return in.reply.error;
}

/* ---- publish ---- */

void client_ask_publish(int fd, const struct snapshot *snapshot)
{
	struct rm_wire_publish request = { .terms = { snapshot->readers, snapshot->ttl_ms },
	                                   .layer_count = snapshot->layers,
	                                   .known_layers = snapshot->known };
	size_t size;
	int table = snapshot_table(snapshot, &size);

	memset(request.id, snapshot->id & 255, sizeof(request.id));
	memset(request.secret, snapshot->id & 255, sizeof(request.secret));
	memcpy(request.id, &snapshot->id, sizeof(snapshot->id));
	if (snapshot->fabric)
		strcpy(request.fabric, snapshot->fabric);
	request.table_size = size;
	client_send(fd, &request, sizeof(request), RM_PUBLISH, ++seq, &table, 1);
	close(table);
	for (unsigned i = 0; i < snapshot->layers - snapshot->known; i++) {
		struct rm_wire_layers layers = { .first = i, .count = 1 };
		int layer = snapshot_layer(snapshot, i);

		client_send(fd, &layers, sizeof(layers), RM_LAYERS, seq, &layer, 1);
		close(layer);
	}
}

int client_publish(int fd, const struct snapshot *snapshot, char handle[RM_HANDLE_TEXT_MAX])
{
	char text[RM_TEXT_MAX];
	int error;

	client_ask_publish(fd, snapshot);
	error = reply_error(fd, text);
	if (handle)
		strcpy(handle, error ? "" : text);
	return error;
}

/* ---- attach ---- */

static void check_layer(int fd, const struct snapshot *expected, unsigned index)
{
	size_t size = expected->lazy ? RM_PAGE : expected->pages * RM_PAGE;
	unsigned char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_ptr_ne(data, MAP_FAILED);
	for (size_t i = 0; i < size && !expected->lazy; i += RM_PAGE)
		ck_assert_uint_eq(data[i], snapshot_fill(expected, index));
	munmap(data, size);
	close(fd);
}

int client_attach(int fd, const char *handle, const struct snapshot *expected, uint64_t *number)
{
	struct rm_wire_attach request = { .want = expected->lazy ? RM_FETCH_LAZY : RM_FETCH_AUTO,
	                                  .can_lazy = expected->lazy };
	union {
		struct rm_wire_attach_reply reply;
		struct rm_wire_layers layers;
		uint8_t bytes[RM_WIRE_MAX];
	} in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count, have = 0, layers;

	strcpy(request.handle, handle);
	client_send(fd, &request, sizeof(request), RM_ATTACH, ++seq, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_ATTACH_REPLY);
	if (in.reply.error) {
		ck_assert_msg(strlen(in.reply.text) > 10, "an error says why");
		ck_assert_uint_eq(count, 0);
		return in.reply.error;
	}
	ck_assert_uint_eq(count, 1);
	close(fds[0]);
	layers = in.reply.layer_count;
	ck_assert_uint_eq(layers, expected->layers);
	if (number)
		*number = in.reply.attachment;
	while (have < layers) {
		ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_LAYERS);
		ck_assert_uint_eq(in.layers.first, have);
		ck_assert_uint_eq(in.layers.count, count);
		for (unsigned i = 0; i < count; i++)
			check_layer(fds[i], expected, have + i);
		have += count;
	}
	return 0;
}

int client_name(int fd, unsigned type, const char *name)
{
	struct rm_wire_name request = { .name = "" };

	strcpy(request.name, name);
	client_send(fd, &request, sizeof(request), type, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

int client_detach(int fd, uint64_t number)
{
	struct rm_wire_attachment request = { .attachment = number };

	client_send(fd, &request, sizeof(request), RM_DETACH, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

int client_complete(int fd, uint64_t number)
{
	struct rm_wire_attachment request = { .attachment = number };

	client_send(fd, &request, sizeof(request), RM_COMPLETE, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

/* ---- records ---- */

static unsigned records(unsigned type, void *out, size_t size, unsigned max)
{
	union { struct rm_wire head; struct rm_wire_info_reply reply; uint8_t bytes[RM_WIRE_MAX]; } m;
	int fds[RM_CHANNEL_FDS_MAX], fd = client_new();
	unsigned count, n;

	memset(&m, 0, sizeof(m));
	client_send(fd, &m, sizeof(m.head), type, ++seq, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &m, fds, &count), RM_INFO_REPLY);
	ck_assert_int_eq(m.reply.error, 0);
	ck_assert_uint_eq(m.reply.record_size, size);
	ck_assert_uint_eq(count, 1);
	n = m.reply.count < max ? m.reply.count : max;
	ck_assert_int_eq(pread(fds[0], out, n * size, 0), (ssize_t)(n * size));
	close(fds[0]);
	close(fd);
	return m.reply.count;
}

void client_info(struct rm_daemon_info *info)
{
	ck_assert_uint_eq(records(RM_INFO, info, sizeof(*info), 1), 1);
}

unsigned client_list(struct rm_pub_info *infos, unsigned max)
{
	return records(RM_LIST, infos, sizeof(*infos), max);
}

pid_t host_worker(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return (pid_t)info.worker_pid;
}
