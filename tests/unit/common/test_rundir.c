/* SPDX-License-Identifier: BSD-2-Clause */
/* test_rundir - which directory it is, who may own it, and what the user is told otherwise */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir_steps.h"

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
	ck_assert_int_eq(find(in_base("readonly/below"), true), -EACCES);
	told("create");
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(chown(base, 0, 0), 0);
	}
}
END_TEST

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
		{ somebody_elses, 0 }, { which_one, 0 }, { why_is_cut, 0 }, { takes_a_file, 0 },
	};

	return run_in_base("rundir", tests, COUNT(tests));
}
