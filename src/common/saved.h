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
 * Numbers are as the machine has them, which the header says: addresses and pointers mean
 * nothing to another kind of machine. There is one form only, as with tables: what follows
 * from something else is checked to be that.
 *
 * Pure: no globals, no allocation, no system call. Checking is fuzzed.
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
#define RM_SAVED_CHUNK ((uint64_t)1 << 20)
#define RM_SAVED_TABLE_MAX ((uint64_t)1 << 30)

struct rm_saved_header {
	char magic[8];
	uint64_t byte_order;            /* RM_SAVED_ORDER */
	uint32_t version;
	uint32_t window_slots;
	uint64_t window_base;
	uint8_t page_shift, slot_shift, pointer_bytes, reserved;
	uint32_t chunk;                 /* RM_SAVED_CHUNK */
	uint64_t root;
	uint64_t table_size;
	uint64_t sums_offset;
	uint64_t sum_count;
	uint64_t data_offset;
	uint64_t file_size;
	uint32_t front_crc;             /* of all between the header and data_offset */
	uint8_t zero[4096 - 96];
	uint32_t header_crc;            /* of all before it */
};

struct rm_saved {                       /* a view of what was checked; points into it */
	const struct rm_saved_header *header;
	struct rm_table table;
	const uint32_t *sums;
};

/* Chunks of the content of a table's layers; a layer begins with a chunk of its own. */
uint64_t rm_saved_chunks(const struct rm_table *table);
/* Bytes before the content, header included; a multiple of RM_PAGE. */
uint64_t rm_saved_front_size(uint64_t table_size, uint64_t sum_count);
/* Where in them the table and the sums lie. */
#define RM_SAVED_TABLE_OFFSET RM_PAGE
uint64_t rm_saved_sums_offset(uint64_t table_size);
/* Table and sums are in their places in front, all else of it zero: fill in the header. */
void rm_saved_seal(void *front, const struct rm_table *table, uint64_t sum_count);

/*
 * Is this the header of a file of so many bytes? Then header->data_offset bytes of it are to
 * be given to rm_saved_check(). 0, or -EINVAL or -EPROTO (of another kind of machine, or of
 * another version) with *why, a static text that goes on after the file's name.
 */
int rm_saved_check_header(const struct rm_saved_header *header, uint64_t file_size,
                          const char **why);
/* All before the content, header included. front is aligned to 8. As above. */
int rm_saved_check(const void *front, uint64_t size, uint64_t file_size, struct rm_saved *view,
                   const char **why);

#endif
