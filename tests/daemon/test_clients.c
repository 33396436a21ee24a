/* SPDX-License-Identifier: BSD-2-Clause */
/* test_clients - publications between processes: leases, readers, unpublish, refusals */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "handle.h"
#include "host.h"

static const struct snapshot small = { .layers = 2, .pages = 3, .fill = 7, .id = 1,
                                       .ttl_ms = UINT32_MAX };
static char handle[RM_HANDLE_TEXT_MAX];

/* ---- leases and readers ---- */

START_TEST(readers_are_counted)
{
	struct snapshot two = small;
	int fd = client_of_new();

	two.readers = 2;
	ck_assert_int_eq(client_publish(fd, &two, handle), 0);
	/* this process attaches twice and counts once */
	ck_assert_int_eq(client_attach(fd, handle, &two, NULL), 0);
	ck_assert_int_eq(client_attach(fd, handle, &two, NULL), 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(client_attach(client_new(), handle, &two, NULL));
		ck_assert_int_eq(host_wait(pid), i ? ENOENT : 0);
	}
}
END_TEST

static bool nothing_is_published(void)
{
	return client_list(NULL, 0) == 0;
}

START_TEST(lease_ends)
{
	struct snapshot brief = small;
	uint64_t number;
	int fd = client_of_new();

	brief.ttl_ms = 3000;
	ck_assert_int_eq(client_publish(fd, &brief, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &brief, &number), 0);
	usleep(3500000);                /* not counted while it is attached */
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_int_eq(client_attach(fd, handle, &brief, &number), 0);
	ck_assert_int_eq(client_detach(fd, number), 0);
	usleep(3500000);
	ck_assert_int_eq(client_attach(fd, handle, &brief, NULL), ENOENT);
	ck_assert(host_eventually(nothing_is_published));
}
END_TEST

/* Who is told that all is there unregisters it: nothing is said of what is not known. */
START_TEST(complete_is_what_is_known)
{
	int fd = client_of_new();
	uint64_t number;

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, &number), 0);
	ck_assert_int_eq(client_complete(fd, number), 0);
	ck_assert_int_eq(client_complete(fd, 0), 0);
	ck_assert_int_eq(client_complete(fd, number + 1000), ENOENT);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_int_eq(client_complete(fd, number), ENOENT);
}
END_TEST

static bool nobody_has_it(void)
{
	struct rm_pub_info info;

	ck_assert_uint_eq(client_list(&info, 1), 1);
	return info.attached == 0;
}

START_TEST(a_crash_is_a_detach)
{
	struct rm_pub_info info;
	int fd = client_of_new();
	pid_t pid;

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	pid = fork();
	if (!pid) {
		ck_assert_int_eq(client_attach(client_new(), handle, &small, NULL), 0);
		ck_assert_uint_eq(client_list(&info, 1), 1);
		ck_assert_uint_eq(info.attached, 1);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(host_wait(pid), 128 + SIGKILL);
	ck_assert(host_eventually(nobody_has_it));
}
END_TEST

/* It may have closed all descriptors while its mappings live. */
START_TEST(a_closed_socket_is_no_detach)
{
	struct rm_pub_info info;
	int fd = client_of_new();

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), 0);
	close(fd);
	usleep(100000);
	ck_assert_uint_eq(client_list(&info, 1), 1);
	ck_assert_uint_eq(info.attached, 1);
}
END_TEST

/* ---- unpublish ---- */

START_TEST(unpublish)
{
	char wrong[RM_HANDLE_TEXT_MAX];
	struct rm_handle h;
	struct rm_pub_info info;
	int fd = client_of_new();

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(rm_handle_decode(handle, &h), 0);
	h.secret[0] ^= 1;
	ck_assert_int_eq(rm_handle_encode(&h, wrong, sizeof(wrong)), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, wrong), EACCES);
	ck_assert_int_eq(client_attach(fd, wrong, &small, NULL), EACCES);
	h.id[0] ^= 1;
	ck_assert_int_eq(rm_handle_encode(&h, wrong, sizeof(wrong)), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, wrong), ENOENT);
	ck_assert_int_eq(client_attach(fd, wrong, &small, NULL), ENOENT);
	h.host[0] ^= 1;
	ck_assert_int_eq(rm_handle_encode(&h, wrong, sizeof(wrong)), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, wrong), EACCES);
	ck_assert_int_eq(client_attach(fd, wrong, &small, NULL), EHOSTUNREACH);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, "rmmap1:AAAA"), EINVAL);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, "00000000"), ENOENT);
	ck_assert_uint_eq(client_list(&info, 1), 1);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, info.id), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), ENOENT);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), ENOENT);
}
END_TEST

START_TEST(unpublished_stays_for_who_has_it)
{
	uint64_t number;
	int fd = client_of_new();

	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, &number), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), ENOENT);
	ck_assert_uint_eq(client_list(NULL, 0), 1);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_uint_eq(client_list(NULL, 0), 0);
	ck_assert_int_eq(client_detach(fd, number), 0);
}
END_TEST

/* ---- refusals ---- */

START_TEST(limit)
{
	struct snapshot other = small;
	int fd;

	setenv("RMMAP_LIMIT", "32K", 1);        /* 6 pages and a table, not 12 */
	fd = client_of_new();
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	other.id = 2;
	ck_assert_int_eq(client_publish(fd, &other, NULL), ENOSPC);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	ck_assert_int_eq(client_publish(fd, &other, NULL), 0);
}
END_TEST

START_TEST(what_can_change_is_refused)
{
	struct snapshot unsealed = small;
	int fd = client_of_new();

	unsealed.unsealed = true;
	ck_assert_int_eq(client_publish(fd, &unsealed, NULL), EINVAL);
	ck_assert_uint_eq(client_list(NULL, 0), 0);
	ck_assert_int_eq(client_publish(fd, &small, NULL), 0);
}
END_TEST

START_TEST(unknown_provider)
{
	struct snapshot odd = small;
	int fd = client_of_new();

	odd.fabric = "carrier-pigeon";
	ck_assert_int_eq(client_publish(fd, &odd, NULL), EINVAL);
	odd.fabric = "";
	ck_assert_int_eq(client_publish(fd, &odd, NULL), 0);
}
END_TEST

/* ---- nothing is lost over many rounds ---- */

static void round_trip(int fd, unsigned i)
{
	struct snapshot big = { .layers = 4, .pages = 64, .fill = (unsigned char)i,
	                        .id = (uint8_t)(i % 200 + 1), .ttl_ms = UINT32_MAX };
	uint64_t number;

	ck_assert_int_eq(client_publish(fd, &big, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &big, &number), 0);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
}

static pid_t both[2];                   /* worker, keeper */
static unsigned both_fds[2];
static long both_rss[2];

/* A descriptor of a client that has just gone may be closed a little later: not one a round. */
static bool as_after_some(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (host_fds(both[i]) > both_fds[i] + 2 || host_rss(both[i]) > both_rss[i] + 1024)
			return false;
	return true;
}

START_TEST(rounds)
{
	int fd = client_of_new();

	both[0] = host_worker();
	both[1] = host_keeper();
	for (unsigned i = 1; i <= 200; i++) {
		int own = client_new();

		round_trip(fd, i);
		close(own);
		for (unsigned k = 0; i == 20 && k < 2; k++) {
			both_fds[k] = host_settled_fds(both[k]);
			both_rss[k] = host_rss(both[k]);
		}
	}
	ck_assert(host_eventually(as_after_some));
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ readers_are_counted, 0 }, { complete_is_what_is_known, 0 }, { lease_ends, 0 },
		{ a_crash_is_a_detach, 0 }, { a_closed_socket_is_no_detach, 0 }, { unpublish, 0 },
		{ unpublished_stays_for_who_has_it, 0 }, { limit, 0 },
		{ what_can_change_is_refused, 0 }, { unknown_provider, 0 }, { rounds, 0 },
	};

	return unit_run("clients", tests, COUNT(tests));
}
