/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunks.h - which pages of the heap jemalloc uses, by chunks of 2 MiB
 *
 * Only in a program that publishes. A page is used from the commit hook (or an extent that is
 * committed when it is made) until the decommit hook. Everything here is called under the hooks'
 * lock, on any thread. Tables are in own pages; nothing allocates from the heap.
 */
#ifndef RM_LIB_CHUNKS_H
#define RM_LIB_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/huge.h"
#include "../../common/layout.h"

#pragma GCC visibility push(hidden)

/* The lock of hooks.c, pages.c, retained.c: taken after jemalloc's and before backing's. */
void hooks_lock(void);
void hooks_unlock(void);

#define CHUNK_PAGES (RM_HUGE / RM_PAGE)
#define CHUNK_WORDS (CHUNK_PAGES / 64)

enum chunk_state {
	CHUNK_SMALL,            /* pages of 4 KiB, or it is not known to be a huge page */
	CHUNK_HUGE,             /* a huge page of a file that is mapped shared */
	CHUNK_FROZEN,           /* it was one when its file was frozen */
};

struct chunk {
	uint16_t used_pages;            /* the number of pages that jemalloc uses */
	uint8_t state;                  /* enum chunk_state */
	bool whole;                     /* it uses all of them; all bits of the chunk are 0 then */
	bool solid;                     /* a huge page, of a block that came into use as a whole */
	bool refused;                   /* the kernel made no huge page; reset when it is free */
	bool stained;                   /* some bits of dirty may be set */
	bool idle;                      /* some dirty pages have memory that can be given back */
	uint32_t idle_ms;               /* when the first of them came free */
};

/*
 * Apart from struct chunk, since a block of many GiB that nobody writes to is whole chunks: what
 * is not touched here takes no memory.
 */
struct chunk_bits {
	uint64_t used[CHUNK_WORDS];     /* a bit for each page that jemalloc uses */
	/*
	 * Pages that are not used and may hold something. They are cleared before they are used
	 * again, since jemalloc takes what it commits for zeros. Never a page that is used.
	 */
	uint64_t dirty[CHUNK_WORDS];
};

struct chunk_totals {
	uint64_t used;                  /* pages that jemalloc uses, without inherited ones */
	uint64_t huge;                  /* chunks that are CHUNK_HUGE or CHUNK_FROZEN */
	uint64_t solid;                 /* those of them that are solid */
	uint64_t waste;                 /* unused pages of those that are CHUNK_HUGE */
};
extern struct chunk_totals chunk_totals;

/* The chunk of this address of the window; NULL: its slot has no table. */
struct chunk *chunk_at(uint64_t addr);
struct chunk_bits *chunk_bits_at(uint64_t addr);        /* of a chunk that has a table */
/*
 * Make the table of the slot of this address, unless it has one. Failure shows in chunk_at(), for
 * good: a table that is made later would take the memory that is in use by then for free.
 */
void chunks_add_slot(uint64_t addr);

/*
 * The pages of [addr, addr + length), all of them in this chunk, are used from now on. dirty gets
 * the bit of each that the caller has to clear; they are dirty no more.
 */
void chunk_use(struct chunk *chunk, uint64_t addr, uint64_t length, uint64_t dirty[CHUNK_WORDS]);
/* The pages of [addr, addr + length), all of them in this chunk, are used no more, and dirty. */
void chunk_free(struct chunk *chunk, uint64_t addr, uint64_t length);
/* A whole chunk, given back already, is used no more. */
void chunk_drop(struct chunk *chunk, uint64_t addr);
void chunk_set_state(struct chunk *chunk, enum chunk_state state);
/* All files that were mapped shared are frozen. */
void chunks_freeze(void);
/*
 * In a child that moves to a slot of its own: what it has so far is its parent's, and counts no
 * more. Else a child that allocates little would have huge pages, since its parent has much.
 */
void chunks_inherit(void);
/* Does jemalloc use no page of [addr, addr + length)? False also where there is no table. */
bool chunks_unused(uint64_t addr, uint64_t length);
/*
 * Set bit i of bitmap, which is zeros, for each page i of [addr, addr + length) that is used, or may
 * be.
 */
void chunks_used(uint64_t addr, uint64_t length, uint64_t *bitmap);
/* The first idle chunk at addr or above. *found gets its address; NULL: there is none. */
struct chunk *chunk_idle_from(uint64_t addr, uint64_t *found);

#pragma GCC visibility pop

#endif
