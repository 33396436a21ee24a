/* SPDX-License-Identifier: BSD-2-Clause */
/* ctor.h - a library that allocates before main() */
#ifndef CTOR_H
#define CTOR_H

#define CTOR_BLOCKS 64
extern void *ctor_blocks[CTOR_BLOCKS];

#endif
