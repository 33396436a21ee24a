/* SPDX-License-Identifier: BSD-2-Clause */
/* test_channel - messages whole or not at all, deadlines kept, no descriptor left over */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"

#define MS UINT64_C(1000000)

static int ends[2];
static int fds[RM_CHANNEL_FDS_MAX];
static unsigned count;
static char buf[4096];

static void pair(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static ssize_t receive(uint64_t deadline)
{
	return rm_channel_recv(ends[1], buf, sizeof(buf), fds, &count, deadline);
}

START_TEST(message_and_descriptors)
{
	struct stat a, b;
	int null = open("/dev/null", O_RDONLY), zero = open("/dev/zero", O_RDONLY);
	int given[2] = { null, zero };

	pair();
	ck_assert_int_eq(rm_channel_send(ends[0], "hello", 6, given, 2, 0), 0);
	ck_assert_int_eq(rm_channel_send(ends[0], "alone", 6, NULL, 0, 0), 0);
	ck_assert_int_eq(receive(0), 6);
	ck_assert_str_eq(buf, "hello");
	ck_assert_uint_eq(count, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(fstat(fds[i], &a), 0);
		ck_assert_int_eq(fstat(given[i], &b), 0);
		ck_assert(a.st_rdev == b.st_rdev);
		ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	}
	ck_assert_int_eq(receive(0), 6);
	ck_assert_str_eq(buf, "alone");
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(as_many_descriptors_as_fit)
{
	int given[RM_CHANNEL_FDS_MAX + 1];
	unsigned before;

	pair();
	for (size_t i = 0; i < COUNT(given); i++)
		given[i] = ends[0];
	ck_assert_int_eq(rm_channel_send(ends[0], "x", 1, given, RM_CHANNEL_FDS_MAX + 1, 0), -EINVAL);
	ck_assert_int_eq(rm_channel_send(ends[0], "x", 1, given, RM_CHANNEL_FDS_MAX, 0), 0);
	before = open_fds();
	ck_assert_int_eq(receive(0), 1);
	ck_assert_uint_eq(count, RM_CHANNEL_FDS_MAX);
	ck_assert_uint_eq(open_fds(), before + RM_CHANNEL_FDS_MAX);
}
END_TEST

START_TEST(empty_message)
{
	pair();
	ck_assert_int_eq(rm_channel_send(ends[0], "", 0, NULL, 0, 0), -EINVAL);
}
END_TEST

/* One descriptor too many, sent by somebody who does not use our code. */
START_TEST(too_many_descriptors_arrive)
{
	int given[RM_CHANNEL_FDS_MAX + 1];
	char control[CMSG_SPACE(sizeof(given))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	unsigned before;

	pair();
	for (size_t i = 0; i < COUNT(given); i++)
		given[i] = ends[0];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(given));
	memcpy(CMSG_DATA(c), given, sizeof(given));
	ck_assert_int_eq(sendmsg(ends[0], &msg, 0), 1);
	before = open_fds();
	ck_assert_int_eq(receive(0), -EMSGSIZE);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(message_too_long)
{
	unsigned before;

	pair();
	ck_assert_int_eq(rm_channel_send(ends[0], "12345678", 8, &ends[0], 1, 0), 0);
	before = open_fds();
	ck_assert_int_eq(rm_channel_recv(ends[1], buf, 7, fds, &count, 0), -EMSGSIZE);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(descriptor_table_full)
{
	int given[4];
	struct rlimit limit;
	unsigned before;
	int lowest;

	pair();
	for (size_t i = 0; i < COUNT(given); i++)
		given[i] = ends[0];
	ck_assert_int_eq(rm_channel_send(ends[0], "x", 1, given, 4, 0), 0);
	before = open_fds();
	lowest = dup(0);
	close(lowest);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)lowest + 2;    /* room for two of four */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(receive(0), -EMFILE);
	ck_assert_uint_eq(count, 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(receive_deadlines)
{
	uint64_t start;

	pair();
	ck_assert_int_eq(receive(0), -EAGAIN);
	ck_assert_int_eq(receive(1), -ETIMEDOUT);
	start = rm_now_ns();
	ck_assert_int_eq(receive(start + 50 * MS), -ETIMEDOUT);
	ck_assert_uint_ge(rm_now_ns() - start, 50 * MS);
	ck_assert_uint_lt(rm_now_ns() - start, 60000 * MS);
}
END_TEST

START_TEST(send_deadlines)
{
	uint64_t start;
	int error;

	pair();
	do
		error = rm_channel_send(ends[0], buf, sizeof(buf), NULL, 0, 0);
	while (error == 0);
	ck_assert_int_eq(error, -EAGAIN);
	start = rm_now_ns();
	ck_assert_int_eq(rm_channel_send(ends[0], buf, sizeof(buf), NULL, 0, start + 50 * MS),
	                 -ETIMEDOUT);
	ck_assert_uint_ge(rm_now_ns() - start, 50 * MS);
	ck_assert_uint_lt(rm_now_ns() - start, 60000 * MS);
}
END_TEST

static void tick(int sig)
{
	(void)sig;
}

/* Signals all the time: the deadline stands, and a message that comes meanwhile arrives. */
START_TEST(signals_do_not_end_a_wait)
{
	struct itimerval timer = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = tick };
	uint64_t start;
	pid_t child;

	pair();
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
	start = rm_now_ns();
	ck_assert_int_eq(receive(start + 60 * MS), -ETIMEDOUT);
	ck_assert_uint_ge(rm_now_ns() - start, 60 * MS);
	/* a fork() that takes longer than a tick is begun again and again */
	setitimer(ITIMER_REAL, &never, NULL);
	child = fork();
	if (child == 0) {
		usleep(50000);
		_exit(rm_channel_send(ends[0], "late", 5, NULL, 0, 0) ? 1 : 0);
	}
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_int_eq(receive(rm_now_ns() + 120000 * MS), 5);
	setitimer(ITIMER_REAL, &never, NULL);
	waitpid(child, NULL, 0);
}
END_TEST

/* The other end dies: what it sent is still read, then the end; sending is EPIPE, no signal. */
START_TEST(other_end_gone)
{
	pair();
	ck_assert_int_eq(rm_channel_send(ends[0], "last", 5, NULL, 0, 0), 0);
	close(ends[0]);
	ck_assert_int_eq(receive(rm_now_ns() + 1000 * MS), 5);
	ck_assert_int_eq(receive(rm_now_ns() + 1000 * MS), 0);
	ck_assert_int_eq(receive(0), 0);
	ck_assert_int_eq(rm_channel_send(ends[1], "x", 1, NULL, 0, rm_now_ns() + 1000 * MS), -EPIPE);
}
END_TEST

/* As above, with something of ours unread over there: the kernel then says ECONNRESET first. */
START_TEST(other_end_gone_without_reading)
{
	pair();
	ck_assert_int_eq(rm_channel_send(ends[1], "unread", 7, NULL, 0, 0), 0);
	ck_assert_int_eq(rm_channel_send(ends[0], "last", 5, NULL, 0, 0), 0);
	close(ends[0]);
	ck_assert_int_eq(receive(rm_now_ns() + 1000 * MS), 5);
	ck_assert_int_eq(receive(rm_now_ns() + 1000 * MS), 0);
	pair();
	ck_assert_int_eq(rm_channel_send(ends[1], "unread", 7, NULL, 0, 0), 0);
	close(ends[0]);
	ck_assert_int_eq(rm_channel_send(ends[1], "x", 1, NULL, 0, 0), -EPIPE);
}
END_TEST

START_TEST(not_a_socket)
{
	ck_assert_int_eq(rm_channel_send(-1, "x", 1, NULL, 0, 0), -EBADF);
	ck_assert_int_eq(rm_channel_recv(-1, buf, sizeof(buf), fds, &count, 0), -EBADF);
	ck_assert_int_eq(rm_channel_recv(0, buf, sizeof(buf), fds, &count, 0), -ENOTSOCK);
}
END_TEST

START_TEST(clock_goes_on)
{
	uint64_t a = rm_now_ns(), b;

	usleep(2000);
	b = rm_now_ns();
	ck_assert_uint_ge(b - a, 2 * MS);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ message_and_descriptors, 0 }, { as_many_descriptors_as_fit, 0 },
		{ empty_message, 0 }, { too_many_descriptors_arrive, 0 }, { message_too_long, 0 },
		{ descriptor_table_full, 0 }, { receive_deadlines, 0 }, { send_deadlines, 0 },
		{ signals_do_not_end_a_wait, 0 }, { other_end_gone, 0 },
		{ other_end_gone_without_reading, 0 }, { not_a_socket, 0 }, { clock_goes_on, 0 },
	};
	int null = open("/dev/null", O_RDWR);

	/* the last tests want a descriptor 0 that is no socket */
	if (null < 0 || dup2(null, 0) < 0)
		return EXIT_FAILURE;
	return unit_run("channel", tests, COUNT(tests));
}
