/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_file.h - the memory files of the heap
 *
 * For backing.c and backing_freeze.c, under backing_lock(). A file has a number, from 1, which is
 * never used again. Descriptors are checked before each use, since the program may have closed
 * them. Own data is in own pages.
 */
#ifndef RM_LIB_BACKING_FILE_H
#define RM_LIB_BACKING_FILE_H

#include "heap.h"

#pragma GCC visibility push(hidden)

/*
 * A file for memory at addr: the one that ends there if it has room, else a new one, of a size
 * that suits a heap of heap_bytes. Sets its number, the offset, and how much of length it has
 * room for. Its descriptor, or -errno.
 */
int file_grow(uint64_t addr, uint64_t length, uint64_t heap_bytes, uint32_t *number,
              uint64_t *offset, uint64_t *part);
/* A file of this length, mapped as a whole at addr. Sets its number. Descriptor or -errno. */
int file_whole(uint64_t addr, uint64_t length, uint32_t *number);
void file_used(uint32_t number, uint64_t length);       /* length more bytes of it are mapped */
int file_fd(uint32_t number);           /* -1: the program closed it */
/*
 * Cut the file to length and seal it; no shared mapping of it is left. False: it cannot be
 * sealed, so it cannot be a layer, and it is closed.
 */
bool file_seal(uint32_t number, uint64_t length);
/* A sealed file whose descriptor is still open. The file is kept until file_left() or _close(). */
bool file_sealed(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd);
/* length bytes less of a sealed file are mapped. The last ones take a file that no publish uses. */
void file_unmapped(uint32_t number, uint64_t length);
void file_left(uint32_t number);        /* the publish that asked for it does not take it */
/* Before it is frozen: note which of its pages are there, at [addr, addr + length). */
void file_look(uint32_t number, uint64_t addr, uint64_t length);
/* Between freeze and seal: nobody needs the file's pages of [from, to) any more. */
void file_punch(uint32_t number, uint64_t from, uint64_t to);
const uint64_t *file_seen(uint32_t number);     /* those pages; NULL if nobody looked */
void file_close(uint32_t number);       /* forget the file; its mappings stay */

#pragma GCC visibility pop

#endif
