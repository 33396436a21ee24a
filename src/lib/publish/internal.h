/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of publish/ share
 *
 * A publish says for each page in which layer its content is. What was said by the one
 * before still holds where nothing changed, so only that is copied:
 *
 *   collect.c  what is there: the heap's spans, attached memory, what is known of them
 *   track.c    which of those pages changed since; scan.c asks the kernel
 *   compact.c  which unchanged pages are copied as well, so that layers stay few and dense
 *   write.c    new layers for all of that; layer.c copies
 *   overlay.c  lists of segments laid over each other; pure
 *   snapshot.c  all of it in order, and the table
 *
 * Other threads may free meanwhile, so a page of the heap may go away at any moment: nothing
 * here dereferences the heap; layer.c reads it by pwrite(2).
 *
 * Under publish.c's lock, but for scan.c and weave.c. Lists of segments are struct array of
 * struct rm_segment, ascending, not overlapping.
 */
#ifndef RM_LIB_PUBLISH_INTERNAL_H
#define RM_LIB_PUBLISH_INTERNAL_H

#include "../base/scan.h"
#include "../heap/backing.h"
#include "publish.h"

#pragma GCC visibility push(hidden)

/* ---- snapshot.c: the snapshot: layers and table of everything published ---- */
struct snapshot {
	void *table;                    /* rm_table_layout(); own_pages of table_size */
	size_t table_size;
	uint32_t layer_count;
	uint32_t fresh_layers;          /* the first so many: rmmapd does not have them yet */
	struct array fds;               /* int: theirs, freeze.c's to close */
	uint64_t data_bytes, copied_bytes;
};
/*
 * Under publish.c's lock, from here until it is handed over or not. everything: rmmapd does
 * not have the layers that it was given. -EBADF: a descriptor was closed by the program;
 * that and every other failure has the next one copy everything. 0 or -errno.
 */
int snapshot_make(uint64_t root, bool everything, bool self_contained, struct snapshot *snapshot);
void snapshot_handed_over(void);          /* rmmapd has all layers of the last one */
void snapshot_forget(void);               /* it does not have what it was given */
void snapshot_free(struct snapshot *snapshot);

/* ---- surroundings.c: what lies around the snapshot ---- */
/* Note it behind the table, if that can be done; the table moves. */
void surroundings_note(struct snapshot *snapshot);

/* ---- check.c: RMMAP_CHECK: words of the snapshot that point out of it ---- */
void check_snapshot(const struct snapshot *snapshot);

/* ---- overlay.c ---- */
/* The one list laid over the other. Neighbours that are one segment are joined. 0 or -ENOMEM. */
int overlay_lists(const struct array *under, const struct array *over, struct array *out);
/* Append the part of list within [from, to). */
int overlay_cut(const struct array *list, uint64_t from, uint64_t to, struct array *out);
/* Append what of [from, to) is not in list, for this heap, layer OVERLAY_NONE. */
int overlay_gaps(const struct array *list, uint64_t from, uint64_t to, uint32_t heap,
                 struct array *out);
/* Append one segment; joined with the last if it goes on with it. */
int overlay_add(struct array *list, const struct rm_segment *segment);
/* Append list without what lies in away; layer OVERLAY_NONE. */
int overlay_minus(const struct array *list, const struct array *away, struct array *out);
#define OVERLAY_NONE UINT32_MAX           /* of no layer yet */
#define OVERLAY_BLIND 1                   /* the offset of such: which pages hold data is not known */

/* ---- layer.c ---- */
enum layer_kind {
	LAYER_BASE,             /* a stretch of addresses, each page in its place */
	LAYER_CHANGES,          /* single pages, one after the other */
	LAYER_UPSTREAM,         /* another process's, of what is attached */
};
struct snapshot_layer {
	uint8_t id[RM_ID_BYTES];
	uint64_t addr, length;          /* addr: what a base has at offset 0 */
	uint64_t *bitmap;               /* pages with data; own_pages, or of the upstream table */
	uint64_t live;                  /* pages of segments that refer to it */
	struct fd_mark fd;              /* -1: rmmapd has it */
	uint32_t file;                  /* whose descriptor it is, of backing.c; 0: this one's */
	uint8_t kind;
	bool merge;                     /* tidy.c: what is left of it goes into the next one */
	bool dead;                      /* tidy.c: a base of which little is left */
};
static inline uint64_t layer_pages(const struct snapshot_layer *layer)
{
	return layer->length >> RM_PAGE_SHIFT;
}
/*
 * A base of the memory at [addr, addr + length): pages whose bit is set, or, if data is
 * NULL, all that are not zeros. 0 or -errno.
 */
int layer_base(struct snapshot_layer *layer, uint64_t addr, uint64_t length, const uint64_t *data);
/* The pages of so many segments, one after the other: addr and length are taken. */
int layer_changes(struct snapshot_layer *layer, const struct rm_segment *runs, size_t count);
/* A base that is a file of the heap's already, sealed: its bitmap. seen: see backing_seen(). */
int layer_frozen(struct snapshot_layer *layer, int fd, const uint64_t *seen);
void layer_free(struct snapshot_layer *layer);   /* closes its own descriptor */

/* ---- collect.c ---- */
/* What the last publish said, of the own heap and of changes to attached memory. */
struct known {
	struct array layers;            /* struct snapshot_layer, in the order in which they were made */
	struct array segments;
	uint64_t attached;              /* serial of the last attachment there was */
	bool lost;                      /* pages that were told are in no layer: all count */
};
struct collected {
	struct array *layers;           /* known's; new ones are added to it */
	struct array under;             /* what is known: pages and the layers that have them */
	struct array gaps;              /* what is to be written as a base; layer OVERLAY_NONE */
	struct array written;           /* pages that differ from their file, or may */
	struct array changed;           /* pages of under to be copied one by one */
	uint64_t pages;                 /* of the own heap */
};
static inline struct snapshot_layer *collected_layer(const struct collected *set, size_t i)
{
	return (struct snapshot_layer *)set->layers->data + i;
}
/*
 * everything: rmmapd does not have what it was given, so all is to be written anew.
 * g is the caller's to free, on failure too. 0 or -errno.
 */
int collect(struct collected *set, struct known *known, bool everything, bool self_contained);
void collected_free(struct collected *set);

/* ---- compact.c: pure ---- */
/*
 * Add to changed what is to be copied as well, and to gaps which bases are to be written
 * anew: see tidy.c. 0 or -ENOMEM.
 */
int compact(struct collected *set);

/* ---- write.c ---- */
/* Everything that there is, each page in its layer: all gets the segments. 0 or -errno. */
int write_layers(const struct collected *set, struct array *all, uint64_t *copied);

#pragma GCC visibility pop

#endif
