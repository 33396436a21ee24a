/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment.h - the table of a snapshot: which addresses hold what
 *
 * One contiguous little block that the publisher builds, rmmapd keeps and hands
 * on unchanged, and every attacher reads: header, layer descriptions, segments
 * in ascending order, and for each layer a bitmap of the pages that hold data
 * (a clear bit is a hole: it reads as zeros and never crosses the network); and, if the
 * publisher could say, what lay around it (places.h).
 * Pure: no globals, no allocation, no system call. Checking is fuzzed: a table
 * that rm_table_check() passed can be walked without another look.
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
#define RM_LAZY_SEGMENTS_MAX 8192u      /* more come whole: each needs a mapping of its own */

struct rm_table_header {
	uint32_t magic;
	uint32_t layer_count;
	uint32_t segment_count;
	uint32_t reserved;
	uint64_t root;
	uint64_t size;                  /* of the whole table in bytes */
};

struct rm_layer_desc {
	uint8_t id[RM_ID_BYTES];        /* random; names the content wherever it is */
	uint64_t length;                /* bytes, whole pages, at most RM_LAYER_MAX */
	uint64_t bitmap;                /* offset in the table, 8-byte aligned;
	                                   (pages + 63) / 64 words of 64 bits */
};

struct rm_segment {
	uint64_t addr;                  /* page aligned, inside the window */
	uint64_t length;                /* bytes, whole pages, not 0 */
	uint64_t offset;                /* in the layer */
	uint32_t layer;
	uint32_t heap;                  /* random: whose memory it was first, see below */
};

/*
 * Each process, and each child of fork, names the memory that it takes for its heap with a
 * number of its own. What a child inherits keeps its parent's number, and what is handed on
 * keeps its first owner's: where memory of this process has the number of a segment, both
 * hold the same blocks, and its own content may stand.
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

/* Bytes that a table of these layers needs, 0 if beyond the limits. */
size_t rm_table_size(const uint64_t *layer_lengths, uint32_t layers, uint32_t segments);

/*
 * Lay a table out in zeroed memory of rm_table_size() bytes, aligned to 8:
 * header and layer lengths and bitmap offsets are set; ids, bitmaps and segments
 * are for the caller to fill.
 */
void rm_table_layout(void *memory, const uint64_t *layer_lengths, uint32_t layers,
                     uint32_t segments, uint64_t root);
struct rm_layer_desc *rm_table_layers(void *memory);
struct rm_segment *rm_table_segments(void *memory);
uint64_t *rm_table_bitmap(void *memory, uint32_t layer);

/* What rm_table_layout() made is longer by this: places of so many bytes follow it. */
void rm_table_add_places(void *memory, size_t bytes);

/*
 * Check a table from outside and give a view of it: sizes and counts within
 * bounds, segments ascending without overlap inside the window, every segment
 * inside its layer, root inside a segment, nothing out of the block.
 * 0, or -EINVAL with *why (a static text; why may be NULL). memory is aligned to 8.
 */
int rm_table_check(const void *memory, size_t size, struct rm_table *view, const char **why);

const uint64_t *rm_table_view_bitmap(const struct rm_table *table, uint32_t layer);

/*
 * For each layer the pages with data that a segment shows: bits are set in bitmaps, one of
 * (pages + 63) / 64 words for each layer. A layer may hold others, which newer layers override
 * or that only other publications show.
 */
void rm_table_shown(const struct rm_table *table, uint64_t *const *bitmaps);

/* The segment that holds addr, or NULL. */
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

/*
 * First run of bits equal to value in [from, to): sets *start and *count;
 * false if there is none.
 */
bool rm_bit_run(const uint64_t *bitmap, uint64_t from, uint64_t to, bool value,
                uint64_t *start, uint64_t *count);
uint64_t rm_bit_count(const uint64_t *bitmap, uint64_t bits);

#endif
