/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment.h - the table of a snapshot: which addresses have which content
 *
 * A table is one contiguous block. The publisher builds it, rmmapd keeps it and passes it on
 * unchanged, and each process that attaches reads it. Its parts, in this order:
 *
 *   struct rm_table_header
 *   struct rm_layer_desc[]   the memory files that have the content
 *   struct rm_segment[]      which addresses show which part of a layer, ascending
 *   bitmaps                  for each layer, the pages with data; a clear bit is a hole,
 *                            which reads as zeros and is never sent over the network
 *   places                   what else the publisher had mapped (places.h); may be absent
 *
 * Pure: any thread, no globals, no allocation, no system call. Checking is fuzzed. A table that
 * passed rm_table_check() can be walked without further bounds checks.
 */
#ifndef RM_SEGMENT_H
#define RM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "places.h"

#define RM_TABLE_MAGIC 0x31544d52u      /* "RMT1" */
#define RM_TABLE_LAYERS_MAX (1u << 20)
#define RM_TABLE_SEGMENTS_MAX (1u << 22)
#define RM_LAZY_SEGMENTS_MAX 8192u      /* with more, an attach is eager: each segment takes a
                                           mapping, and a process may have 65,530 */

struct rm_table_header {
	uint32_t magic;
	uint32_t layer_count;
	uint32_t segment_count;
	uint32_t reserved;
	uint64_t root;                  /* an address in a segment */
	uint64_t size;                  /* of the whole table in bytes, places included */
};

struct rm_layer_desc {
	uint8_t id[RM_ID_BYTES];        /* random; stands for this content on all hosts */
	uint64_t length;                /* bytes, whole pages, at most RM_LAYER_MAX */
	uint64_t bitmap;                /* offset in the table, 8-byte aligned;
	                                   (pages + 63) / 64 words of 64 bits */
};

struct rm_segment {
	uint64_t addr;                  /* page aligned, inside the window */
	uint64_t length;                /* bytes, whole pages, not 0 */
	uint64_t offset;                /* in the layer; whole pages, offset + length inside it */
	uint32_t layer;                 /* index */
	uint32_t heap;                  /* random: the heap that this memory is of, see below */
};

/*
 * Each process, and each child of fork(), chooses a random number for the memory that it takes for
 * its heap. Inherited memory keeps the number of the parent, and memory that is published again
 * keeps the number of its first owner. So if memory of this process has the number of a segment at
 * the same address, both have the same blocks, and an attach may leave the memory as it is.
 */

/* A view of a checked table; points into it. */
struct rm_table {
	const struct rm_table_header *header;
	const struct rm_layer_desc *layers;
	const struct rm_segment *segments;
	uint32_t layer_count;
	uint32_t segment_count;
	uint64_t root;
	size_t size;
	struct rm_places places;
};

/* Bytes that a table of these layers and so many segments takes; 0 if it exceeds a limit. */
size_t rm_table_size(const uint64_t *layer_lengths, uint32_t layers, uint32_t segments);

/*
 * Lay out a table in zeroed memory of rm_table_size() bytes, aligned to 8. Sets the header, and
 * the lengths and bitmap offsets of the layers. The caller fills in ids, segments and bitmaps.
 */
void rm_table_layout(void *memory, const uint64_t *layer_lengths, uint32_t layers,
                     uint32_t segments, uint64_t root);
struct rm_layer_desc *rm_table_layers(void *memory);
struct rm_segment *rm_table_segments(void *memory);
uint64_t *rm_table_bitmap(void *memory, uint32_t layer);

/* The caller has put places of so many bytes behind a table: count them in its size. */
void rm_table_add_places(void *memory, size_t bytes);

/*
 * Check an untrusted table, aligned to 8, and give a view of it. Sizes and counts are within
 * bounds; segments are ascending, do not overlap, and lie in the window and in their layers;
 * the root is in a segment; each part is at the place that follows from those before it.
 * 0, or -EINVAL with *why (a static text; why may be NULL).
 */
int rm_table_check(const void *memory, size_t size, struct rm_table *view, const char **why);

const uint64_t *rm_table_view_bitmap(const struct rm_table *table, uint32_t layer);

/*
 * Find the visible pages: those with data that a segment shows. Their bits are set in bitmaps[],
 * which has a bitmap of (pages + 63) / 64 words for each layer. Further pages of a layer are
 * hidden: newer layers override them, or only other publications show them.
 */
void rm_table_visible(const struct rm_table *table, uint64_t *const *bitmaps);

/* The segment that contains addr, or NULL. */
const struct rm_segment *rm_table_find(const struct rm_table *table, uint64_t addr);

static inline bool rm_bit(const uint64_t *bitmap, uint64_t n)
{
	return bitmap[n / 64] >> (n % 64) & 1;
}

static inline void rm_bit_set(uint64_t *bitmap, uint64_t n)
{
	bitmap[n / 64] |= (uint64_t)1 << (n % 64);
}

static inline void rm_bit_clear(uint64_t *bitmap, uint64_t n)
{
	bitmap[n / 64] &= ~((uint64_t)1 << (n % 64));
}

/* Find the first run of bits that are value in [from, to). False if there is none. */
bool rm_bit_run(const uint64_t *bitmap, uint64_t from, uint64_t to, bool value,
                uint64_t *start, uint64_t *count);
uint64_t rm_bit_count(const uint64_t *bitmap, uint64_t bits);

#endif
