/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maps.c - /proc/self/maps and smaps, mapping by mapping
 *
 * For messages that name what an address holds, for a freeze, and for the surroundings of a
 * publication. Any thread; the buffer is in own pages, since a thread's stack may be small.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../../common/number.h"
#include "../../common/say.h"
#include "base.h"

#define BUFFER_SIZE (64 << 10)  /* a line has at most a path of 4096 bytes, escaped */

static const char *hex_parse(const char *p, uint64_t *out)
{
	for (*out = 0;; p++) {
		if (*p >= '0' && *p <= '9')
			*out = *out << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*out = *out << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

static const char *next_field(const char *p)
{
	while (*p && *p != ' ')
		p++;
	while (*p == ' ')
		p++;
	return p;
}

/* "START-END PERMS OFFSET DEVICE INODE   NAME", NUL-terminated. */
static bool line_parse(const char *p, struct map_line *line)
{
	p = hex_parse(p, &line->start);
	if (*p++ != '-')
		return false;
	p = hex_parse(p, &line->end);
	if (*p++ != ' ' || strlen(p) < 4)
		return false;
	line->read = p[0] == 'r';
	line->write = p[1] == 'w';
	line->exec = p[2] == 'x';
	p = hex_parse(next_field(p), &line->offset);
	line->name = next_field(next_field(next_field(p)));
	return line->end > line->start;
}

struct walk {
	bool (*each)(void *arg, const struct map_line *line);
	void *arg;
	struct map_line line;           /* smaps: the mapping whose lines are being read */
	bool smaps, stop;
};

/*
 * A line of smaps is one of maps, or "NAME: VALUE" about the mapping above it, of which VmFlags is
 * the last. The first line is in the buffer no longer by then, so there is no name.
 */
static bool smaps_line_take(struct walk *walk, const char *text)
{
	static const char key[] = "ProtectionKey:", flags[] = "VmFlags:";
	struct map_line line = { 0 };

	if (line_parse(text, &line)) {
		line.name = "";
		walk->line = line;
	} else if (!strncmp(text, key, strlen(key))) {
		text = next_field(text);
		for (; *text >= '0' && *text <= '9'; text++)
			walk->line.key = walk->line.key * 10 + (unsigned)(*text - '0');
	} else if (!strncmp(text, flags, strlen(flags))) {
		walk->line.flags = text + strlen(flags);
		return walk->each(walk->arg, &walk->line);
	}
	return false;
}

static bool line_take(struct walk *walk, const char *text)
{
	if (walk->smaps)
		return smaps_line_take(walk, text);
	walk->line = (struct map_line){ .flags = "" };
	return line_parse(text, &walk->line) && walk->each(walk->arg, &walk->line);
}

/* Take the complete lines in buffer. Returns how many bytes they were. */
static size_t lines_walk(struct walk *walk, char *buffer, size_t have)
{
	size_t used = 0;

	while (!walk->stop) {
		char *end = memchr(buffer + used, '\n', have - used);

		if (!end)
			break;
		*end = '\0';
		walk->stop = line_take(walk, buffer + used);
		used = (size_t)(end - buffer) + 1;
	}
	return used;
}

static int file_walk(const char *path, struct walk *walk)
{
	size_t have = 0;
	int error = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buffer;

	if (fd < 0)
		return -errno;
	buffer = own_pages(BUFFER_SIZE);
	if (!buffer) {
		close(fd);
		return -ENOMEM;
	}
	while (!walk->stop && have < BUFFER_SIZE) {
		ssize_t n = read(fd, buffer + have, BUFFER_SIZE - have);
		size_t used;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		used = lines_walk(walk, buffer, have);
		have -= used;
		memmove(buffer, buffer + used, have);
	}
	own_pages_free(buffer, BUFFER_SIZE);
	close(fd);
	return error;
}

int maps_walk(bool (*each)(void *arg, const struct map_line *line), void *arg)
{
	struct walk walk = { .each = each, .arg = arg };

	return file_walk("/proc/self/maps", &walk);
}

int maps_walk_flags(bool (*each)(void *arg, const struct map_line *line), void *arg)
{
	struct walk walk = { .each = each, .arg = arg, .smaps = true };

	return file_walk("/proc/self/smaps", &walk);
}

struct find {
	uint64_t from, to, found;
	char *name;
	size_t size;
};

static bool line_find(void *arg, const struct map_line *line)
{
	struct find *find = arg;

	if (line->end <= find->from)
		return false;
	if (line->start < find->to) {
		find->found = line->start;
		rm_format(find->name, find->size, "%s",
		          line->name[0] ? line->name : "anonymous memory");
	}
	return true;
}

/* ---- how many there are ---- */

#define SLACK 64                        /* mappings that a failed call may have undone since */

/* Unlike maps_walk() this makes no mapping, since there may be none left. */
static uint64_t line_count(void)
{
	char buffer[1024];
	uint64_t count = 0;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		for (ssize_t i = 0; i < n; i++)
			count += buffer[i] == '\n';
	}
	if (fd >= 0)
		close(fd);
	return count;
}

static uint64_t mapping_limit(void)
{
	char text[32];
	uint64_t n = 0;
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	while (got > 0 && text[got - 1] == '\n')
		got--;
	text[got > 0 ? got : 0] = '\0';
	return rm_parse_number(text, 1, UINT64_MAX, &n) ? 65530 : n;
}

bool maps_spent(char *text, size_t size)
{
	uint64_t count, max;
	int saved = errno;

	count = line_count();
	max = mapping_limit();
	errno = saved;
	if (count + SLACK < max)
		return false;
	rm_format(text, size, "no mappings are left: this process has %llu of the %llu that "
	          "vm.max_map_count allows; raise it (sysctl vm.max_map_count=%llu), or have the "
	          "process map less", (unsigned long long)count, (unsigned long long)max,
	          (unsigned long long)max * 4);
	return true;
}

uint64_t maps_find(uint64_t from, uint64_t to, char *name, size_t size)
{
	struct find find = { from, to, 0, name, size };

	name[0] = '\0';
	maps_walk(line_find, &find);
	return find.found;
}
