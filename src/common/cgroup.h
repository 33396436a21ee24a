/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroup.h - how much memory this process's cgroup may use, and how much it uses
 *
 * Reads cgroup v2 (memory.max, memory.current) and the memory controller of v1. rmmapd and rmmap
 * use it. Any thread; nothing allocates. The parsers are pure and accept any text;
 * rm_cgroup_read() reads a dozen small files.
 */
#ifndef RM_CGROUP_H
#define RM_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#define RM_CGROUP_PATH_MAX 1024
#define RM_CGROUP_NONE UINT64_MAX       /* no limit */

enum rm_cgroup_version { RM_CGROUP_V1 = 1, RM_CGROUP_V2 };

/*
 * Find the path of a process's cgroup in the text of its /proc/PID/cgroup: the cgroup of v2, or
 * the one of v1's memory controller. 0; -ENOENT if the process has no cgroup of that version, or
 * one outside its cgroup namespace; -ENAMETOOLONG.
 */
int rm_cgroup_own(const char *text, enum rm_cgroup_version version,
                  char path[RM_CGROUP_PATH_MAX]);

/*
 * Find the directory of that cgroup in the text of /proc/PID/mountinfo, or in whole lines of it.
 * *top is the length of the mount point, which dir begins with: directories above it are not
 * cgroups. 0; -ENOENT if no mount in these lines contains the cgroup; -ENAMETOOLONG.
 */
int rm_cgroup_dir(const char *mounts, enum rm_cgroup_version version, const char *path,
                  char dir[RM_CGROUP_PATH_MAX], size_t *top);

/*
 * Decode the text of a limit or a usage. "max", and numbers that exceed any machine's memory,
 * are RM_CGROUP_NONE. 0 or -EINVAL.
 */
int rm_cgroup_number(const char *text, uint64_t *value);
/* The number in the line "KEY N" of a memory.stat; 0 if there is no such line. */
uint64_t rm_cgroup_stat(const char *text, const char *key);

struct rm_cgroup {                      /* the level with the least room */
	uint64_t limit;                 /* bytes; RM_CGROUP_NONE if no level has a limit */
	uint64_t used;                  /* without cached files, which the kernel can drop */
};

/*
 * Read this process's cgroup and the visible ones above it, and give the one with the least room.
 * A file that cannot be read counts as no limit. root is put before every path: "" but in tests.
 */
void rm_cgroup_read(const char *root, struct rm_cgroup *cgroup);
/* How many bytes may still be used: limit - used, not below 0; RM_CGROUP_NONE without a limit. */
uint64_t rm_cgroup_room(const struct rm_cgroup *cgroup);

#endif
