/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing.h - what the heap's pages are made of
 *
 * In a program that publishes they are memory files, mapped shared until a publish or a fork
 * freezes them: one call maps the same file privately, it is sealed, and is then a layer as it
 * is. In other programs, and where no file can be had, the pages are anonymous memory.
 *
 * Called by hooks.c on any thread, mostly under jemalloc's locks, and by publish/. One lock,
 * the last of the library's. Own data is in own pages; nothing allocates from the heap.
 */
#ifndef RM_LIB_BACKING_H
#define RM_LIB_BACKING_H

#include "heap.h"

#pragma GCC visibility push(hidden)

enum span_kind {
	SPAN_SHARED,            /* a memory file, mapped shared, until it is frozen */
	SPAN_FROZEN,            /* mapped private: the kernel copies a page when it is written */
	SPAN_ANON,              /* anonymous private memory */
};

struct span {
	uint64_t addr, length;
	uint64_t offset;        /* in the file; 0 if there is none */
	uint32_t file;          /* its number, see backing_file.h; 0: none that can be a layer */
	uint32_t heap;          /* whose memory it is, see struct rm_segment */
	uint8_t kind;
	/* Became what it is since the last backing_freeze(): what a publish knew of it is void. */
	bool fresh;
};

/* ---- backing.c: growing, and giving memory back ---- */
/*
 * Before the first page, once. shared: the heap is to grow in memory files. to_publish:
 * backing_freeze() may be called; without it all memory is anonymous, no spans are cut, and
 * giving memory back is one madvise().
 */
void backing_init(bool shared, bool to_publish);
/* Also before the first page: MADV_HUGEPAGE or MADV_NOHUGEPAGE, for all of the heap. */
void backing_huge_pages(int advice);
/* Map fresh zeros at an address where nothing is. 0, -EEXIST or another -errno. */
int backing_map(uint64_t addr, uint64_t length, uint32_t heap);
/* Give memory back. Both return true if they refuse. Forced: it reads as zeros afterwards. */
bool backing_purge_forced(uint64_t addr, uint64_t length);
bool backing_purge_lazy(uint64_t addr, uint64_t length);
/*
 * May these free pages stay until the kernel needs them? Not pages of a frozen file, nor pages
 * that a publish knows. Tells the kernel, where it can, that it may take them.
 */
bool backing_retain(uint64_t addr, uint64_t length);
/*
 * Replace frozen memory by anonymous memory in chunks of which jemalloc uses nothing. Under the
 * hooks' lock, without which chunks.c cannot be asked.
 */
void backing_leave_unused(void);
/* Is all of it one memory file that is mapped shared? */
bool backing_is_shared(uint64_t addr, uint64_t length);
/*
 * Nothing of [addr, addr + length), whole huge pages, is in use. Replace as much of it from addr on
 * as is not in a shared file by fresh memory of a new one, up to the first that is. Returns how
 * much; 0: none, and all is as before.
 */
uint64_t backing_renew(uint64_t addr, uint64_t length);

/* ---- backing_freeze.c: freezes, and forks ---- */
/*
 * Freeze what is shared. *spans gets all spans of the heap, ascending, and is the caller's to
 * free. In the list, not in the heap, fresh spans are still marked. 0 or -ENOMEM.
 */
int backing_freeze(struct array *spans);
/* A frozen file that rmmapd does not have yet. The descriptor stays this room's to close. */
bool backing_file(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd);
/*
 * A bitmap of pages that were there when the file was frozen; it may lack some. Valid until
 * backing_file_close(), which is publish/'s to call. NULL: nobody looked.
 */
const uint64_t *backing_seen(uint32_t number);
void backing_file_close(uint32_t number);       /* rmmapd has it, or nobody wants it */
void backing_file_left(uint32_t number);        /* the publish that asked for it has failed */

/*
 * Around fork, inside jemalloc's locks; the lock is held from prefork to parent or child.
 * Afterwards parent and child have private memory each. backing_parent() returns when the child
 * has copied what could not be frozen.
 */
void backing_prefork(void);
void backing_parent(void);
void backing_child(void);
/*
 * The same for a fork() by a signal handler that interrupted this thread anywhere. They do
 * nothing if it was interrupted while it had the lock: only the handler of a fault can be.
 */
void backing_inner_prefork(void);
void backing_inner_parent(void);
void backing_inner_child(void);

#pragma GCC visibility pop

#endif
