/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shapes.h - the structures that travel, as types. Included where REF is defined: a pointer
 * (structures.c and all ways that build with malloc), or an offset (offsets.c). Each begins
 * with how many parts it has.
 */
#include <stdint.h>

struct item {
	REF(struct item) next;
	uint64_t key;
	REF(char) text;
};

struct list {
	uint64_t count;
	REF(struct item) first;
};

struct knot {
	REF(struct knot) left;
	REF(struct knot) right;
	uint64_t key;
	uint64_t value;
};

struct tree {                           /* a balanced search tree */
	uint64_t count;
	REF(struct knot) top;
};

struct entry {
	REF(struct entry) next;
	uint64_t hash;
	uint64_t value;
	char key[];
};

struct hash {                           /* string to number, chained */
	uint64_t count;
	uint64_t buckets;               /* a power of two */
	REF(REF(struct entry)) table;
};

struct matrix {
	uint64_t count;                 /* rows */
	uint64_t columns;
	REF(double) data;
};

struct vertex {
	uint64_t id;
	uint64_t degree;
	REF(REF(struct vertex)) out;
};

struct graph {
	uint64_t count;
	REF(REF(struct vertex)) vertices;
};

#define PRICES 6

struct row {
	REF(char) date;
	double price[PRICES];
	uint64_t volume;
};

struct table {
	uint64_t count;
	REF(REF(struct row)) rows;
};

#define PAGE 4096

struct flat {                           /* what fi_read could read as it is */
	uint64_t count;                 /* pages */
	REF(uint64_t) data;
};

struct hop {
	REF(struct hop) next;
	uint64_t value;
	char rest[PAGE - 16];
};

struct chase {                          /* a page for each part, linked at random */
	uint64_t count;
	REF(struct hop) first;
};
