/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - what is attached, for publish/ and for the top of the library
 *
 * Any thread may call. The lock of attachments.c is taken after publish's and before the
 * connection's. Nothing here allocates, except in struct array.
 */
#ifndef RM_LIB_ATTACH_H
#define RM_LIB_ATTACH_H

#include "../heap/heap.h"
#include "../rmmapd/client.h"

#pragma GCC visibility push(hidden)

/* ---- attachments.c: what is attached, and the lock over it ---- */
/* The end of the attached memory that contains addr; 0: none does. Takes the lock. */
uint64_t attach_end(uint64_t addr);
/*
 * Around fork; the lock is held from prefork to parent or child. Lazy attachments are completed
 * first. In a child, those for which that failed raise SIGBUS.
 */
void attach_prefork(void);
void attach_parent(void);
void attach_child(void);
/*
 * Around attached_contents() and the use of its result: nothing is attached or detached
 * meanwhile. Taken before the connection's lock and the hooks'.
 */
void attached_lock(void);
void attached_unlock(void);
uint64_t attached_serial(void);         /* of the latest attachment so far; under the lock */

/* ---- lazy.c: userfaultfd over attached ranges ---- */
/* Can this process get a userfaultfd that serves system calls? 0, or -errno; takes no lock. */
int lazy_possible(void);

/* ---- map.c: the mappings ---- */
uint64_t attach_bytes(void);            /* mapped for all attachments; takes no lock */
/* attach_end() for a caller that has attached_lock(). */
uint64_t map_end(uint64_t addr);

/* ---- contents.c: what all attachments together hold ---- */
struct content {                        /* pages that an attachment has mapped */
	uint64_t addr, length;
	uint64_t offset;                /* in the layer */
	const struct rm_layer_desc *layer;      /* in an attachment's table, while it is attached */
	const uint64_t *bitmap;         /* of the layer: its pages with data; as long as layer */
	uint32_t heap;                  /* see struct rm_segment */
	bool lazy;                      /* pages may be absent, and a userfaultfd serves them */
	bool shared;                    /* another attachment mapped it, which is gone */
	uint64_t owner;                 /* the attachment's serial: a later one has a greater one */
};
/*
 * An array of struct content, ascending, without overlap. Memory that is left to own content is
 * not in it. Under attached_lock(). *contents need not be set up; the caller frees it. 0 or
 * -ENOMEM.
 */
int attached_contents(struct array *contents);

/* ---- what publish/ has published, which an attach may find again ---- */
struct run {                            /* consecutive pages of one layer */
	uint64_t addr, length, offset;
	uint32_t layer;                 /* index in the table */
	uint32_t heap;                  /* see struct rm_segment */
	bool shared;                    /* an earlier attachment has mapped this content there */
};

/*
 * A function that lists what the last publish said: struct run, of layers (struct rm_layer_desc,
 * ids and lengths only), and the serial of the latest attachment at that time. Both arrays come
 * with their item size set, and are the caller's to free. Under attached_lock(). 0 or -ENOMEM.
 */
typedef int attach_published_list(struct array *runs, struct array *layers, uint64_t *attached);
extern attach_published_list *attach_published;  /* set by the first publish; NULL before it */

#pragma GCC visibility pop

#endif
