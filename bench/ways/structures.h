/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * structures.h - to build, walk and free what is handed over: with malloc and pointers
 * (structures), or in one piece of memory with offsets (offsets). A walk returns a sum that
 * is the same however the structure came.
 */
#ifndef WAYS_STRUCTURES_H
#define WAYS_STRUCTURES_H

#include <stddef.h>
#include <stdint.h>

enum kind {
	LIST,                           /* linked as it was allocated */
	LIST_RANDOM,                    /* linked at random */
	TREE,
	HASH,
	MATRIX,
	GRAPH,
	TABLE,
	FLAT,                           /* these two only for what reads pages */
	CHASE,
	KINDS
};

enum touch {
	FULL,
	HALF,
	FEW,                            /* 2 %; in a list the first, elsewhere scattered */
	RUNS,                           /* FLAT only: 2 % in runs of 64 pages */
	TOUCHES
};

struct shape_functions {
	void *(*build)(enum kind kind, size_t bytes);
	uint64_t (*walk)(enum kind kind, const void *root, enum touch touch);
	void (*release)(enum kind kind, void *root);    /* NULL: it goes with its memory */
};

extern const struct shape_functions structures, offsets;

/* Where offsets.build() takes its memory from: a file to be mapped, at offset 0 its root. */
void offsets_map(int fd, size_t bytes);
void offsets_unmap(void);

/* Rows of the table, from the CSV file that WAYS_TABLE names, or made up. */
struct sample {
	char date[16];
	double price[6];
	uint64_t volume;
};
const struct sample *samples(size_t *count);

/* Memory beside the heap: nothing of it is a part of what is handed over. */
void *scratch(size_t bytes);
void scratch_free(void *memory, size_t bytes);

/* The i-th string: at most TEXT_MAX bytes with the NUL; no two are the same. */
#define TEXT_MAX 25
size_t make_text(char *to, uint64_t i);

static inline uint64_t mix(uint64_t i)
{
	i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9u;
	i = (i ^ (i >> 27)) * 0x94d049bb133111ebu;
	return i ^ (i >> 31);
}

/* The pages of a flat buffer that a walk looks at, in its order. */
static inline uint64_t flat_visits(uint64_t pages, enum touch touch)
{
	return touch == FULL ? pages : touch == HALF ? pages / 2 : pages / 50 + 1;
}

static inline uint64_t flat_page(uint64_t pages, enum touch touch, uint64_t visit)
{
	const uint64_t runs = pages / 64 ? pages / 64 : 1;

	if (touch == FEW)
		return mix(visit) % pages;
	if (touch == RUNS)
		return (mix(visit / 64) % runs * 64 + visit % 64) % pages;
	return visit;
}

static inline uint64_t text_hash(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return hash;
}

/* A number's bits, so that sums of doubles do not depend on their order. */
static inline uint64_t bits_of(double value)
{
	union { double value; uint64_t bits; } u = { value };

	return u.bits;
}

#endif
