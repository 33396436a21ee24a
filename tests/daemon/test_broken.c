/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_broken - clients and callers that are broken, of another build, or too many
 *
 * The others notice nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "host.h"
#include "options.h"

static const struct snapshot small = { .layers = 2, .pages = 3, .fill = 7, .id = 1,
                                       .ttl_ms = UINT32_MAX };
static char handle[RM_HANDLE_TEXT_MAX];

/* ---- of another build ---- */

static void refuse_layout(const struct rm_layout *layout, const char *words)
{
	struct rm_wire_hello hello = { .pid = (uint32_t)getpid(), .layout = *layout };
	union { struct rm_wire_hello_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX], fd = client_connect();
	unsigned count;

	client_send(fd, &hello, sizeof(hello), RM_HELLO, 0, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_HELLO_REPLY);
	ck_assert_int_eq(in.reply.error, EPROTO);
	ck_assert_msg(strstr(in.reply.text, words) != NULL, "%s", in.reply.text);
	ck_assert_ptr_nonnull(strstr(in.reply.text, "RMMAP_RUNDIR"));
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), 0);
	close(fd);
}

START_TEST(other_windows_are_refused)
{
	struct rm_layout layout = rm_layout_here();
	char words[80];
	int fd = client_of_new();

	snprintf(words, sizeof(words), "0x550000000000:8, this rmmapd's is 0x%llx:%u",
	         (unsigned long long)layout.window_base, layout.window_slots);
	layout.window_base = UINT64_C(0x550000000000);
	layout.window_slots = 8;
	refuse_layout(&layout, words);
	layout = rm_layout_here();
	layout.page_shift = 16;
	refuse_layout(&layout, "pages have 65536 bytes, this rmmapd's have 4096");
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);        /* others notice nothing */
}
END_TEST

/* ---- clients that are broken ---- */

static bool ended(int fd)
{
	uint8_t message[RM_WIRE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	return client_recv(fd, message, fds, &count) == 0;
}

START_TEST(nonsense)
{
	struct rm_wire_layers layers = { .first = 5, .count = 9 };
	struct rm_wire_publish publish = { .layer_count = UINT32_MAX, .table_size = UINT64_MAX };
	char junk[RM_WIRE_MAX];
	int fd = client_of_new(), bad, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	memset(junk, 0x5a, sizeof(junk));
	for (size_t size = 1; size <= sizeof(junk); size = size * 3 + 1) {
		bad = client_new();
		rm_channel_send(bad, junk, size, &null, 1, rm_now_ns() + NS);
		ck_assert(ended(bad));
		close(bad);
	}
	bad = client_new();
	client_send(bad, &layers, sizeof(layers), RM_LAYERS, 1, NULL, 0);
	client_send(bad, &publish, sizeof(publish), RM_PUBLISH, 2, &null, 1);
	client_send(bad, &publish, sizeof(publish), RM_PUBLISH, 3, NULL, 0);
	publish.layer_count = 3;
	client_send(bad, &publish, sizeof(publish), RM_PUBLISH, 4, &null, 1);
	client_send(bad, &layers, sizeof(layers), RM_LAYERS, 4, &null, 1);
	close(bad);
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), 0);
}
END_TEST

START_TEST(other_version)
{
	struct rm_wire_hello hello = { .head = { RM_WIRE_MAGIC, RM_WIRE_VERSION + 1, RM_HELLO, 9 } };
	uint8_t message[RM_WIRE_MAX];
	struct rm_wire_hello_reply *reply = (struct rm_wire_hello_reply *)(void *)message;
	int fds[RM_CHANNEL_FDS_MAX], fd = client_of_new();
	unsigned count;

	ck_assert_int_eq(rm_channel_send(fd, &hello, sizeof(hello), NULL, 0, rm_now_ns() + NS), 0);
	ck_assert_int_eq(client_recv(fd, message, fds, &count), RM_HELLO_REPLY);
	ck_assert_int_eq(reply->error, EPROTO);
	ck_assert_int_eq(client_recv(fd, message, fds, &count), 0);
}
END_TEST

/* It asks and asks and reads nothing: others are served, and it loses its connection. */
START_TEST(a_client_that_does_not_read)
{
	struct rm_wire_attach attach = { .want = RM_FETCH_AUTO };
	struct snapshot many = small;
	int fd = client_of_new(), deaf = client_new(), sent = 0;

	many.layers = 200;
	ck_assert_int_eq(client_publish(fd, &many, handle), 0);
	strcpy(attach.handle, handle);
	attach.head = (struct rm_wire){ RM_WIRE_MAGIC, RM_WIRE_VERSION, RM_ATTACH, 0 };
	for (; sent < 2000; sent++) {
		attach.head.seq++;
		if (rm_channel_send(deaf, &attach, sizeof(attach), NULL, 0,
		                    rm_now_ns() + NS / 5) < 0)
			break;
	}
	ck_assert_int_lt(sent, 2000);
	ck_assert_int_eq(client_attach(fd, handle, &many, NULL), 0);
}
END_TEST

static bool undone(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return info.attachments == 0 && info.publications == 1;
}

/* It waited for its answer until it gave up, and lives on: what it asked for is undone. */
START_TEST(a_client_that_gave_up)
{
	struct rm_wire_attach attach = { .want = RM_FETCH_AUTO };
	struct snapshot second = small;
	int fd = client_of_new(), other = client_connect(), third = client_connect();
	pid_t worker = host_worker();

	second.id = 2;
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	strcpy(attach.handle, handle);
	kill(worker, SIGSTOP);
	client_send(other, &attach, sizeof(attach), RM_ATTACH, 1, NULL, 0);
	close(other);
	client_ask_publish(third, &second);
	close(third);
	kill(worker, SIGCONT);
	/* answered, but the answer was not read */
	other = client_connect();
	client_send(other, &attach, sizeof(attach), RM_ATTACH, 1, NULL, 0);
	usleep(100000);
	close(other);
	ck_assert(host_eventually(undone));
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), 0);
}
END_TEST

/* ---- no descriptors are left ---- */

/* From now on the worker can open nothing; or what it wants again. */
static void no_more_fds(pid_t worker, bool end)
{
	struct rlimit files;
	char path[64];

	ck_assert_int_eq(prlimit(worker, RLIMIT_NOFILE, NULL, &files), 0);
	files.rlim_cur = 0;
	do {
		snprintf(path, sizeof(path), "/proc/%d/fd/%llu", (int)worker,
		         (unsigned long long)++files.rlim_cur);
	} while (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW));
	if (!end)
		files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(prlimit(worker, RLIMIT_NOFILE, &files, NULL), 0);
}

/* The error that a request with these descriptors gets; EMFILE names the remedy. */
static int answer_to(int fd, void *message, size_t size, unsigned type, const int *fds,
                     unsigned count)
{
	union { struct rm_wire head; struct rm_wire_reply reply; struct rm_wire_hello_reply hello;
	        uint8_t bytes[RM_WIRE_MAX]; } in;
	int got[RM_CHANNEL_FDS_MAX], error;
	uint64_t start = rm_now_ns();
	const char *text;
	unsigned n;

	client_send(fd, message, size, type, 77, fds, count);
	ck_assert_int_eq(client_recv(fd, &in, got, &n),
	                 type == RM_HELLO ? RM_HELLO_REPLY : RM_REPLY);
	ck_assert_uint_eq(in.head.seq, 77);
	ck_assert_uint_lt(rm_now_ns() - start, 9 * NS);
	error = type == RM_HELLO ? in.hello.error : in.reply.error;
	text = type == RM_HELLO ? in.hello.text : in.reply.text;
	ck_assert(error != EMFILE || strstr(text, "LimitNOFILE"));
	return error;
}

/*
 * Each request is answered: those of who is connected, and those of who comes now, more of them
 * than there are spare descriptors. When there are some again, all is as before.
 */
START_TEST(no_descriptors)
{
	struct rm_wire_attachment lazy = { .attachment = 1 };
	struct rm_wire_publish publish = { .layer_count = 1, .table_size = 4096 };
	struct rm_wire_hello hello = { .pid = (uint32_t)getpid() };
	int fd = client_of_new(), several[4], others[12];
	pid_t worker = host_worker();
	unsigned i, before, refused = 0;

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	before = host_settled_fds(worker);
	for (i = 0; i < COUNT(several); i++)
		several[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	no_more_fds(worker, true);
	for (i = 0; i < COUNT(others); i++)
		others[i] = client_connect();
	for (i = 0; i < COUNT(others); i++)
		refused += answer_to(others[i], &hello, sizeof(hello), RM_HELLO, NULL, 0) == EMFILE;
	ck_assert_uint_eq(refused, COUNT(others));
	ck_assert_int_eq(answer_to(fd, &lazy, sizeof(lazy), RM_LAZY, several, 4), EMFILE);
	ck_assert_int_eq(answer_to(fd, &publish, sizeof(publish), RM_PUBLISH, several, 2), EMFILE);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), 0);
	for (i = 0; i < COUNT(others); i++)
		close(others[i]);
	no_more_fds(worker, false);
	ck_assert_int_eq(client_attach(client_new(), handle, &small, NULL), 0);
	ck_assert_uint_le(host_settled_fds(worker), before + 1);
}
END_TEST

/* ---- the port that other hosts use ---- */

static pid_t port_worker;
static unsigned port_fds;

static bool port_is_quiet(void)
{
	return host_fds(port_worker) <= port_fds;
}

/* A port scan, or somebody else's protocol: no socket stays, and the worker does not spin. */
START_TEST(callers_that_hang_up)
{
	struct snapshot reachable = small;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct rm_daemon_info info;
	int fd = client_of_new();

	reachable.fabric = "tcp@127.0.0.1";
	ck_assert_int_eq(client_publish(fd, &reachable, handle), 0);
	client_info(&info);
	ck_assert_msg(info.fabric_open && strchr(info.address, ':'), "%s", info.fabric_why);
	to.sin_port = htons((uint16_t)atoi(strrchr(info.address, ':') + 1));
	port_worker = (pid_t)info.worker_pid;
	port_fds = host_settled_fds(port_worker);
	for (size_t said = 0; said < 40; said++) {
		int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		static const char junk[40];

		ck_assert_int_eq(connect(caller, (struct sockaddr *)&to, sizeof(to)), 0);
		ck_assert_int_ge(send(caller, junk, said, MSG_NOSIGNAL), 0);
		close(caller);
	}
	ck_assert(host_eventually(port_is_quiet));
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ other_windows_are_refused, 0 }, { nonsense, 0 }, { other_version, 0 },
		{ a_client_that_does_not_read, 0 }, { a_client_that_gave_up, 0 },
		{ no_descriptors, 0 }, { callers_that_hang_up, 0 },
	};

	return unit_run("broken", tests, COUNT(tests));
}
