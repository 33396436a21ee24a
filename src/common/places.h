/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * places.h - what lay where in the publisher's address space, outside the window
 *
 * The last part of a table, or absent: places in ascending order, then texts. So whoever
 * finds a word that points out of the snapshot can say what it pointed into. Pure, but for
 * the naming of sections, which reads files. Checking is fuzzed with the table.
 */
#ifndef RM_PLACES_H
#define RM_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RM_PLACES_MAX 4096u
#define RM_PLACES_TEXT_MAX (128u << 10)

#define RM_PLACE_WRITE 1u
#define RM_PLACE_EXEC 2u
#define RM_PLACE_FILE 4u                /* of the file that it is named after */
#define RM_PLACE_BSS 8u                 /* the zeros behind that file's data */
#define RM_PLACE_PROGRAM 16u            /* that file is the program itself */
#define RM_PLACE_STACK 32u              /* of the main thread */

struct rm_place {
	uint64_t start, end;
	uint64_t offset;                /* of start in the file */
	uint32_t flags;
	uint32_t name;                  /* where it begins in the text; 0: it has none */
};

struct rm_places_header {
	uint32_t count;
	uint32_t text_size;             /* a multiple of 8 */
	uint32_t cut;                   /* 1: there were more than fitted */
	uint32_t reserved;              /* 0 */
};

/* The text begins with an empty one, and then the program's name as it was called. */
#define RM_PLACES_CALLED 1u

struct rm_places {                      /* a view; count 0 if nothing is known */
	const struct rm_place *place;
	const char *text;
	uint32_t count;
	bool cut;
};

/* Is this it, of exactly this size? memory is aligned to 8. NULL, or what is wrong. */
const char *rm_places_check(const void *memory, size_t size, struct rm_places *view);

/* The place that has addr, or NULL. */
const struct rm_place *rm_places_find(const struct rm_places *places, uint64_t addr);

/*
 * "SECTION of FILE", "the stack" and so on. With files, sections are looked up in them; else,
 * or where that fails, the place's rights tell: .text, .data, .rodata.
 */
void rm_place_describe(const struct rm_places *places, const struct rm_place *place,
                       uint64_t addr, bool files, char *text, size_t size);

#endif
