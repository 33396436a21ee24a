/* SPDX-License-Identifier: BSD-2-Clause */
/* test_life - one rmmapd a run directory, from its start to its end */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "host.h"

static const struct snapshot small = { .layers = 2, .pages = 3, .fill = 7, .id = 1,
                                       .ttl_ms = UINT32_MAX };
static const char *const none[] = { NULL };

START_TEST(one_per_directory)
{
	const char *const foreground[] = { "--foreground", NULL };
	pid_t keeper;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	ck_assert(host_listens());
	keeper = host_keeper();
	ck_assert_int_eq(host_start(none), 0);
	ck_assert_int_eq(host_start(foreground), 1);
	ck_assert_int_eq(host_keeper(), keeper);
}
END_TEST

START_TEST(files_are_private)
{
	struct stat st;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	ck_assert_int_eq(stat(host_path("rmmapd.sock"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(host_path("host"), &st), 0);
	ck_assert_int_eq(st.st_size, RM_ID_BYTES);
}
END_TEST

/* Many at once: one serves, all others end well. */
START_TEST(race_to_start)
{
	pid_t pids[8];

	host_new();
	for (size_t i = 0; i < COUNT(pids); i++)
		pids[i] = host_spawn(none);
	for (size_t i = 0; i < COUNT(pids); i++)
		ck_assert_int_eq(host_wait(pids[i]), 0);
	ck_assert(host_listens());
}
END_TEST

START_TEST(idle_exit)
{
	const char *const idle[] = { "--idle", "1", NULL };
	uint64_t start = rm_now_ns();

	host_new();
	ck_assert_int_eq(host_start(idle), 0);
	ck_assert(host_eventually(host_gone));
	ck_assert_uint_ge(rm_now_ns() - start, NS * 9 / 10);
}
END_TEST

static int client;

static bool refuses(void)
{
	struct snapshot other = small;
	char handle[RM_HANDLE_TEXT_MAX];

	other.id = 2;
	if (client_publish(client, &other, handle) == ECONNREFUSED)
		return true;
	ck_assert_int_eq(client_name(client, RM_UNPUBLISH, handle), 0);
	return false;
}

/* Somebody connects just when the worker has asked to leave: the exit is called off. */
START_TEST(idle_exit_called_off)
{
	const char *const idle[] = { "--idle", "1", NULL };
	struct snapshot other = small;
	char handle[RM_HANDLE_TEXT_MAX];
	pid_t keeper, worker;
	int fd;

	host_new();
	fd = client_of_idle(idle);
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	keeper = host_keeper();
	worker = host_worker();
	ck_assert_int_gt(keeper, 1);
	kill(keeper, SIGSTOP);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	close(fd);
	usleep(1500000);
	fd = client_connect();
	usleep(100000);
	kill(keeper, SIGCONT);
	client_greet(fd);
	other.id = 2;
	ck_assert_int_eq(client_publish(fd, &other, handle), 0);
	ck_assert_int_eq(host_keeper(), keeper);
	ck_assert_int_eq(host_worker(), worker);        /* over the new socket */
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	ck_assert(host_eventually(host_gone));
}
END_TEST

START_TEST(not_idle_while_it_holds)
{
	const char *const idle[] = { "--idle", "1", NULL };
	char handle[RM_HANDLE_TEXT_MAX];
	int fd;

	host_new();
	fd = client_of_idle(idle);
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	usleep(2200000);
	ck_assert_int_eq(client_attach(fd, handle, &small, NULL), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	usleep(2200000);
	/* unpublished, but attached: it stays until this client is gone, or detaches */
	ck_assert(host_listens());
}
END_TEST

START_TEST(idle_after_the_last)
{
	const char *const idle[] = { "--idle", "1", NULL };
	char handle[RM_HANDLE_TEXT_MAX];
	uint64_t number;
	int fd;

	host_new();
	fd = client_of_idle(idle);
	ck_assert_int_eq(client_publish(fd, &small, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &small, &number), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert(host_eventually(host_gone));
}
END_TEST

START_TEST(terminate_with_nothing)
{
	const char *const foreground[] = { "--foreground", NULL };
	pid_t pid;

	host_new();
	pid = host_spawn(foreground);
	ck_assert(host_eventually(host_listens));
	kill(pid, SIGTERM);
	ck_assert_int_eq(host_wait(pid), 0);
	ck_assert(host_gone());
}
END_TEST

START_TEST(terminate_drains)
{
	const char *const options[] = { "--foreground", "--grace", "5", NULL };
	char handle[RM_HANDLE_TEXT_MAX];
	uint64_t start;
	pid_t pid;

	host_new();
	pid = host_spawn(options);
	ck_assert(host_eventually(host_listens));
	client = client_new();
	ck_assert_int_eq(client_publish(client, &small, handle), 0);
	start = rm_now_ns();
	kill(pid, SIGTERM);
	ck_assert(host_eventually(refuses));
	ck_assert_int_eq(client_attach(client, handle, &small, NULL), 0);
	ck_assert_int_eq(host_wait(pid), 0);
	ck_assert_uint_ge(rm_now_ns() - start, NS * 49 / 10);
}
END_TEST

START_TEST(terminate_twice)
{
	const char *const options[] = { "--foreground", "--grace", "3600", NULL };
	pid_t pid;

	host_new();
	pid = host_spawn(options);
	ck_assert(host_eventually(host_listens));
	client = client_new();
	ck_assert_int_eq(client_publish(client, &small, NULL), 0);
	kill(pid, SIGTERM);
	ck_assert(host_eventually(refuses));
	kill(pid, SIGTERM);
	ck_assert_int_eq(host_wait(pid), 0);
}
END_TEST

START_TEST(wrong_usage)
{
	const char *const unknown[] = { "--nonsense", NULL };
	const char *const number[] = { "--idle", "soon", NULL };
	const char *const extra[] = { "thing", NULL };

	host_new();
	ck_assert_int_eq(host_start(unknown), 2);
	ck_assert_int_eq(host_start(number), 2);
	ck_assert_int_eq(host_start(extra), 2);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ one_per_directory, 0 }, { files_are_private, 0 }, { race_to_start, 4 },
		{ idle_exit, 0 }, { idle_exit_called_off, 0 },
		{ not_idle_while_it_holds, 0 }, { idle_after_the_last, 0 },
		{ terminate_with_nothing, 0 }, { terminate_drains, 0 }, { terminate_twice, 0 },
		{ wrong_usage, 0 },
	};

	return unit_run("life", tests, COUNT(tests));
}
