/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_cgroup.c - /proc/PID/cgroup and mountinfo, and the files of a cgroup
 *
 * The first byte chooses the parser.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "cgroup.h"

static void check_own(const char *text, enum rm_cgroup_version version)
{
	char path[RM_CGROUP_PATH_MAX];
	int ret = rm_cgroup_own(text, version, path);

	MUST(ret == 0 || ret == -ENOENT || ret == -ENAMETOOLONG);
	if (ret)
		return;
	MUST(memchr(path, 0, sizeof(path)) && path[0] == '/' && strstr(text, path));
	MUST(strcmp(path, "/..") && strncmp(path, "/../", 4));
}

static void check_dir(const char *text, enum rm_cgroup_version version, const char *path)
{
	char dir[RM_CGROUP_PATH_MAX];
	size_t top = 0, length;
	int ret = rm_cgroup_dir(text, version, path, dir, &top);

	MUST(ret == 0 || ret == -ENOENT || ret == -ENAMETOOLONG);
	if (ret)
		return;
	MUST(memchr(dir, 0, sizeof(dir)));
	length = strlen(dir);
	MUST(top <= length && (top == length || dir[top] == '/'));
	/* what lies below the mount point is the end of the path */
	length -= top;
	MUST(length <= strlen(path) && !strcmp(dir + top, path + strlen(path) - length));
}

static void check_values(const char *text)
{
	uint64_t value = 7;
	int ret = rm_cgroup_number(text, &value);

	MUST(ret == 0 || (ret == -EINVAL && value == 7));
	MUST(ret || value == RM_CGROUP_NONE || value < UINT64_C(1) << 60);
	value = rm_cgroup_stat(text, "active_file");
	MUST(!value || strstr(text, "active_file "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	switch (data[0] % 5) {
	case 0: check_own(text, RM_CGROUP_V1); break;
	case 1: check_own(text, RM_CGROUP_V2); break;
	case 2: check_dir(text, RM_CGROUP_V1, "/docker/a"); break;
	case 3: check_dir(text, RM_CGROUP_V2, "/"); break;
	default: check_values(text); break;
	}
	free(text);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	/* the first character chooses: 2 v1's cgroup, 3 v2's, 4 and 5 mountinfo, 1 values */
	static const char *const seeds[] = {
		"29:name=systemd:/\n4:cpu,memory:/docker/a\n0::/x\n", "22:memory:/../a\n", "2::\n:",
		"30::/user.slice/a b\n", "30::/\n", "30::/..\n", "39:0::/a",
		"435 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n",
		"435 31 0:32 /docker /a\\040b rw shared:9 master:1 - cgroup cgroup rw,cpu,memory\n",
		"535 31 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n36 31 0:33 / / - - cgroup2 a b\n",
		"1max\n", "19223372036854771712\n", "1125829120", "1anon 5\nactive_file 77\nfile 9\n",
		"199999999999999999999999999", "1active_file 99999999999999999999999",
	};

	return fuzz_seed_text(seeds, sizeof(seeds) / sizeof(seeds[0]), n, data);
}
