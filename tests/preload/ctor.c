/* SPDX-License-Identifier: BSD-2-Clause */
/* ctor - a library whose constructor allocates; see threads.c */
#include "ctor.h"

#include <stdlib.h>

__attribute__((visibility("default"))) void *ctor_blocks[CTOR_BLOCKS];

static void __attribute__((constructor)) take(void)
{
	for (int i = 0; i < CTOR_BLOCKS; i++)
		ctor_blocks[i] = malloc((size_t)1 << i % 22);
}
