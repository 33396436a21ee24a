/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * places.h - what was mapped in the publisher's address space outside the window
 *
 * The last part of a table, if present: a header, places in ascending order, then texts. With
 * it, a reader that finds a pointer out of the snapshot can say what it pointed into ("the
 * stack"). The library writes it at a publish; rmmap check reads it. Any thread, no allocation.
 * Pure, but for rm_place_describe(), which may read files. Checking is fuzzed with the table.
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
#define RM_PLACE_FILE 4u                /* a mapping of the file that is its name */
#define RM_PLACE_BSS 8u                 /* the zeros behind the data of that file */
#define RM_PLACE_PROGRAM 16u            /* that file is the program itself */
#define RM_PLACE_STACK 32u              /* the main thread's stack */

struct rm_place {
	uint64_t start, end;            /* addresses; start < end <= the next place's start */
	uint64_t offset;                /* in the file, of start */
	uint32_t flags;                 /* RM_PLACE_ */
	uint32_t name;                  /* offset of its name in the text; 0: it has none */
};

struct rm_places_header {
	uint32_t count;
	uint32_t text_size;             /* a multiple of 8 */
	uint32_t cut;                   /* 1: some places did not fit and are missing */
	uint32_t reserved;              /* 0 */
};

/* The text begins with a NUL (no name), then has the program's name as it was called. */
#define RM_PLACES_CALLED 1u             /* offset of the latter */

struct rm_places {                      /* a view into checked bytes; count 0: not known */
	const struct rm_place *place;
	const char *text;
	uint32_t count;
	bool cut;
};

/*
 * Check size bytes, aligned to 8, and give a view of them. NULL, or a static text that says what
 * is wrong.
 */
const char *rm_places_check(const void *memory, size_t size, struct rm_places *view);

/* The place that contains addr, or NULL. */
const struct rm_place *rm_places_find(const struct rm_places *places, uint64_t addr);

/*
 * Describe the place that contains addr: "SECTION of FILE", "the stack" and so on. If files is
 * true, the section's name is read from the file; otherwise, and if that fails, it is guessed
 * from the place's access rights: .text, .data or .rodata.
 */
void rm_place_describe(const struct rm_places *places, const struct rm_place *place,
                       uint64_t addr, bool files, char *text, size_t size);

#endif
