/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cgroup - which cgroup it is, where its files are, and how much memory it leaves */
#include "../unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define MIB (UINT64_C(1) << 20)

static const char hybrid[] =
	"9:name=systemd:/\n"
	"4:cpu,memory:/jobs/one\n"
	"2:cpuacct:/memory\n"
	"0::/unified/two\n";

static const char mounts[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 master:1 - cgroup cgroup "
	"rw,cpu,memory\n"
	"41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw\n";

static char path[RM_CGROUP_PATH_MAX], dir[RM_CGROUP_PATH_MAX];

START_TEST(own)
{
	ck_assert_int_eq(rm_cgroup_own(hybrid, RM_CGROUP_V1, path), 0);
	ck_assert_str_eq(path, "/jobs/one");
	ck_assert_int_eq(rm_cgroup_own(hybrid, RM_CGROUP_V2, path), 0);
	ck_assert_str_eq(path, "/unified/two");
	ck_assert_int_eq(rm_cgroup_own("0::/a:b", RM_CGROUP_V2, path), 0);
	ck_assert_str_eq(path, "/a:b");
	ck_assert_int_eq(rm_cgroup_own("0::/", RM_CGROUP_V1, path), -ENOENT);
}
END_TEST

START_TEST(own_is_none)
{
	static const char *const none[] = { "", "\n\n", "0", "0:", "0::", "0::x", "10::/a",
	                                    "0::/..", "0::/../a", "memory", "4:memory" };
	char longer[RM_CGROUP_PATH_MAX + 8];

	for (size_t i = 0; i < COUNT(none); i++)
		ck_assert_int_eq(rm_cgroup_own(none[i], RM_CGROUP_V2, path), -ENOENT);
	ck_assert_int_eq(rm_cgroup_own("0::/..a", RM_CGROUP_V2, path), 0);
	ck_assert_int_eq(rm_cgroup_own("3:memorys,xmemory:/a", RM_CGROUP_V1, path), -ENOENT);
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "0::/", 4);
	longer[sizeof(longer) - 1] = 0;
	ck_assert_int_eq(rm_cgroup_own(longer, RM_CGROUP_V2, path), -ENAMETOOLONG);
}
END_TEST

START_TEST(directories)
{
	size_t top = 0;

	ck_assert_int_eq(rm_cgroup_dir(mounts, RM_CGROUP_V1, "/jobs/one", dir, &top), 0);
	ck_assert_str_eq(dir, "/sys/fs/cgroup/memory/jobs/one");
	ck_assert_uint_eq(top, strlen("/sys/fs/cgroup/memory"));
	ck_assert_int_eq(rm_cgroup_dir(mounts, RM_CGROUP_V2, "/", dir, &top), 0);
	ck_assert_str_eq(dir, "/sys/fs/cgroup/uni fied");
	ck_assert_uint_eq(top, strlen(dir));
}
END_TEST

/* A container without a cgroup namespace sees its own part of the hierarchy only. */
START_TEST(directories_of_containers)
{
	static const char inside[] =
		"35 31 0:32 /other /elsewhere rw - cgroup cgroup rw,memory\n"
		"35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
	size_t top;

	ck_assert_int_eq(rm_cgroup_dir(inside, RM_CGROUP_V1, "/docker/abc/x", dir, &top), 0);
	ck_assert_str_eq(dir, "/sys/fs/cgroup/memory/x");
	ck_assert_uint_eq(top, strlen("/sys/fs/cgroup/memory"));
	ck_assert_int_eq(rm_cgroup_dir(inside, RM_CGROUP_V1, "/docker/abc", dir, &top), 0);
	ck_assert_str_eq(dir, "/sys/fs/cgroup/memory");
	ck_assert_int_eq(rm_cgroup_dir(inside, RM_CGROUP_V1, "/docker/abcd", dir, &top), -ENOENT);
	ck_assert_int_eq(rm_cgroup_dir(inside, RM_CGROUP_V2, "/docker/abc", dir, &top), -ENOENT);
	ck_assert_int_eq(rm_cgroup_dir("1 2 3 / /m rw - cgroup2", RM_CGROUP_V2, "/", dir, &top),
	                 -ENOENT);
}
END_TEST

START_TEST(numbers)
{
	uint64_t n = 7;

	ck_assert_int_eq(rm_cgroup_number("125829120\n", &n), 0);
	ck_assert_uint_eq(n, 125829120);
	ck_assert_int_eq(rm_cgroup_number("0", &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(rm_cgroup_number("max\n", &n), 0);
	ck_assert_uint_eq(n, RM_CGROUP_NONE);
	n = 7;
	ck_assert_int_eq(rm_cgroup_number("9223372036854771712\n", &n), 0);
	ck_assert_uint_eq(n, RM_CGROUP_NONE);
	ck_assert_int_eq(rm_cgroup_number("99999999999999999999999999", &n), 0);
	ck_assert_uint_eq(n, RM_CGROUP_NONE);
	n = 7;
	ck_assert_int_eq(rm_cgroup_number("", &n), -EINVAL);
	ck_assert_int_eq(rm_cgroup_number("-1", &n), -EINVAL);
	ck_assert_int_eq(rm_cgroup_number("maximum", &n), -EINVAL);
	ck_assert_int_eq(rm_cgroup_number("12 k", &n), -EINVAL);
	ck_assert_uint_eq(n, 7);
	ck_assert_uint_eq(rm_cgroup_stat("anon 3\nactive_file 5\nfile 9", "active_file"), 5);
	ck_assert_uint_eq(rm_cgroup_stat("inactive_file 5\n", "active_file"), 0);
	ck_assert_uint_eq(rm_cgroup_stat("active_file", "active_file"), 0);
	ck_assert_uint_eq(rm_cgroup_stat("", "active_file"), 0);
}
END_TEST

/* ---- a directory that has /proc/self and cgroups ---- */

static char base[] = "/tmp/rmmap-unit-XXXXXX";

static void put(const char *directory, const char *name, const char *text)
{
	char file[512];
	FILE *stream;

	snprintf(file, sizeof(file), "mkdir -p '%s%s'", base, directory);
	ck_assert_int_eq(system(file), 0);
	snprintf(file, sizeof(file), "%s%s/%s", base, directory, name);
	stream = fopen(file, "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_ge(fputs(text, stream), 0);
	ck_assert_int_eq(fclose(stream), 0);
}

static struct rm_cgroup look(void)
{
	struct rm_cgroup cgroup;

	rm_cgroup_read(base, &cgroup);
	return cgroup;
}

START_TEST(reads_both_versions)
{
	struct rm_cgroup cgroup;

	ck_assert_ptr_nonnull(mkdtemp(base));
	cgroup = look();
	ck_assert_uint_eq(cgroup.limit, RM_CGROUP_NONE);
	ck_assert_uint_eq(rm_cgroup_room(&cgroup), RM_CGROUP_NONE);

	put("/proc/self", "cgroup", hybrid);
	put("/proc/self", "mountinfo", mounts);
	put("/sys/fs/cgroup/uni fied/unified/two", "memory.max", "max\n");
	ck_assert_uint_eq(look().limit, RM_CGROUP_NONE);

	/* v2, above the own one: what is in cached files is room */
	put("/sys/fs/cgroup/uni fied/unified", "memory.max", "104857600\n");
	put("/sys/fs/cgroup/uni fied/unified", "memory.current", "73400320\n");
	put("/sys/fs/cgroup/uni fied/unified", "memory.stat",
	    "anon 1\ninactive_file 10485760\nactive_file 5242880\ntotal_active_file 99\n");
	cgroup = look();
	ck_assert_uint_eq(cgroup.limit, 100 * MIB);
	ck_assert_uint_eq(cgroup.used, 55 * MIB);
	ck_assert_uint_eq(rm_cgroup_room(&cgroup), 45 * MIB);

	/* v1, with a greater limit and less room; and the other way round */
	put("/sys/fs/cgroup/memory/jobs/one", "memory.limit_in_bytes", "209715200\n");
	put("/sys/fs/cgroup/memory/jobs/one", "memory.usage_in_bytes", "188743680\n");
	ck_assert_uint_eq(look().limit, 200 * MIB);
	put("/sys/fs/cgroup/memory/jobs/one", "memory.stat",
	    "active_file 0\ntotal_inactive_file 10485760\ntotal_active_file 73400320\n");
	ck_assert_uint_eq(look().limit, 100 * MIB);

	/* more is used than allowed, as after the limit was lowered */
	put("/sys/fs/cgroup/memory/jobs/one", "memory.limit_in_bytes", "1048576\n");
	cgroup = look();
	ck_assert_uint_eq(cgroup.limit, MIB);
	ck_assert_uint_eq(rm_cgroup_room(&cgroup), 0);
}
END_TEST

/* mountinfo of a host with many containers is long, and ours may come last. */
START_TEST(long_mountinfo)
{
	static char text[300000];
	size_t length = 0;

	ck_assert_ptr_nonnull(mkdtemp(base));
	for (unsigned i = 0; i < 1500; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		                           "%u 1 0:%u / /var/lib/containers/%u rw,relatime - overlay "
		                           "overlay rw,lowerdir=/a:/b\n", i + 10, i, i);
	snprintf(text + length, sizeof(text) - length, "%s", mounts);
	put("/proc/self", "cgroup", hybrid);
	put("/proc/self", "mountinfo", text);
	put("/sys/fs/cgroup/memory/jobs", "memory.limit_in_bytes", "4096");
	ck_assert_uint_eq(look().limit, 4096);
}
END_TEST

static void clean_up(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	if (strcmp(base + strlen(base) - 6, "XXXXXX") != 0 && system(command) != 0)
		perror(command);
}

int main(void)
{
	const struct unit_test tests[] = {
		{ own, 0 }, { own_is_none, 0 }, { directories, 0 }, { directories_of_containers, 0 },
		{ numbers, 0 }, { reads_both_versions, 0 }, { long_mountinfo, 0 },
	};

	atexit(clean_up);
	return unit_run("cgroup", tests, COUNT(tests));
}
