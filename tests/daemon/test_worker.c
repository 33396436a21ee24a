/* SPDX-License-Identifier: BSD-2-Clause */
/* test_worker - what survives when the worker, the keeper, or both are killed */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "host.h"

static const struct snapshot some = { .layers = 70, .pages = 2, .fill = 3, .id = 1,
                                      .ttl_ms = UINT32_MAX };
static const char *const none[] = { NULL };
static pid_t former;

static bool replaced(void)
{
	return host_worker() != former;
}

static void kill_worker(void)
{
	former = host_worker();
	kill(former, SIGKILL);
	ck_assert(host_eventually(replaced));
}

static void wait_restarted(int fd)
{
	uint8_t message[RM_WIRE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	ck_assert_int_eq(client_recv(fd, message, fds, &count), RM_RESTARTED);
}

START_TEST(publication_survives)
{
	char handle[RM_HANDLE_TEXT_MAX];
	struct rm_pub_info info;
	int fd;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
	for (int i = 0; i < 3; i++) {
		kill_worker();
		wait_restarted(fd);
		ck_assert_int_eq(client_attach(fd, handle, &some, NULL), 0);
	}
	ck_assert_uint_eq(client_list(&info, 1), 1);
	ck_assert_uint_eq(info.attached, 3);
	ck_assert_uint_eq(info.layers, 70);
}
END_TEST

/* An attachment made before is still counted, and can be undone, after. */
START_TEST(attachment_survives)
{
	char handle[RM_HANDLE_TEXT_MAX];
	uint64_t number;
	int fd;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
	ck_assert_int_eq(client_attach(fd, handle, &some, &number), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	kill_worker();
	wait_restarted(fd);
	ck_assert_uint_eq(client_list(NULL, 0), 1);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_uint_eq(client_list(NULL, 0), 0);
}
END_TEST

static bool nothing_is_published(void)
{
	return client_list(NULL, 0) == 0;
}

START_TEST(lease_goes_on)
{
	struct snapshot brief = some;
	char handle[RM_HANDLE_TEXT_MAX];
	uint64_t published;
	int fd;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	brief.ttl_ms = 5000;
	ck_assert_int_eq(client_publish(fd, &brief, handle), 0);
	published = rm_now_ns();
	kill_worker();
	wait_restarted(fd);
	ck_assert(client_list(NULL, 0) == 1 || rm_now_ns() - published > 5 * NS);
	ck_assert(host_eventually(nothing_is_published));
	ck_assert_uint_ge(rm_now_ns() - published, 4 * NS);
	ck_assert_int_eq(client_attach(fd, handle, &brief, NULL), ENOENT);
}
END_TEST

START_TEST(same_request_again)
{
	char handle[RM_HANDLE_TEXT_MAX], again[RM_HANDLE_TEXT_MAX];
	int fd;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
	kill_worker();
	wait_restarted(fd);
	ck_assert_int_eq(client_publish(fd, &some, again), 0);
	ck_assert_str_eq(handle, again);
	ck_assert_uint_eq(client_list(NULL, 0), 1);
}
END_TEST

START_TEST(keeper_killed)
{
	const char *const options[] = { "--idle", "1", NULL };
	char handle[RM_HANDLE_TEXT_MAX];
	uint64_t number;
	pid_t keeper, worker;
	int fd;

	host_new();
	fd = client_of_idle(options);
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
	keeper = host_keeper();
	worker = host_worker();
	ck_assert_int_gt(keeper, 1);
	kill(keeper, SIGKILL);
	usleep(100000);
	ck_assert_int_eq(client_attach(fd, handle, &some, &number), 0);
	ck_assert_int_eq(host_start(none), 0);          /* the worker serves: nothing to do */
	ck_assert_int_eq(host_keeper(), keeper);
	ck_assert_int_eq(client_detach(fd, number), 0);
	ck_assert_int_eq(client_name(fd, RM_UNPUBLISH, handle), 0);
	kill(worker, SIGTERM);
	ck_assert(host_eventually(host_gone));
}
END_TEST

START_TEST(both_killed)
{
	char handle[RM_HANDLE_TEXT_MAX];
	uint8_t message[RM_WIRE_MAX];
	int fds[RM_CHANNEL_FDS_MAX], fd;
	unsigned count;
	pid_t worker, keeper;

	host_new();
	ck_assert_int_eq(host_start(none), 0);
	fd = client_new();
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
	worker = host_worker();
	keeper = host_keeper();
	ck_assert_int_gt(keeper, 1);
	kill(keeper, SIGKILL);
	kill(worker, SIGKILL);
	ck_assert_int_eq(client_recv(fd, message, fds, &count), 0);
	ck_assert(host_eventually(host_dead));
	ck_assert_int_eq(host_start(none), 0);
	ck_assert_int_ne(host_keeper(), keeper);
	fd = client_new();
	ck_assert_int_eq(client_attach(fd, handle, &some, NULL), ENOENT);
	ck_assert_int_eq(client_publish(fd, &some, handle), 0);
}
END_TEST

static int gave_up;

static bool gives_up_now(void)
{
	char path[64];
	FILE *file;
	int worker;

	if (waitpid(former, &gave_up, WNOHANG) == former)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)former, (int)former);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	if (fscanf(file, "%d", &worker) == 1)
		kill(worker, SIGKILL);
	fclose(file);
	return false;
}

/* A worker that cannot live, six times within ten seconds, is not restarted for ever. */
START_TEST(gives_up)
{
	const char *const foreground[] = { "--foreground", NULL };

	host_new();
	former = host_spawn(foreground);
	ck_assert(host_eventually(host_listens));
	ck_assert(host_eventually(gives_up_now));
	ck_assert(WIFEXITED(gave_up) && WEXITSTATUS(gave_up) == 1);
	ck_assert(host_gone());
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ publication_survives, 0 }, { attachment_survives, 0 }, { lease_goes_on, 0 },
		{ same_request_again, 0 }, { keeper_killed, 0 }, { both_killed, 0 }, { gives_up, 0 },
	};

	return unit_run("worker", tests, COUNT(tests));
}
