/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of store/ share; no other room includes it
 *
 *   store.c        publications: who may attach, leases, time to live, records
 *   take.c         takes over what a publisher hands in
 *   publication.c  what one publication is made of
 *   layers.c       the layers, each held once
 *   visible.c      which pages a publication shows
 *   sealed.c       memory files
 *
 * Worker thread only. What allocates says so.
 */
#ifndef RM_STORE_INTERNAL_H
#define RM_STORE_INTERNAL_H

#include "../../common/say.h"
#include "store.h"
#include "../base/container.h"

struct store {
	struct context *context;
	struct store_events events;
	struct publication *first;      /* the newest; linked by next */
	uint32_t count;                 /* publications in that list */
	struct layers *layers;
	uint64_t table_bytes;           /* sum of their tables' sizes; RMMAP_LIMIT bounds this plus
	                                   layers_bytes() */
};

struct publication_record {             /* data of RECORD_PUBLICATION */
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	struct rm_terms terms;
	uint32_t admitted;
	uint32_t slot, publisher_pid;
	uint32_t layer_count;
	uint8_t has_slot, unpublished;
	uint8_t remote;                 /* another host had it attached */
	uint8_t revoked;
	uint8_t pad[4];
	uint64_t created_ns;
	uint64_t lease_ns;              /* when the lease ends; 0: no lease was running */
	uint64_t rejoin_ns;             /* publication.rejoin_ns; 0: no host may come back */
	uint64_t served_bytes;
};

/* ---- store.c ---- */
/* Add a publication to the list. It must not be in it yet. */
void store_insert(struct store *store, struct publication *publication);
/* Start the lease anew. Only while nobody has the publication attached. */
void store_lease(struct publication *publication);
/* Have the keeper keep the publication as it is now; fds are added to its record. */
void store_save(struct publication *publication, const int *fds, unsigned count);

/* ---- sealed.c ---- */
/*
 * Open the file again for reading only, close fd, and return the new descriptor. Only such
 * descriptors may leave rmmapd: the kernel of Debian 12 refuses even a read-only shared
 * mapping of a sealed file through a descriptor that may write. Where /proc is not mounted,
 * fd itself is returned. On -EMFILE and -ENFILE fd stays open.
 */
int file_reopen(int fd);
/* Is this a regular memory file of this length that has at least these seals? */
bool file_sealed(int fd, int seals, uint64_t length);

/* ---- publication.c: allocates ---- */
/*
 * A publication without table and layers, not in the list yet. It owns the descriptors from
 * here on. NULL: no memory, and the descriptors stay the caller's.
 */
struct publication *publication_new(struct store *store, uint32_t layers, int table_fd,
                                    int slot_fd);
/*
 * Check table_fd and map it. A table that its publisher can still change is copied first. 0 or
 * -errno, with the reason in *why.
 */
int publication_take_table(struct publication *publication, uint64_t size, const char **why);
/*
 * Find the publication's layers from number first on among the layers that are held, and take
 * a reference to each. 0, or -ESTALE if one of them is not held.
 */
int publication_find_layers(struct store *store, struct publication *publication, uint32_t first,
                            const char **why);
/*
 * Make a publication from the keeper's record. It owns the descriptors if this succeeds. NULL
 * otherwise; then they stay the caller's.
 */
struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds);
/* Free a publication that is not in the list, and let go of its layers. */
void publication_free(struct publication *publication);

#endif
