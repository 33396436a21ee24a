/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - what is attached, for publish/ and for what stands above it
 *
 * Nothing here allocates but through struct array.
 */
#ifndef RM_LIB_ATTACH_H
#define RM_LIB_ATTACH_H

#include "../heap/heap.h"
#include "../rmmapd/client.h"

#pragma GCC visibility push(hidden)

/* ---- attach.c: what is attached ---- */
/* End of the attached mapping that holds addr, or 0. Takes the lock. */
uint64_t attach_end(uint64_t addr);
uint64_t attach_bytes(void);
/* attach.c's part: complete lazy attachments before, give a child SIGBUS where that failed */
void attach_prefork(void);
void attach_parent(void);
void attach_child(void);

/* ---- lazy.c: userfaultfd over attached ranges ---- */
/* Can this process get a userfaultfd that serves system calls? 0, or -errno: why not, or not now. */
int lazy_possible(void);

/* ---- attachments.c ---- */
/*
 * Around attached_contents() and the use of what it gives: nothing is attached or detached
 * meanwhile. Taken before the connection's lock and the hooks'.
 */
void attached_lock(void);
void attached_unlock(void);
uint64_t attached_serial(void);         /* of the last attachment so far; under the lock */

/* ---- map.c ---- */
/* Where the mapping of an attachment that has addr ends; 0: none has. Under attached_lock(). */
uint64_t map_end(uint64_t addr);

/* ---- contents.c: what all attachments together hold ---- */
struct content {                        /* pages that an attachment has mapped */
	uint64_t addr, length;
	uint64_t offset;                /* in the layer */
	const struct rm_layer_desc *layer;      /* in the table of an attachment */
	const uint64_t *bitmap;         /* of the layer: its pages with data */
	uint32_t heap;                  /* see struct rm_segment */
	bool lazy;                      /* pages may be absent still, and a userfaultfd serves them */
	bool shared;                    /* another attachment had mapped it, which is gone */
	uint64_t owner;                 /* serial of the attachment: a later one's is greater */
};
/*
 * An array of struct content, ascending, without overlap; what is left to own content is not
 * in it. Under attached_lock(). *contents need not be set up; free it. 0 or -ENOMEM.
 */
int attached_contents(struct array *contents);

/* ---- what publish/ knows ---- */
struct run {                            /* pages of one layer that follow one another */
	uint64_t addr, length, offset;
	uint32_t layer;                 /* index in the table */
	uint32_t heap;                  /* see struct rm_segment */
	bool shared;                    /* another attachment has mapped the same content there */
};

/*
 * What the last publish said, as struct run of these layers (struct rm_layer_desc, ids and
 * lengths only), and the last attachment that there was. Both arrays need their item only.
 * Under attached_lock(). 0 or -ENOMEM.
 */
typedef int attach_published_list(struct array *runs, struct array *layers, uint64_t *attached);
extern attach_published_list *attach_published;  /* set by the first publish; NULL before it */

#pragma GCC visibility pop

#endif
