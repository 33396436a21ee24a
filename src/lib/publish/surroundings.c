/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * surroundings.c - what lies outside the window, noted behind the table at each publish
 *
 * With it rmmap check can name what a word points into when this process is long gone. It takes one
 * reading of /proc/self/maps, which takes longer than the rest of what this process does to
 * publish a small structure. So a recent reading is used again, if as much memory is mapped.
 *
 * Under publish.c's lock, on any thread. Allocates in own pages. What cannot be had is left out: a
 * publish does not fail for it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/places.h"
#include "internal.h"

#define PATH_BYTES 4096
#define FRESH_NS 100000000u     /* how long a reading may be used again */

struct surroundings {                   /* in own pages, since a thread's stack may be small */
	struct rm_places_header header;
	struct rm_place place[RM_PLACES_MAX];
	char text[RM_PLACES_TEXT_MAX];  /* begins with a NUL, so that offset 0 is no name */
	char program[PATH_BYTES];       /* its path, as /proc/self/maps has it; "": not known */
	uint32_t text_used;             /* bytes of text; at least RM_PLACES_CALLED */
};

static struct {
	struct surroundings *note;      /* kept from publish to publish; NULL: none yet */
	uint64_t mapped;                /* pages that were mapped then; 0: the note is of no use */
	uint64_t since;                 /* ns: when it was read */
} last_reading;

/* Append a text; its offset, or 0 if it does not fit. */
static uint32_t text_add(struct surroundings *note, const char *text)
{
	size_t bytes = strlen(text) + 1;
	uint32_t at = note->text_used;

	if (bytes > RM_PLACES_TEXT_MAX - at) {
		note->header.cut = 1;
		return 0;
	}
	memcpy(note->text + at, text, bytes);
	note->text_used += (uint32_t)bytes;
	return at;
}

/* Is this anonymous memory right behind the writable data of a file? */
static bool line_is_bss(const struct rm_place *last, const struct map_line *line)
{
	const uint32_t data = RM_PLACE_FILE | RM_PLACE_WRITE;

	return !line->name[0] && line->write && last && last->end == line->start &&
	       (last->flags & data) == data;
}

static uint32_t line_flags(const struct surroundings *note, const struct map_line *line)
{
	uint32_t flags = (line->write ? RM_PLACE_WRITE : 0) | (line->exec ? RM_PLACE_EXEC : 0);

	if (!line->name[0])
		return 0;               /* so that adjacent anonymous mappings are one place */
	if (line->name[0] == '/')
		flags |= RM_PLACE_FILE | (strcmp(line->name, note->program) ? 0 : RM_PLACE_PROGRAM);
	if (!strcmp(line->name, "[stack]"))
		flags |= RM_PLACE_STACK;
	return flags;
}

/* Mappings of one file are adjacent, so only the last place is searched for the name. */
static uint32_t line_name(struct surroundings *note, const struct rm_place *last, const char *name)
{
	if (!name[0])
		return 0;
	if (last && !strcmp(note->text + last->name, name))
		return last->name;
	return text_add(note, name);
}

static bool line_add(void *arg, const struct map_line *line)
{
	struct surroundings *note = arg;
	uint32_t n = note->header.count, flags = line_flags(note, line);
	struct rm_place *last = n ? &note->place[n - 1] : NULL, *place = &note->place[n];

	/*
	 * The window's memory is in the table itself. Inaccessible memory is a guard or a
	 * reserve; [vsyscall] is not memory.
	 */
	if (rm_in_window(line->start) || !(line->read || line->write || line->exec) ||
	    line->end > INT64_MAX)
		return false;
	/* The file is not read at one moment, so lines may overlap. */
	if (last && line->start < last->end)
		return false;
	if (!line->name[0] && last && last->end == line->start && !last->name) {
		last->end = line->end;
		return false;
	}
	if (n == RM_PLACES_MAX) {
		/* Ends the walk. Whoever checks is told that places are missing. */
		note->header.cut = 1;
		return true;
	}
	*place = (struct rm_place){
		.start = line->start, .end = line->end, .offset = line->offset, .flags = flags,
	};
	if (line_is_bss(last, line)) {
		place->flags = RM_PLACE_BSS | (last->flags & ~RM_PLACE_FILE);
		place->name = last->name;
	} else {
		place->name = line_name(note, last, line->name);
	}
	note->header.count++;
	return false;
}

static bool surroundings_read(struct surroundings *note)
{
	const char *called = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	ssize_t length = readlink("/proc/self/exe", note->program, sizeof(note->program) - 1);

	note->program[length > 0 ? length : 0] = '\0';
	note->text_used = RM_PLACES_CALLED;
	/* Such a path says nothing: the program was started by a descriptor, or by itself. */
	if (!called || !strncmp(called, "/proc/", 6) || !strncmp(called, "/dev/", 5))
		called = note->program;
	text_add(note, called);
	if (maps_walk(line_add, note))
		return false;
	/* The bytes up to there stay zeros, as own_pages() gives the new table. */
	note->header.text_size = (note->text_used + 7) & ~7u;
	return true;
}

/* Append to the table, which moves into longer memory. Without memory nothing is appended. */
static void surroundings_append(struct snapshot *snapshot, const struct surroundings *note)
{
	size_t places = note->header.count * sizeof(note->place[0]);
	size_t more = sizeof(note->header) + places + note->header.text_size;
	char *table = own_pages(snapshot->table_size + more), *to = table + snapshot->table_size;

	if (!table)
		return;
	memcpy(table, snapshot->table, snapshot->table_size);
	memcpy(to, &note->header, sizeof(note->header));
	memcpy(to + sizeof(note->header), note->place, places);
	memcpy(to + sizeof(note->header) + places, note->text, note->text_used);
	rm_table_add_places(table, more);
	own_pages_free(snapshot->table, snapshot->table_size);
	snapshot->table = table;
	snapshot->table_size += more;
}

/* How many pages this process has mapped; 0: that cannot be had. */
static uint64_t mapped_pages(void)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[24] = "";
	uint64_t n = 0;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0)
		for (const char *p = text; *p >= '0' && *p <= '9'; p++)
			n = n * 10 + (uint64_t)(*p - '0');
	close(fd);
	return n;
}

void surroundings_note(struct snapshot *snapshot)
{
	struct surroundings *note = last_reading.note;
	uint64_t now = rm_now_ns(), n;

	if (!note)
		note = own_pages(sizeof(*note));
	last_reading.note = note;
	if (!note)
		return;
	n = mapped_pages();
	if (!n || n != last_reading.mapped || now - last_reading.since > FRESH_NS) {
		note->header = (struct rm_places_header){ 0 };
		last_reading.since = now;
		/* Void until it is complete: the note is overwritten now. */
		last_reading.mapped = 0;
		if (!surroundings_read(note))
			return;
		last_reading.mapped = n;
	}
	surroundings_append(snapshot, note);
}
