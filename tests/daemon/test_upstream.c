/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_upstream - publications that refer to layers of another host's
 *
 * Three run directories are three hosts, over loopback: 0 publishes, 1 attaches that and
 * publishes something with layers of it, 2 attaches that.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "host.h"

static const char *const none[] = { NULL };
static const struct snapshot first = { .layers = 3, .pages = 700, .fill = 5, .id = 1,
                                       .ttl_ms = UINT32_MAX };
static const struct snapshot second = { .layers = 4, .pages = 700, .fill = 5, .id = 2,
                                        .ttl_ms = UINT32_MAX, .known = 3, .known_of = 1 };
static char handle[2][RM_HANDLE_TEXT_MAX];
static int client[3];
static pid_t former;
static uint64_t held;           /* at host 1, when it was ready: huge pages that are not filled */

/* 0 has published, and 1 has that attached with no page here. */
static uint64_t ready(void)
{
	struct snapshot lazy = first;
	struct rm_daemon_info info;
	uint64_t number;

	for (unsigned i = 0; i < 3; i++) {
		host_new();
		setenv("RMMAP_FABRIC", "tcp@127.0.0.1", 1);
		ck_assert_int_eq(host_start(none), 0);
		client[i] = client_new();
	}
	lazy.lazy = true;
	ck_assert_int_eq(client_publish(client[0], &first, handle[0]), 0);
	ck_assert_int_eq(client_attach(client[1], handle[0], &lazy, &number), 0);
	host_use(1);
	client_info(&info);
	held = info.held_bytes;
	return number;
}

static void kill_host(unsigned n)
{
	pid_t keeper, worker;

	host_use(n);
	keeper = host_keeper();
	worker = host_worker();
	kill(keeper, SIGSTOP);
	kill(worker, SIGKILL);
	kill(keeper, SIGKILL);
	host_use(1);
}

static bool replaced(void)
{
	return host_worker() != former;
}

static uint64_t fetched_bytes(void)
{
	struct rm_pub_info infos[4];
	unsigned n = client_list(infos, 4);
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += infos[i].counters.fetched_bytes;
	return sum;
}

/* What is absent comes at the publish; then the origin may go. */
START_TEST(completed_at_publish)
{
	uint64_t number = ready();

	ck_assert_uint_eq(fetched_bytes(), 0);
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), 0);
	ck_assert_uint_eq(fetched_bytes(), 3 * 700 * RM_PAGE);
	ck_assert_int_eq(client_detach(client[1], number), 0);
	kill_host(0);
	ck_assert_int_eq(client_attach(client[1], handle[1], &second, NULL), 0);
	ck_assert_int_eq(client_attach(client[2], handle[1], &second, NULL), 0);
	ck_assert_uint_eq(client_list(NULL, 0), 1);
}
END_TEST

START_TEST(origin_was_unpublished)
{
	ready();
	host_use(0);
	ck_assert_int_eq(client_name(client[0], RM_UNPUBLISH, handle[0]), 0);
	host_use(1);
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), 0);
	ck_assert_int_eq(client_attach(client[2], handle[1], &second, NULL), 0);
}
END_TEST

START_TEST(worker_killed_after)
{
	uint8_t message[RM_WIRE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	ready();
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), 0);
	kill_host(0);
	former = host_worker();
	kill(former, SIGKILL);
	ck_assert(host_eventually(replaced));
	ck_assert_int_eq(client_recv(client[1], message, fds, &count), RM_RESTARTED);
	ck_assert_int_eq(client_attach(client[1], handle[1], &second, NULL), 0);
	ck_assert_int_eq(client_attach(client[2], handle[1], &second, NULL), 0);
}
END_TEST

START_TEST(origin_is_dead)
{
	struct rm_daemon_info info;

	ready();
	kill_host(0);
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), EHOSTUNREACH);
	client_info(&info);
	ck_assert_uint_eq(info.publications, 0);
	ck_assert_uint_eq(info.held_bytes, held);
}
END_TEST

static pid_t pager;
static unsigned pager_fds;

static bool nothing_published(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return !info.publications && info.held_bytes == held && host_fds(pager) <= pager_fds + 2;
}

/* Its process gives up while pages come. */
START_TEST(publisher_gave_up)
{
	pid_t origin;
	int fd;

	ready();
	host_use(0);
	origin = host_worker();
	host_use(1);
	pager = host_worker();
	pager_fds = host_settled_fds(pager);
	fd = client_new();
	kill(origin, SIGSTOP);
	client_ask_publish(fd, &second);
	usleep(300000);
	close(fd);
	ck_assert(host_eventually(nothing_published));
	kill(origin, SIGCONT);
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), 0);
	ck_assert_int_eq(client_attach(client[2], handle[1], &second, NULL), 0);
}
END_TEST

/* Two ways to the same layers: they are the same file here. */
START_TEST(known_here_and_there)
{
	struct snapshot third = second;

	ready();
	ck_assert_int_eq(client_publish(client[1], &second, handle[1]), 0);
	kill_host(0);
	third.id = 3;
	ck_assert_int_eq(client_publish(client[1], &third, handle[1]), 0);
	ck_assert_uint_eq(fetched_bytes(), 3 * 700 * RM_PAGE);
	ck_assert_int_eq(client_attach(client[2], handle[1], &third, NULL), 0);
	third.known_of = 7;
	third.id = 4;
	ck_assert_int_eq(client_publish(client[1], &third, NULL), ESTALE);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ completed_at_publish, 0 }, { origin_was_unpublished, 0 }, { worker_killed_after, 0 },
		{ origin_is_dead, 0 }, { publisher_gave_up, 0 }, { known_here_and_there, 0 },
	};

	return unit_run("upstream", tests, COUNT(tests));
}
