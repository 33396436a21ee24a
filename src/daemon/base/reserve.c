/* SPDX-License-Identifier: BSD-2-Clause */
/* reserve.c - blocks of memory for page faults: see reserve.h */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reserve.h"

union block {
	union block *next;              /* next free block, while this one is free */
	_Alignas(max_align_t) char bytes[RESERVE_BLOCK];
};

static union block blocks[RESERVE_BLOCKS];
static union block *first;              /* of the free ones; NULL: none is free */

void reserve_open(void)
{
	first = NULL;
	for (size_t i = RESERVE_BLOCKS; i-- > 0;) {
		blocks[i].next = first;
		first = &blocks[i];
	}
}

bool reserve_has(const void *block)
{
	/* unsigned, so that an address below the first block gives a large number */
	return (uintptr_t)block - (uintptr_t)blocks < sizeof(blocks);
}

void *reserve_zalloc(size_t size, bool vital)
{
	void *memory = calloc(1, size);
	union block *block = first;

	if (memory || !vital || !block || size > sizeof(*block))
		return memory;
	first = block->next;
	memset(block, 0, sizeof(*block));
	return block;
}

void reserve_free(void *memory)
{
	union block *block = memory;

	if (!reserve_has(memory)) {
		free(memory);
		return;
	}
	assert(((uintptr_t)block - (uintptr_t)blocks) % sizeof(*block) == 0);
	block->next = first;
	first = block;
}
