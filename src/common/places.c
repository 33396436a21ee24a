/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * places.c - checks, searches and describes the places of a table; see places.h
 *
 * Only the naming of sections makes system calls.
 */
#include "places.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

#define SECTION_NAME_MAX 32

const char *rm_places_check(const void *memory, size_t size, struct rm_places *view)
{
	const struct rm_places_header *header = memory;
	const struct rm_place *place = (const struct rm_place *)(header + 1);
	const char *text;
	uint64_t end = 0;

	if (size < sizeof(*header) || header->count > RM_PLACES_MAX || header->text_size < 8 ||
	    header->text_size > RM_PLACES_TEXT_MAX || header->text_size % 8 || header->cut > 1 ||
	    size != sizeof(*header) + header->count * sizeof(*place) + header->text_size)
		return "its places are not as long as they say";
	text = (const char *)(place + header->count);
	if (text[0] || text[header->text_size - 1])
		return "the names of its places do not end";
	for (uint32_t i = 0; i < header->count; i++) {
		if (place[i].start < end || place[i].end <= place[i].start ||
		    place[i].name >= header->text_size)
			return "its places overlap or are not in order";
		end = place[i].end;
	}
	*view = (struct rm_places){ place, text, header->count, header->cut };
	return NULL;
}

const struct rm_place *rm_places_find(const struct rm_places *places, uint64_t addr)
{
	uint32_t low = 0, high = places->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (addr < places->place[middle].start)
			high = middle;
		else if (addr >= places->place[middle].end)
			low = middle + 1;
		else
			return &places->place[middle];
	}
	return NULL;
}

/* ---- sections ---- */

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static bool read_name(int fd, const Elf64_Ehdr *elf, uint32_t at, char name[SECTION_NAME_MAX])
{
	Elf64_Shdr names;
	ssize_t got;

	if (!read_at(fd, &names, sizeof(names),
	             elf->e_shoff + elf->e_shstrndx * sizeof(names)) ||
	    at >= names.sh_size || names.sh_offset > INT64_MAX - UINT32_MAX)
		return false;
	got = pread(fd, name, SECTION_NAME_MAX - 1, (off_t)(names.sh_offset + at));
	name[got > 0 ? got : 0] = '\0';
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return name[0];
}

/*
 * Find the name of the section that contains this offset of the file. False if there is none, or
 * if the section has code and the mapping has not: then this file is not the one that was mapped.
 */
static bool find_section(int fd, const struct rm_place *place, uint64_t offset,
                         char name[SECTION_NAME_MAX])
{
	Elf64_Ehdr elf;
	Elf64_Shdr section;

	if (!read_at(fd, &elf, sizeof(elf), 0) || memcmp(elf.e_ident, ELFMAG, SELFMAG) ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_shentsize != sizeof(section))
		return false;
	for (uint64_t i = 0; i < elf.e_shnum; i++) {
		if (!read_at(fd, &section, sizeof(section), elf.e_shoff + i * sizeof(section)))
			return false;
		if ((section.sh_flags & SHF_ALLOC) && section.sh_type != SHT_NOBITS &&
		    offset - section.sh_offset < section.sh_size)
			return (!(section.sh_flags & SHF_EXECINSTR) ||
			        (place->flags & RM_PLACE_EXEC)) &&
			       read_name(fd, &elf, section.sh_name, name);
	}
	/* .bss begins in the last page of .data; the file has no bytes for it */
	rm_format(name, SECTION_NAME_MAX, ".bss");
	return place->flags & RM_PLACE_WRITE;
}

/*
 * The name of the section that addr is in. Only regular files are opened: opening a mapped device
 * could have any effect.
 */
static bool section_of(const struct rm_place *place, const char *path, uint64_t addr,
                       char name[SECTION_NAME_MAX])
{
	struct stat st;
	bool found;
	int fd;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	found = !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	        find_section(fd, place, addr - place->start + place->offset, name);
	close(fd);
	return found;
}

void rm_place_describe(const struct rm_places *places, const struct rm_place *place,
                       uint64_t addr, bool files, char *text, size_t size)
{
	const char *path = places->text + place->name, *called = path;
	char section[SECTION_NAME_MAX];

	if (place->flags & RM_PLACE_STACK) {
		rm_format(text, size, "the stack");
		return;
	}
	if (!(place->flags & (RM_PLACE_FILE | RM_PLACE_BSS))) {
		rm_format(text, size, "%s", *path ? path : "anonymous memory");
		return;
	}
	if (place->flags & RM_PLACE_PROGRAM && places->text[RM_PLACES_CALLED])
		called = places->text + RM_PLACES_CALLED;
	if (place->flags & RM_PLACE_BSS)
		rm_format(section, sizeof(section), ".bss");
	else if (!files || !section_of(place, path, addr, section))
		rm_format(section, sizeof(section), "%s", place->flags & RM_PLACE_EXEC ? ".text" :
		          place->flags & RM_PLACE_WRITE ? ".data" : ".rodata");
	rm_format(text, size, "%s of %s", section, called);
}
