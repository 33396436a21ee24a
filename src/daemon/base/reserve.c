/* SPDX-License-Identifier: BSD-2-Clause */
/* reserve.c - memory for what somebody waits for, see reserve.h */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reserve.h"

union block {
	union block *next;              /* while it is free */
	_Alignas(max_align_t) char bytes[RESERVE_BLOCK];
};

static union block blocks[RESERVE_BLOCKS];
static union block *first;

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
	block->next = first;
	first = block;
}
