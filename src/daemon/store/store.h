/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - publications of this host, their layers and leases
 *
 * Decides who may attach a publication and until when it lives, and has the keeper keep it.
 * Called by peer/, remote/, local/ and worker/. Worker thread only; allocates with malloc
 * (rmmapd's heap is its own).
 */
#ifndef RM_STORE_H
#define RM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/segment.h"
#include "../../common/wire.h"
#include "../keeper/keeper.h"
#include "layers.h"
#include "../base/loop.h"
#include "../base/context.h"

struct publication {
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	uint64_t record;                /* the keeper's number */
	int table_fd, slot_fd;          /* slot_fd is -1 if there is none */
	struct rm_table table;          /* checked; its memory is a mapping of table_fd */
	struct stored_layer **layers;   /* in the order of the table; one reference to each */
	uint32_t layer_count;
	uint64_t **visible;             /* visible.h */
	uint64_t data_bytes;            /* of the visible pages */
	uint32_t slot, publisher_pid;
	struct rm_terms terms;          /* as published */
	uint32_t admitted;              /* readers so far, those that have left included */
	uint32_t attached;              /* attachments of this host */
	uint32_t remote_attached;       /* other hosts that have it, see ../peer/peer.h */
	bool unpublished;               /* no new attach; lives until nobody has it attached */
	bool revoked;                   /* no other host gets a key any more; unpublished, too */
	uint64_t served_bytes;          /* to other hosts */
	uint64_t created_ns;
	uint64_t rejoin_ns;             /* hosts that had it attached when a worker died may come back
	                                   until then. Later deaths do not extend it for them. */
	struct timer lease;             /* ends it; runs only while nobody has it attached, and not
	                                   if it has no end */
	struct store *store;
	struct publication *next;
};

/* Calls to the room above. */
struct store_events {
	void *arg;
	/*
	 * The publication is about to be freed, or was revoked: close what other hosts have of it.
	 * Must not call the store.
	 */
	void (*dropped)(void *arg, struct publication *publication);
};

struct store *store_new(struct context *context, const struct store_events *events);
/* At the end of the process. The keeper's copies stay: nothing is unpublished by this. */
void store_free(struct store *store);

/*
 * Take over a publication that a process hands in. The descriptors are the store's from here
 * on, on failure too. layer_fds has the files of the table's first layers; the last
 * request->known_layers layers are not handed in, they must be held already.
 *
 * 0 and *out. Publishing the same id with the same secret again succeeds and returns the
 * existing publication. Otherwise, with the reason in why: -ESTALE (one of the known layers is
 * not held), -ENOSPC (over RMMAP_LIMIT), -EINVAL, or another -errno.
 */
int store_add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
              int table_fd, int slot_fd, int *layer_fds,
              struct publication **out, char *why, size_t why_size);
struct publication *store_find(struct store *store, const uint8_t id[RM_ID_BYTES]);
/* Find one by the first digits of its id. 0, -ENOENT, or -EEXIST: more than one has them. */
int store_find_short(struct store *store, const char *text, struct publication **out);

/*
 * Admit one more reader that names this secret. 0, -EACCES (the secret is wrong) or -ENOENT
 * (it is gone, or has had as many readers as it may). The caller then calls either
 * store_admitted(), before it tells the reader, or store_unadmit().
 *
 * remote: the reader is another host. again: the reader had it attached when the last worker
 * died. It does not count as one more reader, and is admitted also if the publication was
 * unpublished meanwhile.
 */
int store_admit(struct publication *publication, const uint8_t secret[RM_SECRET_BYTES],
                bool remote, bool again);
/* Record the admission. */
void store_admitted(struct publication *publication);
/* Take the admission back: it is not counted. The publication is not freed from here. */
void store_unadmit(struct publication *publication, bool remote, bool again);
/*
 * The reader has detached. Frees the publication with the last reader if nobody else can
 * attach it.
 */
void store_release(struct publication *publication, bool remote);
/*
 * After a restart: count an attachment of this host that an earlier worker admitted as reader
 * number admitted. That worker may have died before it recorded this with the publication.
 */
void store_readmit(struct publication *publication, uint32_t admitted);

/* Admit nobody new. Frees the publication at once if nobody has it attached. */
void store_unpublish(struct publication *publication);
/* Unpublish, and close what other hosts have of it. Processes of this host keep it. */
void store_revoke(struct publication *publication);
/* After a restart: all records of layers, then those of publications, then store_restored(). */
void store_restore_layer(struct store *store, const struct record *record);
void store_restore(struct store *store, const struct record *record);
void store_restored(struct store *store);
struct publication *store_first(struct store *store);   /* go on with ->next */
uint32_t store_count(struct store *store);
uint64_t store_bytes(struct store *store);              /* layers, each once, and tables */
struct layers *store_layers(struct store *store);

#endif
