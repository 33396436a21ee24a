/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maps.c - /proc/self/maps, line by line
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

/* Call each() for the complete lines in buffer. Returns how many bytes they were. */
static size_t lines_walk(char *buffer, size_t have, bool *stop,
                         bool (*each)(void *arg, const struct map_line *line), void *arg)
{
	size_t used = 0;

	while (!*stop) {
		struct map_line line;
		char *end = memchr(buffer + used, '\n', have - used);

		if (!end)
			break;
		*end = '\0';
		if (line_parse(buffer + used, &line))
			*stop = each(arg, &line);
		used = (size_t)(end - buffer) + 1;
	}
	return used;
}

int maps_walk(bool (*each)(void *arg, const struct map_line *line), void *arg)
{
	bool stop = false;
	size_t have = 0;
	int error = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char *buffer;

	if (fd < 0)
		return -errno;
	buffer = own_pages(BUFFER_SIZE);
	if (!buffer) {
		close(fd);
		return -ENOMEM;
	}
	while (!stop && have < BUFFER_SIZE) {
		ssize_t n = read(fd, buffer + have, BUFFER_SIZE - have);
		size_t used;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		used = lines_walk(buffer, have, &stop, each, arg);
		have -= used;
		memmove(buffer, buffer + used, have);
	}
	own_pages_free(buffer, BUFFER_SIZE);
	close(fd);
	return error;
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
