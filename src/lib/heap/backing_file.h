/* SPDX-License-Identifier: BSD-2-Clause */
/* backing_file.h - the memory files of the heap; for backing.c, under its lock */
#ifndef RM_LIB_BACKING_FILE_H
#define RM_LIB_BACKING_FILE_H

#include "heap.h"

/*
 * A file for memory at addr: the one that ends there, or a new one, of a size that suits a
 * heap of so many bytes. Its number, the offset, and how much of length it has room for;
 * the descriptor, or -errno.
 */
int file_grow(uint64_t addr, uint64_t length, uint64_t heap_bytes, uint32_t *number,
              uint64_t *offset, uint64_t *part);
void file_used(uint32_t number, uint64_t length);       /* so much more of it is mapped */
int file_fd(uint32_t number);           /* -1: the program closed it */
/* No shared mapping is left: cut it to length and seal it. False: it cannot be a layer. */
bool file_seal(uint32_t number, uint64_t length);
bool file_sealed(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd);
/* So much less of a sealed one is mapped: with the last of it goes what no publish took. */
void file_unmapped(uint32_t number, uint64_t length);
void file_left(uint32_t number);        /* the publish that asked for it takes it not */
/* Before it is frozen: note which of its pages are there. */
void file_look(uint32_t number, uint64_t addr, uint64_t length);
const uint64_t *file_seen(uint32_t number);     /* NULL if it was not looked at */
void file_close(uint32_t number);

#endif
