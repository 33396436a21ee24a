/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroup.h - how much memory the cgroup of this process may have, and has
 *
 * Of cgroup v2 (memory.max, memory.current) and of v1's memory controller. The parsers are
 * pure and take text that may be anything; rm_cgroup_read() reads a dozen small files.
 */
#ifndef RM_CGROUP_H
#define RM_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#define RM_CGROUP_PATH_MAX 1024
#define RM_CGROUP_NONE UINT64_MAX       /* no limit */

enum rm_cgroup_version { RM_CGROUP_V1 = 1, RM_CGROUP_V2 };

/*
 * The cgroup of a process, out of its /proc/PID/cgroup: v2's, or that of v1's memory
 * controller. 0, -ENOENT (it has none of that version, or one that cannot be seen from its
 * cgroup namespace), -ENAMETOOLONG.
 */
int rm_cgroup_own(const char *text, enum rm_cgroup_version version,
                  char path[RM_CGROUP_PATH_MAX]);

/*
 * The directory of that cgroup, out of /proc/PID/mountinfo or whole lines of it. *top is the
 * length of the mount point in it: what is above belongs to others. 0, -ENOENT (these lines
 * name no mount that has it), -ENAMETOOLONG.
 */
int rm_cgroup_dir(const char *mounts, enum rm_cgroup_version version, const char *path,
                  char dir[RM_CGROUP_PATH_MAX], size_t *top);

/* "max", or a number beyond what any machine has: RM_CGROUP_NONE. 0 or -EINVAL. */
int rm_cgroup_number(const char *text, uint64_t *value);
/* The value of "KEY N" on a line of its own; 0 where there is none. */
uint64_t rm_cgroup_stat(const char *text, const char *key);

struct rm_cgroup {                      /* of all levels, that with the least room */
	uint64_t limit;                 /* RM_CGROUP_NONE: none has a limit */
	uint64_t used;                  /* without cached files, which the kernel can drop */
};

/*
 * Look at this process's cgroup and those above it, as far as they can be seen. What cannot be
 * read counts as no limit. root is put before every path, for tests; else "".
 */
void rm_cgroup_read(const char *root, struct rm_cgroup *cgroup);
/* limit - used of it, or 0; RM_CGROUP_NONE if there is no limit. */
uint64_t rm_cgroup_room(const struct rm_cgroup *cgroup);

#endif
