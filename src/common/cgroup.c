/* SPDX-License-Identifier: BSD-2-Clause */
/* cgroup.c - parses the files of cgroups; see cgroup.h. Pure: any thread, no allocation. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cgroup.h"
#include "say.h"

#define FIELDS 4                        /* the root is the fourth field of a mountinfo line */

/*
 * Without a limit, the kernel writes LONG_MAX rounded down to a page in v1. No machine has an
 * exabyte, so every larger number means no limit.
 */
#define NO_LIMIT (UINT64_C(1) << 60)

static const char *line_after(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

/* True if word is an item of the comma-separated list in [list, end). */
static bool list_has(const char *list, const char *end, const char *word)
{
	size_t length = strlen(word), n;

	for (; list < end; list += n + 1) {
		const char *comma = memchr(list, ',', (size_t)(end - list));

		n = (size_t)((comma ? comma : end) - list);
		if (n == length && !memcmp(list, word, n))
			return true;
	}
	return false;
}

/* ---- /proc/PID/cgroup: "number:controllers:path" ---- */

static int path_take(const char *from, size_t length, char path[RM_CGROUP_PATH_MAX])
{
	/* "/../.." is a cgroup outside this cgroup namespace: no mount here contains it. */
	if (!length || from[0] != '/' ||
	    (length >= 3 && !memcmp(from, "/..", 3) && (length == 3 || from[3] == '/')))
		return -ENOENT;
	if (length >= RM_CGROUP_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, from, length);
	path[length] = 0;
	return 0;
}

int rm_cgroup_own(const char *text, enum rm_cgroup_version version,
                  char path[RM_CGROUP_PATH_MAX])
{
	for (; *text; text = line_after(text)) {
		size_t length = strcspn(text, "\n");
		const char *end = text + length;
		const char *first = memchr(text, ':', length), *second;
		bool ours;

		second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
		if (!second)
			continue;
		if (version == RM_CGROUP_V2)
			ours = first == text + 1 && text[0] == '0' && second == first + 1;
		else
			ours = list_has(first + 1, second, "memory");
		if (ours)
			return path_take(second + 1, (size_t)(end - second - 1), path);
	}
	return -ENOENT;
}

/* /proc/PID/mountinfo: "id parent dev ROOT POINT options [tag]... - TYPE source OPTIONS" */

struct word {
	const char *at;
	size_t length;
};

/* Take the next word from *at; its length is 0 at the end of the line. */
static struct word word_next(const char **at, const char *end)
{
	struct word word;

	while (*at < end && **at == ' ')
		++*at;
	word.at = *at;
	while (*at < end && **at != ' ')
		++*at;
	word.length = (size_t)(*at - word.at);
	return word;
}

static bool word_is(struct word word, const char *text)
{
	return word.length == strlen(text) && !memcmp(word.at, text, word.length);
}

static bool is_octal(const char *at, size_t left)
{
	return left >= 4 && at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
	       at[2] <= '7' && at[3] >= '0' && at[3] <= '7';
}

/* Undo the octal escapes of mountinfo, such as "\040" for a space. 0 or -ENAMETOOLONG. */
static int word_unescape(struct word word, char out[RM_CGROUP_PATH_MAX])
{
	size_t n = 0, i = 0;

	while (i < word.length) {
		const char *at = word.at + i;

		if (n + 1 >= RM_CGROUP_PATH_MAX)
			return -ENAMETOOLONG;
		if (is_octal(at, word.length - i)) {
			out[n++] = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			i += 4;
		} else {
			out[n++] = *at;
			i++;
		}
	}
	out[n] = 0;
	return 0;
}

/*
 * True if the line is a cgroup mount of that version, with the memory controller in v1. Sets root
 * and point, the root and the mount point of the line, in any case.
 */
static bool mount_is(const char *line, const char *end, enum rm_cgroup_version version,
                     struct word *root, struct word *point)
{
	const char *at = line;
	struct word word, type;

	for (unsigned i = 1; i < FIELDS; i++)
		word_next(&at, end);
	*root = word_next(&at, end);
	*point = word_next(&at, end);
	do
		word = word_next(&at, end);
	while (word.length && !word_is(word, "-"));
	type = word_next(&at, end);
	word_next(&at, end);
	word = word_next(&at, end);
	if (!point->length || !word.length)
		return false;
	if (version == RM_CGROUP_V2)
		return word_is(type, "cgroup2");
	return word_is(type, "cgroup") && list_has(word.at, word.at + word.length, "memory");
}

/* The part of path below root, or NULL if path is not below it. Either may be "/". */
static const char *path_below(const char *path, const char *root)
{
	size_t length = strlen(root);

	if (length == 1)
		return path[1] ? path : "";
	if (strncmp(path, root, length) || (path[length] && path[length] != '/'))
		return NULL;
	return path + length;
}

int rm_cgroup_dir(const char *mounts, enum rm_cgroup_version version, const char *path,
                  char dir[RM_CGROUP_PATH_MAX], size_t *top)
{
	char top_of[RM_CGROUP_PATH_MAX];
	struct word root, point;

	for (; *mounts; mounts = line_after(mounts)) {
		const char *below;
		size_t length;

		if (!mount_is(mounts, mounts + strcspn(mounts, "\n"), version, &root, &point))
			continue;
		if (word_unescape(root, top_of) || top_of[0] != '/')
			continue;
		below = path_below(path, top_of);
		if (!below)
			continue;
		if (word_unescape(point, dir))
			return -ENAMETOOLONG;
		length = strlen(dir);
		if (length + strlen(below) >= RM_CGROUP_PATH_MAX)
			return -ENAMETOOLONG;
		strcpy(dir + length, below);
		*top = length;
		return 0;
	}
	return -ENOENT;
}

/* ---- the files of a cgroup ---- */

static bool digits_value(const char **at, uint64_t *value)
{
	const char *from = *at;

	for (*value = 0; **at >= '0' && **at <= '9'; ++*at) {
		unsigned digit = (unsigned)(**at - '0');

		*value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
	}
	return *at > from;
}

int rm_cgroup_number(const char *text, uint64_t *value)
{
	uint64_t n;

	if (!strncmp(text, "max", 3)) {
		text += 3;
		n = RM_CGROUP_NONE;
	} else if (!digits_value(&text, &n)) {
		return -EINVAL;
	}
	if (*text && *text != '\n')
		return -EINVAL;
	*value = n >= NO_LIMIT ? RM_CGROUP_NONE : n;
	return 0;
}

uint64_t rm_cgroup_stat(const char *text, const char *key)
{
	size_t length = strlen(key);
	uint64_t value;

	for (; *text; text = line_after(text)) {
		const char *at = text + length + 1;

		if (!strncmp(text, key, length) && text[length] == ' ' && digits_value(&at, &value))
			return value;
	}
	return 0;
}

uint64_t rm_cgroup_room(const struct rm_cgroup *cgroup)
{
	if (cgroup->limit == RM_CGROUP_NONE)
		return RM_CGROUP_NONE;
	return cgroup->used < cgroup->limit ? cgroup->limit - cgroup->used : 0;
}
