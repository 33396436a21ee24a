/* SPDX-License-Identifier: BSD-2-Clause */
/* test_rundir - which directory it is, who may own it, and what the user is told otherwise */
#include "../unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "rundir.h"

static char base[] = "/tmp/rmmap-unit-XXXXXX";
static char name[512], path[RM_RUNDIR_MAX], why[512];

/* One temporary directory for the program; the tests, in processes of their own, share it. */
static const char *in_base(const char *leaf)
{
	snprintf(name, sizeof(name), "%s/%s", base, leaf);
	return name;
}

static int find(const char *rundir, bool create)
{
	struct rm_options o = { .slot = -1, .rundir = rundir };

	memset(path, '#', sizeof(path));
	why[0] = 0;
	return rm_rundir_find(&o, create, path, why, sizeof(why));
}

/* A failure names the path and a way out. */
static void told(const char *what)
{
	ck_assert_msg(strstr(why, what) != NULL, "'%s' is not in: %s", what, why);
	ck_assert_msg(strstr(why, "RMMAP_RUNDIR") != NULL, "no remedy in: %s", why);
	ck_assert_ptr_null(strchr(why, '\n'));
}

START_TEST(created_private)
{
	struct stat st;
	const char *dir = in_base("new");

	umask(0);
	ck_assert_int_eq(find(dir, false), -ENOENT);
	told(dir);
	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_str_eq(path, dir);
	ck_assert_int_eq(lstat(dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_int_eq(find(dir, false), 0);
}
END_TEST

START_TEST(slashes_at_the_end)
{
	char dir[600];

	snprintf(dir, sizeof(dir), "%s///", in_base("slashes"));
	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_str_eq(path, in_base("slashes"));
}
END_TEST

START_TEST(longest_path)
{
	char dir[RM_RUNDIR_MAX + 1];
	size_t length = (size_t)snprintf(dir, sizeof(dir), "%s/", base);

	memset(dir + length, 'x', sizeof(dir) - length);
	dir[RM_RUNDIR_MAX] = 0;
	ck_assert_int_eq(find(dir, true), -ENAMETOOLONG);
	told(dir);
	dir[RM_RUNDIR_MAX - 1] = 0;
	ck_assert_int_eq(find(dir, true), 0);
	ck_assert_str_eq(path, dir);
	ck_assert_int_eq(rm_rundir_connect(path), -ENOENT);
}
END_TEST

START_TEST(relative)
{
	ck_assert_int_eq(find("somewhere", true), -EINVAL);
	told("somewhere");
}
END_TEST

START_TEST(no_parent)
{
	const char *dir = in_base("not/there");

	ck_assert_int_eq(find(dir, true), -ENOENT);
	told(dir);
}
END_TEST

START_TEST(open_to_others)
{
	static const mode_t modes[] = { 0755, 0701, 0710, 0704, 0770, 0777, 01777 };
	const char *dir = in_base("open");

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < COUNT(modes); i++) {
		ck_assert_int_eq(chmod(dir, modes[i]), 0);
		ck_assert_int_eq(find(dir, true), -EACCES);
		told(dir);
		told("chmod 0700");
	}
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(find(dir, true), 0);
}
END_TEST

START_TEST(not_writable)
{
	const char *dir = in_base("readonly");

	ck_assert_int_eq(mkdir(dir, 0500), 0);
	if (geteuid() == 0) {
		/* root may write anywhere; what it says to others is seen as another user */
		ck_assert_int_eq(find(dir, true), 0);
		ck_assert_int_eq(chown(base, 12345, 12345), 0);
		ck_assert_int_eq(chown(dir, 12345, 12345), 0);
		ck_assert_int_eq(seteuid(12345), 0);
	}
	ck_assert_int_eq(find(dir, true), -EACCES);
	told(dir);
	ck_assert_int_eq(find(dir, false), 0);
	snprintf(name, sizeof(name), "%s/readonly/below", base);
	ck_assert_int_eq(find(name, true), -EACCES);
	told("create");
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(chown(base, 0, 0), 0);
	}
}
END_TEST

/* check cannot skip a test: what could not be looked at is said in the log. */
static void not_tested(const char *what, const char *needs)
{
	fprintf(stderr, "not tested: %s: it needs %s\n", what, needs);
}

START_TEST(read_only_file_system)
{
	const char *dir = in_base("ro");
	char below[600];

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", dir, "tmpfs", MS_RDONLY, "mode=0700") != 0) {
		not_tested("a read-only file system", "a mount namespace");
		return;
	}
	snprintf(below, sizeof(below), "%s/below", dir);
	ck_assert_int_eq(find(below, true), -EACCES);
	told("Read-only file system");
	ck_assert_int_eq(find(dir, true), -EACCES);
	told("Read-only file system");
	ck_assert_int_eq(find(dir, false), 0);
}
END_TEST

START_TEST(links)
{
	char target[512];
	const char *link;

	snprintf(target, sizeof(target), "%s", in_base("target"));
	ck_assert_int_eq(mkdir(target, 0700), 0);
	link = in_base("link");
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert_int_eq(find(link, true), -EACCES);
	told("link");
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("/nowhere", link), 0);
	ck_assert_int_eq(find(link, true), -EACCES);
	told("link");
}
END_TEST

START_TEST(not_a_directory)
{
	const char *file = in_base("file");
	int fd = open(file, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(find(file, true), -EACCES);
	told("not a directory");
}
END_TEST

START_TEST(somebody_elses)
{
	const char *dir = "/usr";

	if (geteuid() == 0) {
		dir = in_base("foreign");
		ck_assert_int_eq(mkdir(dir, 0700), 0);
		ck_assert_int_eq(chown(dir, 1, 1), 0);
	}
	ck_assert_int_eq(find(dir, true), -EACCES);
	told(dir);
	told("belongs to user");
}
END_TEST

START_TEST(which_one)
{
	struct rm_options o = { .slot = -1 };
	char want[600], xdg[512];
	struct stat st;

	snprintf(xdg, sizeof(xdg), "%s", in_base("xdg"));
	o.xdg_runtime_dir = xdg;
	ck_assert_int_eq(mkdir(xdg, 0700), 0);
	ck_assert_int_eq(rm_rundir_find(&o, true, path, why, sizeof(why)), 0);
	snprintf(want, sizeof(want), "%s/rmmap", xdg);
	ck_assert_str_eq(path, want);

	/* not ours alone, or not there: the next one; nothing is created here */
	ck_assert_int_eq(chmod(xdg, 0755), 0);
	snprintf(want, sizeof(want), "/run/user/%u", geteuid());
	if (stat(want, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		strcat(want, "/rmmap");
	else
		snprintf(want, sizeof(want), "/tmp/rmmap-%u", geteuid());
	for (int i = 0; i < 4; i++) {
		const char *const others[] = { xdg, "relative", "/nowhere", NULL };

		o.xdg_runtime_dir = others[i];
		(void)rm_rundir_find(&o, false, path, why, sizeof(why));
		ck_assert_str_eq(path, want);
	}
}
END_TEST

START_TEST(why_is_cut)
{
	struct rm_options o = { .slot = -1, .rundir = "relative" };
	char tiny[8] = "#######";

	ck_assert_int_eq(rm_rundir_find(&o, true, path, tiny, 4), -EINVAL);
	ck_assert_str_eq(tiny, "RMM");
	ck_assert_int_eq(rm_rundir_find(&o, true, path, NULL, 0), -EINVAL);
}
END_TEST

static int listen_at(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" RM_SOCKET_NAME, dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

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

START_TEST(takes_a_file)
{
	ck_assert_int_eq(find(in_base("probed"), true), 0);
	ck_assert_int_eq(rm_rundir_probe(path), 0);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rm_rundir_probe(path), -ENOENT);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ created_private, 0 }, { slashes_at_the_end, 0 }, { longest_path, 0 }, { relative, 0 },
		{ no_parent, 0 }, { open_to_others, 0 }, { not_writable, 0 },
		{ read_only_file_system, 0 }, { links, 0 }, { not_a_directory, 0 },
		{ somebody_elses, 0 }, { which_one, 0 }, { why_is_cut, 0 }, { connecting, 0 },
		{ somebody_else_listens, 0 }, { full_backlog, 0 },
		{ lock_is_one_holders, 0 }, { lock_of_a_removed_file, 0 }, { wait_for_who_starts, 0 },
		{ wait_for_who_ends, 0 }, { listening, 0 }, { takes_a_file, 0 },
	};
	char command[64];
	int status;

	if (!mkdtemp(base))
		return EXIT_FAILURE;
	status = unit_run("rundir", tests, COUNT(tests));
	snprintf(command, sizeof(command), "rm -rf %s", base);
	if (system(command) != 0)
		status = EXIT_FAILURE;
	return status;
}
