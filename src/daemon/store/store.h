/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - publications of this host, their layers and leases
 *
 * Worker thread only. Allocates with malloc (rmmapd's heap is its own).
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
	uint64_t record;                /* keeper's number */
	int table_fd, slot_fd;          /* slot_fd -1 if none */
	struct rm_table table;          /* checked; its memory is a mapping of table_fd */
	struct layer **layers;          /* as in the table */
	uint32_t layer_count;
	uint64_t **shown;               /* shown.h */
	uint64_t data_bytes;            /* of the pages shown */
	uint32_t slot, publisher_pid;
	struct rm_terms terms;          /* as published */
	uint32_t admitted;
	uint32_t attached;              /* attachments of this host */
	uint32_t remote_attached;       /* other hosts, see peer.h */
	bool unpublished;               /* no new attach; lives until nobody has it attached */
	bool revoked;                   /* and no other host gets a key any more */
	uint64_t served_bytes;
	uint64_t created_ns;
	uint64_t rejoin_ns;             /* those that had it when a worker died may come back until
	                                   then; later deaths do not put it off for them */
	struct timer lease;             /* runs while nobody is attached, unless it is for ever */
	struct store *store;
	struct publication *next;
};

struct store_events {
	void *arg;
	/* It is about to be freed, or is revoked: close what other hosts have of it. */
	void (*dropped)(void *arg, struct publication *publication);
};

struct store *store_new(struct context *context, const struct store_events *events);
void store_free(struct store *store);

/*
 * Take a publication over: descriptors become the store's, on failure too.
 * layer_fds are those of the table's first layers, checked to be sealed memfds of
 * the lengths in the table; the last known_layers are looked for among those held.
 * 0 and *out, -ESTALE (one of the known is not here), -ENOSPC (over RMMAP_LIMIT), -EINVAL,
 * -EEXIST never (the same id of the same publisher again is 0 and the one there is), other
 * -errno; why in words.
 */
int store_add(struct store *store, const struct rm_wire_publish *request, uint32_t publisher_pid,
              int table_fd, int slot_fd, int *layer_fds,
              struct publication **out, char *why, size_t why_size);
struct publication *store_find(struct store *store, const uint8_t id[RM_ID_BYTES]);
/* By the first digits of an id; -ENOENT, -EEXIST (more than one). */
int store_find_short(struct store *store, const char *text, struct publication **out);

/*
 * Admit one more reader with this secret, to be recorded by store_admitted() before anybody is
 * told: 0, -ENOENT (gone, or readers used up),
 * -EACCES (wrong secret). store_release() ends it, and the publication with it where nobody
 * else can attach it any more. `again` does not count as
 * one more of `readers`, and is admitted to what was unpublished meanwhile (the same
 * host attaches again after a worker was replaced).
 */
int store_admit(struct publication *publication, const uint8_t secret[RM_SECRET_BYTES],
                bool remote, bool again);
void store_admitted(struct publication *publication);
void store_release(struct publication *publication, bool remote);
/* An admission that came to nothing: not counted, and the publication is still there. */
void store_unadmit(struct publication *publication, bool remote, bool again);
/*
 * After a restart: an attachment of this host that an earlier worker admitted, as the so many-th
 * reader; that worker may have died before it recorded this with the publication.
 */
void store_readmit(struct publication *publication, uint32_t admitted);

void store_unpublish(struct publication *publication);
/* And close at once what other hosts have of it. Those of this host keep it. */
void store_revoke(struct publication *publication);
/* After a restart, all records of layers before those of publications, then the end. */
void store_restore_layer(struct store *store, const struct record *record);
void store_restore(struct store *store, const struct record *record);
void store_restored(struct store *store);
struct publication *store_first(struct store *store);   /* then ->next */
uint32_t store_count(struct store *store);
uint64_t store_bytes(struct store *store);              /* layers, each once, and tables */
struct layers *store_layers(struct store *store);

#endif
