/* SPDX-License-Identifier: BSD-2-Clause */
/* offsets.c - the structures in one file that is mapped anywhere: references are offsets */
#include <sys/mman.h>

#include "../bench.h"

#define REF(type) uint64_t
#define AT(type, ref) ((type *)(void *)(base + (ref)))
#define NEW(type, bytes) take(bytes)

static char *base;
static size_t used, limit;

static uint64_t take(size_t bytes)
{
	const uint64_t at = used;

	used += (bytes + 15) & ~(size_t)15;
	if (used > limit)
		bench_die("the shared memory is too small");
	return at;
}

#include "shapes.h"
#include "shapes_code.h"

#define ROOT 64         /* offset 0 refers to nothing, so what is built begins here */

void offsets_map(int fd, size_t bytes)
{
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		bench_die("mmap of shared memory failed");
	limit = bytes;
	used = ROOT;
}

void offsets_unmap(void)
{
	munmap(base, limit);
}

static uint64_t walk_mapped(enum kind kind, const void *root, enum touch touch)
{
	return walk(kind, root ? root : base + ROOT, touch);
}

const struct shape_functions offsets = { build, walk_mapped, NULL };
