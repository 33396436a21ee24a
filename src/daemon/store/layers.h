/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layers.h - the layers that rmmapd holds, each once, however many publications have it
 *
 * A layer is known by its id, counted by those who refer to it (publications, and
 * processes that have just published), and gone with the last of them. It has a record
 * and a descriptor of its own in the keeper. Worker thread only; allocates.
 */
#ifndef RM_LAYERS_H
#define RM_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/segment.h"
#include "../keeper/keeper.h"
#include "../base/context.h"

struct layers;

/*
 * A layer of another host's has the pages that the publications it came by show, and no more.
 * Another publication may show others: then there are two of one id, and who looks for it gets
 * one that has all that he shows.
 */
struct layer {                          /* one sealed memfd */
	uint8_t id[RM_ID_BYTES];
	uint64_t *have;                 /* its pages; NULL: all that any table says it has */
	int have_fd;                    /* the same, for the keeper; or -1 */
	uint64_t length;
	uint64_t bytes;                 /* memory that it takes, when it came */
	int fd;                         /* opened read-only, as it is handed out */
	void *map;                      /* mapped when first served to another host, else NULL */
	uint64_t record;                /* keeper's number; 0: not kept yet */
	uint32_t refs;
	struct layers *layers;
	struct layer *next;             /* of its bucket */
};

/*
 * What a process published last, so that its next publication can refer to it though the
 * last one is gone. A convenience: it may be let go at any time, and then the process is
 * told ESTALE and hands in everything again. All zero: nothing is held.
 */
struct holding {
	struct layer **layers;
	uint32_t count;
	struct holding *next, **link;   /* of all of them */
};

struct layers *layers_new(struct context *context);
void layers_free(struct layers *layers);        /* nobody refers to any of them */
uint64_t layers_bytes(const struct layers *layers);     /* each counted once */

/*
 * One that is here and has these pages, with one reference more; NULL if there is none, or of
 * another length.
 */
struct layer *layers_find(struct layers *layers, const struct rm_layer_desc *desc,
                          const uint64_t *shown);
/* Any is here, or, whole, one with all pages that there are of it. */
bool layers_have(struct layers *layers, const struct rm_layer_desc *desc, bool whole);
/* Is this very file one of them? */
bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd);
/*
 * Take one over, checked: a sealed memfd of that length. The descriptor becomes ours, on
 * failure too. An id that is known already must come with the same file, and then is the one
 * there is: nobody can put other content in the place of somebody's layer. 0 and one
 * reference, -EINVAL, -EMFILE, -ENOMEM; *why in words.
 */
int layers_take(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                struct layer **out, const char **why);
/*
 * A cache of another host's layer that has these pages; whole: they are all that there are.
 * Only rmmapd could write it, and will not any more; fd is copied.
 */
int layers_adopt(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                 const uint64_t *have, bool whole, struct layer **out);
void layer_keep(struct layer *layer);   /* have the keeper keep it; nothing if it does */
void layer_unref(struct layer *layer);  /* may free it */

/* Let go what is held and hold these; count 0: nothing. Without memory nothing is held. */
void layers_hold(struct layers *layers, struct holding *holding, struct layer *const *held,
                 uint32_t count);
void layers_let_go(struct layers *layers);      /* of all holdings */

/* After a restart: all records of layers, then of those who refer to them, then the end. */
void layers_restore(struct layers *layers, const struct record *record);
void layers_restored(struct layers *layers);    /* drops what nobody refers to */

#endif
