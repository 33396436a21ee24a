/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * saved.h - a publication in a file: what rmmap save writes and rmmap load reads
 *
 *   0            one page: struct rm_saved_header
 *   4096         the table (segment.h), its layers' ids zero; zeros up to a multiple of 8
 *   sums_offset  a CRC-32C for each chunk of content, 0 where it has no page with data;
 *                zeros up to a whole page
 *   data_offset  the layers, one after the other, each page in its place: pages without
 *                data are holes, or zeros where a copy has lost the holes
 *
 * Numbers are in the byte order of the machine, which the header states: pointers mean nothing
 * to another kind of machine anyway. A file has exactly one valid form, as a table has: values
 * that follow from others are checked to be those.
 *
 * rmmap save and load use it. Pure: any thread, no globals, no allocation, no system call.
 * Checking is fuzzed.
 */
#ifndef RM_SAVED_H
#define RM_SAVED_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "segment.h"

#define RM_SAVED_MAGIC "RMMAPPUB"       /* 8 bytes, without the NUL */
#define RM_SAVED_VERSION 1u
#define RM_SAVED_ORDER UINT64_C(0x0102030405060708)
#define RM_SAVED_CHUNK ((uint64_t)1 << 20)      /* bytes of content that have one checksum */
#define RM_SAVED_TABLE_MAX ((uint64_t)1 << 30)  /* bytes */

struct rm_saved_header {
	char magic[8];
	uint64_t byte_order;            /* RM_SAVED_ORDER */
	uint32_t version;               /* RM_SAVED_VERSION */
	uint32_t window_slots;          /* this and the next: as in struct rm_layout */
	uint64_t window_base;
	uint8_t page_shift, slot_shift, pointer_bytes, reserved;
	uint32_t chunk;                 /* RM_SAVED_CHUNK */
	uint64_t root;                  /* as in the table */
	uint64_t table_size;            /* bytes, without the zeros behind it */
	uint64_t sums_offset;           /* rm_saved_sums_offset() */
	uint64_t sum_count;             /* rm_saved_chunks() */
	uint64_t data_offset;           /* rm_saved_front_size() */
	uint64_t file_size;             /* data_offset and the lengths of all layers */
	uint32_t front_crc;             /* of all bytes from the header to data_offset */
	uint8_t zero[4096 - 96];
	uint32_t header_crc;            /* of all bytes before it */
};

struct rm_saved {                       /* a view of a checked front; points into it */
	const struct rm_saved_header *header;
	struct rm_table table;
	const uint32_t *sums;
};

/* The number of chunks in a table's layers. Each layer begins with a new chunk. */
uint64_t rm_saved_chunks(const struct rm_table *table);
/*
 * The front is all that stands before the content: header, table and sums. Its bytes, a multiple
 * of RM_PAGE; and the offsets of the table and of the sums in it.
 */
uint64_t rm_saved_front_size(uint64_t table_size, uint64_t sum_count);
#define RM_SAVED_TABLE_OFFSET RM_PAGE
uint64_t rm_saved_sums_offset(uint64_t table_size);
/* Fill in the header. The table and the sums are in front already, and all its other bytes 0. */
void rm_saved_seal(void *front, const struct rm_table *table, uint64_t sum_count);

/*
 * Check the header of a file of file_size bytes. If it is valid, the caller reads the first
 * header->data_offset bytes and passes them to rm_saved_check(). 0; -EPROTO if the file is of
 * another kind of machine or another version; -EINVAL. *why is then a static text that continues
 * a sentence which begins with the file's name.
 */
int rm_saved_check_header(const struct rm_saved_header *header, uint64_t file_size,
                          const char **why);
/* Check the front, header included, which is aligned to 8. Results as above; *view with 0. */
int rm_saved_check(const void *front, uint64_t size, uint64_t file_size, struct rm_saved *view,
                   const char **why);

#endif
