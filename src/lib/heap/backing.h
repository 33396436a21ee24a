/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing.h - what the heap's pages are made of
 *
 * In a program that publishes they are memory files, mapped shared until a publish or a
 * fork freezes them: the same file is mapped private in one call and sealed, and is a layer
 * as it is. Elsewhere, and where no file can be had, they are anonymous.
 */
#ifndef RM_LIB_BACKING_H
#define RM_LIB_BACKING_H

#include "heap.h"

enum span_kind {
	SPAN_SHARED,            /* a memory file, mapped shared: written in place until it is frozen */
	SPAN_FROZEN,            /* mapped private: the kernel copies a page when it is written */
	SPAN_ANON,              /* anonymous private memory */
};

struct span {
	uint64_t addr, length;
	uint64_t offset;        /* in the file */
	uint32_t file;          /* its number; 0: none that a layer could be made of */
	uint32_t heap;          /* whose memory, see struct rm_segment */
	uint8_t kind;
	bool fresh;             /* became this since the last backing_freeze(): what was known is void */
};

/*
 * Before the first page: shared or anonymous from now on; to_publish: backing_freeze() may
 * be called. Without it all of it is anonymous, and nothing here is more than a madvise().
 */
void backing_init(bool shared, bool to_publish);
/* Also before it: MADV_HUGEPAGE or MADV_NOHUGEPAGE, for all of it. */
void backing_huge_pages(int advice);
/* Fresh memory, zeros, at an address where nothing is. 0, -EEXIST or other -errno. */
int backing_map(uint64_t addr, uint64_t length, uint32_t heap);
/* Give memory back. True: refused. Forced: it reads as zeros afterwards. */
bool backing_purge_forced(uint64_t addr, uint64_t length);
bool backing_purge_lazy(uint64_t addr, uint64_t length);
/*
 * Free memory whose pages stay if the kernel does not need them: true if they may. Of a frozen
 * file or of what a publish knows they may not.
 */
bool backing_retain(uint64_t addr, uint64_t length);

/*
 * What a program made of its pages by mprotect(): note it before they are mapped anew, and
 * set it again. backing_protect.c; allocates in struct array, takes no lock.
 */
void protections_note(struct array *list, uint64_t from, uint64_t to);
void protections_set(const struct array *list, uint64_t from, uint64_t to);

/* Files of which nothing is mapped but what jemalloc does not use go. Under the hooks' lock. */
void backing_leave_unused(void);
/* Freeze what is shared. *spans gets the whole heap, ascending. 0 or -ENOMEM. */
int backing_freeze(struct array *spans);
/* A frozen file that rmmapd does not have yet; the descriptor stays backing's. */
bool backing_file(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd);
/*
 * Its pages that were mapped when it was frozen, at least: valid until it is closed, which is
 * publish's to do. NULL if nobody looked.
 */
const uint64_t *backing_seen(uint32_t number);
void backing_file_close(uint32_t number);       /* rmmapd has it, or nobody wants it */
void backing_file_left(uint32_t number);        /* the publish that asked for it has failed */

/*
 * Around fork, inside jemalloc's locks. Parent and child have private memory afterwards; the
 * parent's half returns when the child has copied what could not be frozen.
 */
void backing_prefork(void);
void backing_parent(void);
void backing_child(void);
/*
 * The same for a fork() by a signal handler that interrupted this thread anywhere. Nothing is
 * done if it was in here, which only signals that a fault raises can find.
 */
void backing_inner_prefork(void);
void backing_inner_parent(void);
void backing_inner_child(void);

#endif
