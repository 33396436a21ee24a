/* SPDX-License-Identifier: BSD-2-Clause */
/* test_rundir_serve - connecting to who serves a run directory, and becoming it */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "rundir_steps.h"

/* ---- connecting ---- */

START_TEST(connecting)
{
	const char *dir = in_base("socket");
	int listener, fd;

	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_int_eq(rm_rundir_connect(path), -ENOENT);
	listener = listen_at(path);
	fd = rm_rundir_connect(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(listener);
	ck_assert_int_eq(rm_rundir_connect(path), -ECONNREFUSED);       /* it died */
}
END_TEST

START_TEST(somebody_else_listens)
{
	const char *dir = in_base("foreign-socket");
	int listener;

	if (getuid() != 0) {
		not_tested("another user at the socket", "root, to become one");
		return;
	}
	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_int_eq(chown(path, 12345, 12345), 0);
	ck_assert_int_eq(chmod(base, 0711), 0);
	ck_assert_int_eq(seteuid(12345), 0);
	listener = listen_at(path);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(rm_rundir_connect(path), -EACCES);
	close(listener);
}
END_TEST

/* A listener that accepts nobody: the wait ends. */
START_TEST(full_backlog)
{
	const char *dir = in_base("full");
	int listener, error = 0;

	ck_assert_int_eq(find(dir, true), 0);
	listener = listen_at(path);
	for (int i = 0; i < 16 && error >= 0; i++)
		error = rm_rundir_connect(path);
	ck_assert_int_eq(error, -ETIMEDOUT);
	close(listener);
}
END_TEST

/* ---- who serves ---- */

START_TEST(lock_is_one_holders)
{
	int ours = -1, others = -1, fd, lock;

	ck_assert_int_eq(find(in_base("lock"), true), 0);
	ck_assert_int_eq(rm_rundir_lock(path, &ours), 0);
	ck_assert_int_eq(rm_rundir_lock(path, &others), -EWOULDBLOCK);
	ck_assert_int_ge(others, 0);
	ck_assert_int_eq(rm_rundir_join(path, 0, &fd, &lock), -EBUSY);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(lock, -1);
	/* the holder's end is that of its last descriptor */
	fd = dup(ours);
	close(ours);
	ck_assert_int_eq(rm_rundir_lock(path, &others), -EWOULDBLOCK);
	close(fd);
	ck_assert_int_eq(rm_rundir_lock(path, &others), 0);
	ck_assert_int_eq(rm_rundir_join(path, 0, &fd, &lock), -EBUSY);
	close(others);
	ck_assert_int_eq(rm_rundir_join(path, 0, &fd, &lock), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_ge(lock, 0);
	close(lock);
}
END_TEST

START_TEST(lock_of_a_removed_file)
{
	char file[256];
	int first = -1, second = -1;

	ck_assert_int_eq(find(in_base("removed"), true), 0);
	snprintf(file, sizeof(file), "%s/" RM_LOCK_NAME, path);
	ck_assert_int_eq(rm_rundir_lock(path, &first), 0);
	ck_assert(rm_rundir_lock_stands(path, first));
	ck_assert_int_eq(unlink(file), 0);
	ck_assert(!rm_rundir_lock_stands(path, first));
	ck_assert_int_eq(rm_rundir_lock(path, &second), 0);
	/* who still has the old file open is given the new one */
	ck_assert_int_eq(rm_rundir_lock(path, &first), -EWOULDBLOCK);
	ck_assert(rm_rundir_lock_stands(path, first));
	close(first);
	close(second);
}
END_TEST

/* The lock and, with listens, the socket are another process's for a while. */
static pid_t holder(bool listens)
{
	int ready[2], lock = -1;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int listener = -1;

		if (rm_rundir_lock(path, &lock) || write(ready[1], "", 1) != 1)
			_exit(1);
		usleep(100000);
		if (listens)
			listener = rm_rundir_listen(path);
		if (listens)
			pause();
		_exit(listener);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

START_TEST(wait_for_who_starts)
{
	uint64_t deadline = rm_now_ns() + UINT64_C(60000000000);
	pid_t pid;
	int fd, lock;

	ck_assert_int_eq(find(in_base("starts"), true), 0);
	pid = holder(true);
	ck_assert_int_eq(rm_rundir_join(path, deadline, &fd, &lock), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lock, -1);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(wait_for_who_ends)
{
	uint64_t deadline = rm_now_ns() + UINT64_C(60000000000);
	pid_t pid;
	int fd, lock;

	ck_assert_int_eq(find(in_base("ends"), true), 0);
	pid = holder(false);
	ck_assert_int_eq(rm_rundir_join(path, deadline, &fd, &lock), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_ge(lock, 0);
	close(lock);
	waitpid(pid, NULL, 0);
}
END_TEST

/* Whatever the program's umask is, and whatever was there before. */
START_TEST(listening)
{
	char file[256];
	struct stat st;
	mode_t mask;
	int listener, fd;

	ck_assert_int_eq(find(in_base("listening"), true), 0);
	snprintf(file, sizeof(file), "%s/" RM_SOCKET_NAME, path);
	close(listen_at(path));
	mask = umask(0777);
	listener = rm_rundir_listen(path);
	umask(mask);
	ck_assert_int_ge(listener, 0);
	ck_assert(rm_rundir_listens(listener));
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	fd = rm_rundir_connect(path);
	ck_assert_int_ge(fd, 0);
	ck_assert(!rm_rundir_listens(fd));
	close(fd);
	close(listener);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ connecting, 0 }, { somebody_else_listens, 0 }, { full_backlog, 0 },
		{ lock_is_one_holders, 0 }, { lock_of_a_removed_file, 0 }, { wait_for_who_starts, 0 },
		{ wait_for_who_ends, 0 }, { listening, 0 },
	};

	return run_in_base("rundir_serve", tests, COUNT(tests));
}
