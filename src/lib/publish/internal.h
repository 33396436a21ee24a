/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of publish/ share
 *
 * A publish says for each page in which layer its content is. What the previous publish said still
 * holds where nothing changed, so only changed pages are copied:
 *
 *   snapshot.c       the steps below in order, and the table
 *   collect.c        what there is: the heap's spans, attached memory, what is known of them;
 *                    base/track.c tells which of those pages have changed
 *   compact.c        which unchanged pages are copied, too, so that layers stay few and dense
 *   write.c          new layers for all of that; layer.c copies
 *   overlay.c        lists of segments laid over each other; pure
 *
 * Other threads may free memory meanwhile, so a page of the heap may go away at any moment: nothing
 * here dereferences the heap (but check.c, which says why it may); layer.c reads it by pwrite(2).
 *
 * All of it runs under publish.c's lock, on any thread. Memory is struct array and own pages. Lists
 * of segments are struct array of struct rm_segment, ascending, without overlap.
 */
#ifndef RM_LIB_PUBLISH_INTERNAL_H
#define RM_LIB_PUBLISH_INTERNAL_H

#include "../base/scan.h"
#include "../heap/backing.h"
#include "publish.h"

#pragma GCC visibility push(hidden)

/* ---- snapshot.c: layers and table of everything that is published ---- */
struct snapshot {
	void *table;                    /* by rm_table_layout(), in own pages; NULL: none. It
	                                   moves and grows in surroundings_note() */
	size_t table_size;              /* bytes, places included */
	uint32_t layer_count;           /* in the table; at least 1 */
	uint32_t fresh_layers;          /* the first ones: rmmapd does not have them yet; as many
	                                   as fds has */
	struct array fds;               /* int: their descriptors, in the order of the table. They
	                                   are the layers', which close them: only copied here */
	uint64_t data_bytes;            /* of pages with data that a segment shows */
	uint64_t copied_bytes;          /* copied by this publish; files that were frozen as they
	                                   are do not count */
};
/*
 * Make a snapshot. The lock must be held from here until snapshot_handed_over(), or until the
 * publish has failed. everything: rmmapd does not have the layers that it was given. 0 or -errno;
 * -EBADF: the program has closed a descriptor. After a failure the next snapshot copies everything.
 */
int snapshot_make(uint64_t root, bool everything, bool self_contained, struct snapshot *snapshot);
void snapshot_handed_over(void);          /* rmmapd has all layers of the last snapshot */
void snapshot_forget(void);               /* rmmapd does not have what it was given */
void snapshot_free(struct snapshot *snapshot);  /* may be called twice */

/* ---- surroundings.c: what lies outside the window ---- */
/* Append it to the table, which moves; nothing is appended if it cannot be had. */
void surroundings_note(struct snapshot *snapshot);

/* ---- check.c: RMMAP_CHECK: reports words of the snapshot that point out of it ---- */
void check_snapshot(const struct snapshot *snapshot);

/* ---- overlay.c: pure. All append to out or list, and return 0 or -ENOMEM ---- */
/* The list `over` laid over `under`. Adjacent segments that continue each other are joined. */
int overlay_lists(const struct array *under, const struct array *over, struct array *out);
/* The part of list within [from, to). */
int overlay_cut(const struct array *list, uint64_t from, uint64_t to, struct array *out);
/* The parts of [from, to) that are not in list, as segments of this heap, layer OVERLAY_NONE. */
int overlay_gaps(const struct array *list, uint64_t from, uint64_t to, uint32_t heap,
                 struct array *out);
/* One segment, which is joined with the last one if it continues that. */
int overlay_add(struct array *list, const struct rm_segment *segment);
/* The parts of list that are not in away, layer OVERLAY_NONE. */
int overlay_minus(const struct array *list, const struct array *away, struct array *out);
#define OVERLAY_NONE UINT32_MAX         /* in no layer yet */
#define OVERLAY_BLIND 1                 /* then, as offset: nobody knows which pages have data */

/* ---- layer.c ---- */
enum layer_kind {
	LAYER_BASE,             /* a stretch of addresses, each page at its place */
	LAYER_CHANGES,          /* single pages, one after the other */
	LAYER_UPSTREAM,         /* of attached memory: another process has made it */
};
struct snapshot_layer {
	uint8_t id[RM_ID_BYTES];        /* random; stands for this content on all hosts */
	uint64_t addr, length;          /* addr: of the page at offset 0, if it is a base. length:
	                                   bytes, whole pages, at most RM_LAYER_MAX */
	uint64_t *bitmap;               /* pages with data; own pages, which layer_free() frees. Of
	                                   an upstream layer it lies in an attachment's table, and
	                                   is valid under the attached_lock() of this publish */
	uint64_t huge;                  /* bytes of it that were made huge pages when it was copied */
	uint64_t live;                  /* pages of segments that refer to it; a scratch value */
	struct fd_mark fd;              /* -1: rmmapd has it. Marked, since a program may close any
	                                   descriptor: then everything is copied */
	uint32_t file;                  /* the heap's file whose descriptor fd is, and backing.h's
	                                   to close; 0: its own */
	uint8_t kind;                   /* enum layer_kind */
	bool merge;                     /* compact.c: its pages in use go into the next layer */
	bool dead;                      /* compact.c: a base of which little is in use */
};
static inline uint64_t layer_pages(const struct snapshot_layer *layer)
{
	return layer->length >> RM_PAGE_SHIFT;
}
/*
 * Make a base of the memory at [addr, addr + length): of the pages whose bit is set in data; with
 * drop_zeros, only of those of them that are not zeros. Where most of 2 MiB is copied, that becomes
 * a huge page. 0 or -errno, and then there is nothing to free.
 */
int layer_base(struct snapshot_layer *layer, uint64_t addr, uint64_t length, const uint64_t *data,
               bool drop_zeros);
/* Make a layer of the pages of these segments, of which only addr and length count. */
int layer_changes(struct snapshot_layer *layer, const struct rm_segment *runs, size_t count);
/* Make the bitmap of a base that is a sealed file of the heap. seen: see backing_seen(). */
int layer_frozen(struct snapshot_layer *layer, int fd, const uint64_t *seen);
void layer_free(struct snapshot_layer *layer);   /* closes its own descriptor */

/* ---- collect.c ---- */
/* What the last publish said of the own heap, and of changes to attached memory. */
struct known {
	struct array layers;            /* struct snapshot_layer, oldest first. Upstream ones are
	                                   in it only while a publish is under way */
	struct array segments;          /* of these layers, none of which is upstream; layer is an
	                                   index of layers, not of the table */
	uint64_t attached;              /* serial of the latest attachment at that time */
	bool lost;                      /* pages may be marked that are in no layer: copy all */
};
/*
 * All lists are of struct rm_segment, whose layer is an index of layers. gaps and changed do not
 * overlap, or a page would be written twice.
 */
struct collected {
	struct array *layers;           /* those of struct known, not a copy; new ones are added to
	                                   them. A publish that fails has to drop them all */
	struct array under;             /* segments whose content is in a layer, or was */
	struct array gaps;              /* to be written as bases; layer OVERLAY_NONE */
	struct array written;           /* pages that differ from their file, or may differ; in
	                                   gaps, too, where it tells which pages have data */
	struct array changed;           /* written without gaps: pages of under that are to be
	                                   copied one by one; compact.c adds to it */
	uint64_t pages;                 /* of the own heap, with data or not */
};
static inline struct snapshot_layer *collected_layer(const struct collected *set, size_t i)
{
	return (struct snapshot_layer *)set->layers->data + i;
}
/*
 * everything: rmmapd does not have what it was given, so all is written anew. self_contained:
 * attached memory is copied. The caller frees *set, on failure too. 0 or -errno.
 */
int collect_all(struct collected *set, struct known *known, bool everything, bool self_contained);
void collected_free(struct collected *set);

/* ---- compact.c: pure ---- */
/*
 * Add to changed which unchanged pages are copied, too, and to gaps which bases are written anew. 0
 * or -ENOMEM.
 */
int compact_layers(struct collected *set);

/* ---- write.c ---- */
/* Write what is in no layer yet. *all gets the segments of everything. 0 or -errno. */
int write_layers(const struct collected *set, struct array *all, uint64_t *copied);

#pragma GCC visibility pop

#endif
