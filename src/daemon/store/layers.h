/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layers.h - the layers that rmmapd holds, each once, however many publications have it
 *
 * A layer is known by its id. Publications and processes that have just published count as
 * its users; with the last of them it is freed. It has a record and a descriptor of its own in
 * the keeper.
 *
 * Worker thread only; allocates with malloc.
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
 * A sealed memfd. A layer that came from another host (layers_adopt()) has only the pages that
 * the publications show by which it came. A publication that shows other pages of it brings a
 * second file of the same id; layers_find() chooses the one that has all that is needed.
 */
struct stored_layer {
	uint8_t id[RM_ID_BYTES];
	uint64_t *have;                 /* bitmap of its pages; NULL: it has all pages of data */
	int have_fd;                    /* the same bitmap, for the keeper; -1 if have is NULL */
	uint64_t length;                /* of the file, in bytes */
	uint64_t bytes;                 /* memory that it took when it came; does not change */
	int fd;                         /* opened read-only, as it is handed out */
	void *map;                      /* NULL until it is first served to another host */
	uint64_t record;                /* the keeper's number; 0: not kept yet */
	uint32_t refs;                  /* users; 0 only while layers are restored */
	struct layers *layers;
	struct stored_layer *next;      /* in the same bucket */
};

/*
 * The layers of a process's last publication, so that its next publication can refer to them
 * even if the last one is gone by then. They may be released at any time (layers_let_go()):
 * the process is then told ESTALE and hands in everything again. All zero: none are held.
 */
struct held_layers {
	struct stored_layer **layers;   /* one reference to each */
	uint32_t count;
	struct held_layers *next, **link;       /* list of all; link is NULL while not in it */
};

struct layers *layers_new(struct context *context);     /* NULL: no memory */
/* At the end of the process; references do not matter. The keeper's copies stay. */
void layers_free(struct layers *layers);
uint64_t layers_bytes(const struct layers *layers);     /* sum of bytes, each layer once */

/*
 * The held layer with this id and length that has all pages of the bitmap visible. Takes a
 * reference. NULL if there is none.
 */
struct stored_layer *layers_find(struct layers *layers, const struct rm_layer_desc *desc,
                                 const uint64_t *visible);
/* Is a layer of this id and length held? With whole: one that has all pages of data? */
bool layers_have(struct layers *layers, const struct rm_layer_desc *desc, bool whole);
/* Is this very file held as a layer of this id? */
bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd);
/*
 * Take over a layer that a publisher hands in: fd must be a sealed memfd of the length in
 * desc, and is ours from here on, on failure too. If the id is known, fd must be the file that
 * is held under it, and that layer is returned: so nobody can put other content in the place of
 * somebody's layer. 0 and a reference in *out, or -EINVAL, -EMFILE, -ENOMEM with *why.
 */
int layers_take(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                struct stored_layer **out, const char **why);
/*
 * Make a layer of a cache of another host's layer. have is the bitmap of its pages; whole says
 * that these are all pages of data. The caller promises that the cache is not written any
 * more. fd is duplicated. 0 and a reference in *out, or -errno.
 */
int layers_adopt(struct layers *layers, const struct rm_layer_desc *desc, int fd,
                 const uint64_t *have, bool whole, struct stored_layer **out);
/* Have the keeper keep the layer. Does nothing if it does already. */
void layer_keep(struct stored_layer *layer);
void layer_unref(struct stored_layer *layer);   /* frees it with the last reference */

/*
 * Hold these layers in place of those that held has now; count 0: none. Without memory none
 * are held.
 */
void layers_hold(struct layers *layers, struct held_layers *held,
                 struct stored_layer *const *list, uint32_t count);
void layers_let_go(struct layers *layers);      /* release what is held for all processes */

/*
 * After a restart: layers_restore() for each record of a layer, then the publications take
 * their references, then layers_restored() frees the layers without one.
 */
void layers_restore(struct layers *layers, const struct record *record);
void layers_restored(struct layers *layers);

#endif
