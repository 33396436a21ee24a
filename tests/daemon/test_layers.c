/* SPDX-License-Identifier: BSD-2-Clause */
/* test_layers - publications that share layers, over the socket */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "host.h"

static const char *const none[] = { NULL };
static const struct snapshot first = { .layers = 3, .pages = 4, .fill = 5, .id = 1,
                                       .ttl_ms = UINT32_MAX };
static char handle[RM_HANDLE_TEXT_MAX];
static pid_t former;

/* One layer of its own, and all three of another's. */
static struct snapshot second(uint16_t id, uint16_t known_of)
{
	struct snapshot snapshot = first;

	snapshot.id = id;
	snapshot.layers = 4;
	snapshot.known = 3;
	snapshot.known_of = known_of;
	return snapshot;
}

static uint64_t held_bytes(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return info.held_bytes;
}

static int publish_and_end(int fd, const struct snapshot *snapshot)
{
	int error = client_publish(fd, snapshot, handle);

	return error ? error : client_name(fd, RM_UNPUBLISH, handle);
}

static bool replaced(void)
{
	return host_worker() != former;
}

static void kill_worker(int fd)
{
	uint8_t message[RM_WIRE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	former = host_worker();
	kill(former, SIGKILL);
	ck_assert(host_eventually(replaced));
	ck_assert_int_eq(client_recv(fd, message, fds, &count), RM_RESTARTED);
}

/* ---- known layers ---- */

static pid_t keeper, worker;
static unsigned had[2];           /* descriptors: keeper, worker */

START_TEST(known_layers)
{
	char one[RM_HANDLE_TEXT_MAX], two[RM_HANDLE_TEXT_MAX];
	struct snapshot more = second(2, 1), all = second(3, 1);
	struct rm_pub_info infos[3];
	int fd = client_of_new();
	uint64_t bytes;

	all.layers = 3;                         /* no descriptor but the table's */
	ck_assert_int_eq(client_publish(fd, &first, one), 0);
	bytes = held_bytes();
	ck_assert_int_eq(client_publish(fd, &more, two), 0);
	ck_assert_uint_lt(held_bytes(), bytes + 5 * RM_PAGE);
	ck_assert_int_eq(client_publish(fd, &all, handle), 0);
	ck_assert_int_eq(client_attach(fd, two, &more, NULL), 0);
	ck_assert_uint_eq(client_list(infos, 3), 3);
	ck_assert_uint_eq(infos[1].layers, 4);
	ck_assert_uint_eq(infos[1].data_bytes, 16 * RM_PAGE);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, one), 0);
	ck_assert_int_eq(client_attach(fd, two, &more, NULL), 0);
	ck_assert_int_eq(client_attach(fd, handle, &all, NULL), 0);
}
END_TEST

START_TEST(more_known_than_layers)
{
	struct rm_wire_publish request = { .layer_count = 1, .known_layers = 2, .table_size = 64 };
	union { struct rm_wire_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX], fd = client_of_new(), table = dup(0);
	unsigned count;

	client_send(fd, &request, sizeof(request), RM_PUBLISH, 1, &table, 1);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_REPLY);
	ck_assert_int_eq(in.reply.error, EINVAL);
}
END_TEST

/* What a process published last can be referred to, also when it is gone as a publication. */
START_TEST(held_for_the_next_publish)
{
	struct snapshot next = second(2, 1), after = second(3, 1), fresh = first;
	int fd = client_of_new();

	ck_assert_int_eq(publish_and_end(fd, &first), 0);
	ck_assert_uint_eq(client_list(NULL, 0), 0);
	ck_assert_uint_eq(held_bytes(), 12 * RM_PAGE);
	ck_assert_int_eq(publish_and_end(fd, &next), 0);
	ck_assert_uint_eq(held_bytes(), 16 * RM_PAGE);
	ck_assert_int_eq(publish_and_end(fd, &after), 0);
	ck_assert_uint_eq(held_bytes(), 16 * RM_PAGE);
	fresh.id = 4;
	ck_assert_int_eq(publish_and_end(fd, &fresh), 0);
	ck_assert_uint_eq(held_bytes(), 12 * RM_PAGE);
	next = second(5, 1);
	ck_assert_int_eq(client_publish(fd, &next, NULL), ESTALE);
	ck_assert_uint_eq(client_list(NULL, 0), 0);
	next.known = 0;
	ck_assert_int_eq(client_publish(fd, &next, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &next, NULL), 0);
}
END_TEST

static bool nothing_held(void)
{
	return held_bytes() == 0;
}

START_TEST(held_until_the_process_ends)
{
	struct snapshot next = second(2, 1);
	pid_t pid;
	int fd = client_of_new();

	pid = fork();
	if (!pid) {
		int error = publish_and_end(client_new(), &first);

		_exit(error || held_bytes() != 12 * RM_PAGE);
	}
	ck_assert_int_eq(host_wait(pid), 0);
	ck_assert(host_eventually(nothing_held));
	ck_assert_int_eq(client_publish(fd, &next, NULL), ESTALE);
}
END_TEST

START_TEST(limit_counts_layers_once)
{
	struct snapshot next = second(2, 1), other = second(4, 1);
	int fd;

	setenv("RMMAP_LIMIT", "72K", 1);        /* 18 pages with tables */
	fd = client_of_new();
	ck_assert_int_eq(client_publish(fd, &first, NULL), 0);
	ck_assert_int_eq(client_publish(fd, &next, NULL), 0);
	other.layers += 2;
	ck_assert_int_eq(client_publish(fd, &other, NULL), ENOSPC);
	other.layers = 3;
	ck_assert_int_eq(client_publish(fd, &other, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &other, NULL), 0);
	ck_assert_uint_eq(client_list(NULL, 0), 3);
}
END_TEST

/* ---- deaths ---- */

START_TEST(worker_killed)
{
	struct snapshot next = second(2, 1), more = second(3, 1);
	char two[RM_HANDLE_TEXT_MAX];
	int fd = client_of_new();

	ck_assert_int_eq(client_publish(fd, &first, handle), 0);
	kill_worker(fd);
	ck_assert_int_eq(client_publish(fd, &next, two), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	kill_worker(fd);
	ck_assert_int_eq(client_attach(fd, two, &next, NULL), 0);
	ck_assert_int_eq(client_publish(fd, &more, handle), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	next.known = 0;
	ck_assert_int_eq(client_publish(fd, &next, handle), 0);         /* asked again */
	ck_assert_str_eq(handle, two);
}
END_TEST

START_TEST(worker_killed_with_nothing_but_holds)
{
	struct snapshot next = second(2, 1);
	int fd = client_of_new();

	ck_assert_int_eq(publish_and_end(fd, &first), 0);
	kill_worker(fd);
	ck_assert_uint_eq(held_bytes(), 0);
	ck_assert_int_eq(client_publish(fd, &next, NULL), ESTALE);
}
END_TEST

static bool nobody_listens(void)
{
	return !host_listens();
}

START_TEST(both_killed)
{
	struct snapshot next = second(2, 1);
	int fd = client_of_new();

	ck_assert_int_eq(client_publish(fd, &first, NULL), 0);
	keeper = host_keeper();
	worker = host_worker();
	kill(keeper, SIGSTOP);
	kill(worker, SIGKILL);
	kill(keeper, SIGKILL);
	ck_assert(host_eventually(nobody_listens));
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	ck_assert_int_eq(client_publish(fd, &next, NULL), ESTALE);
	next.known = 0;
	ck_assert_int_eq(client_publish(fd, &next, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &next, NULL), 0);
}
END_TEST

/* ---- processes that end anywhere ---- */

static bool nothing_left(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return !info.publications && !info.attachments && !info.held_bytes && info.clients == 1;
}

/* Of check's results file, which children share: a write that SIGKILL cuts short would spoil it. */
static void leave_check(void)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (int fd = 3; fd < 64; fd++) {
		char path[32], name[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, name, sizeof(name) - 1) > 0 && strstr(name, "/check_"))
			dup2(nowhere, fd);
	}
}

/* Publish and attach until killed; what is published lives for 20 ms without readers. */
static void busy_process(uint16_t id)
{
	struct snapshot own = first, more = second(0, id);
	int fd;

	leave_check();
	fd = client_new();

	own.id = id;
	own.ttl_ms = more.ttl_ms = 20;
	ck_assert_int_eq(client_publish(fd, &own, handle), 0);
	for (uint16_t i = 0;; i++) {
		more.id = (uint16_t)(1000 + id * 1000 + i % 1000);
		client_publish(fd, &more, handle);
		client_attach(fd, handle, &more, NULL);
		if (i % 3 == 0)
			client_name(fd, RM_UNPUBLISH, handle);
	}
}

/* The keeper hears of the end of things a little later than the worker tells it. */
static bool descriptors_as_before(void)
{
	return host_fds(keeper) <= had[0] + 4 && host_fds(worker) <= had[1] + 4;
}

START_TEST(crashes)
{
	pid_t pids[8];

	close(client_of_new());
	ck_assert(host_eventually(nothing_left));
	keeper = host_keeper();
	worker = host_worker();
	had[0] = host_settled_fds(keeper);
	had[1] = host_settled_fds(worker);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT(pids); i++) {
			pids[i] = fork();
			if (!pids[i])
				busy_process((uint16_t)(1 + i));
		}
		usleep(150000);
		for (unsigned i = 0; i < COUNT(pids); i++) {
			kill(pids[i], SIGKILL);
			usleep(3000 * i);
		}
		for (unsigned i = 0; i < COUNT(pids); i++)
			ck_assert_int_eq(host_wait(pids[i]), 128 + SIGKILL);
		ck_assert(host_eventually(nothing_left));
	}
	ck_assert(host_eventually(descriptors_as_before));
}
END_TEST

/* ---- many ---- */

#define MANY 1000

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_FREED true        /* memory that is freed stays resident for a while */
#else
#define KEEPS_FREED false
#endif

/* A layer is one descriptor in the keeper and one in the worker, however many have it. */
static void publish_many(void)
{
	struct snapshot all = first;
	int fd = client_new();

	all.layers = 20;
	all.id = MANY + 1;
	ck_assert_int_eq(client_publish(fd, &all, NULL), 0);
	all.known = 20;
	all.known_of = all.id;
	for (unsigned i = 2; i <= MANY; i++) {
		all.id = (uint16_t)i;
		ck_assert_int_eq(client_publish(fd, &all, handle), 0);
	}
}

START_TEST(many_share_layers)
{
	static struct rm_pub_info infos[MANY];
	pid_t pid;
	int fd = client_of_new();
	long rss;

	ck_assert_int_eq(publish_and_end(fd, &first), 0);
	close(fd);
	keeper = host_keeper();
	worker = host_worker();
	had[0] = host_settled_fds(keeper);
	had[1] = host_settled_fds(worker);
	rss = host_rss(worker) + host_rss(keeper);
	pid = fork();
	if (!pid) {
		publish_many();
		if (host_fds(keeper) > had[0] + MANY + 30 || host_fds(worker) > had[1] + MANY + 30)
			_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(host_wait(pid), 0);
	ck_assert_uint_eq(client_list(infos, MANY), MANY);
	fd = client_new();
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, infos[i].id), 0);
	}
	ck_assert_uint_eq(client_list(NULL, 0), 0);
	ck_assert_uint_le(held_bytes(), 12 * RM_PAGE);
	ck_assert(host_eventually(descriptors_as_before));
	if (!KEEPS_FREED)
		ck_assert_int_le(host_rss(worker) + host_rss(keeper), rss + 8192);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ known_layers, 0 }, { more_known_than_layers, 0 }, { held_for_the_next_publish, 0 },
		{ held_until_the_process_ends, 0 }, { limit_counts_layers_once, 0 },
		{ worker_killed, 0 }, { worker_killed_with_nothing_but_holds, 0 }, { both_killed, 0 },
		{ crashes, 0 }, { many_share_layers, 0 },
	};

	return unit_run("layers", tests, COUNT(tests));
}
