/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of store/ share. Worker thread only.
 *
 *   store.c        lives, leases, readers, records
 *   take.c         a publication that is handed in
 *   publication.c  what one is made of
 *   layers.c       layers, each once
 *   visible.c      which pages a table shows
 *   sealed.c       memory files
 */
#ifndef RM_STORE_INTERNAL_H
#define RM_STORE_INTERNAL_H

#include "../../common/say.h"
#include "store.h"
#include "../base/container.h"

struct store {
	struct context *context;
	struct store_events events;
	struct publication *first;
	uint32_t count;
	struct layers *layers;
	uint64_t table_bytes;           /* with the layers': what RMMAP_LIMIT bounds */
};

struct publication_record {             /* data of RECORD_PUBLICATION */
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	struct rm_terms terms;
	uint32_t admitted;
	uint32_t slot, publisher_pid;
	uint32_t layer_count;
	uint8_t has_slot, unpublished;
	uint8_t remote;                 /* other hosts have it */
	uint8_t revoked;
	uint8_t pad[4];
	uint64_t created_ns;
	uint64_t lease_ns;              /* end of the lease; 0: none ran */
	uint64_t rejoin_ns;             /* for those that had it before; 0: none */
	uint64_t served_bytes;
};

/* ---- store.c ---- */
void store_insert(struct store *store, struct publication *publication);
void store_lease(struct publication *publication);      /* nobody has it: start it anew */
/* Tell the keeper, with more descriptors or none. */
void store_save(struct publication *publication, const int *fds, unsigned count);

/* ---- sealed.c ---- */
/*
 * The same file, but nobody who gets this descriptor can write: some kernels refuse
 * mappings of writable ones. The new descriptor, or fd itself where /proc is not there; fd is
 * closed where it is replaced. -EMFILE, -ENFILE: fd stays open.
 */
int file_reopen(int fd);
/* Does this memory file have these seals, and this length? */
bool file_sealed(int fd, int seals, uint64_t length);

/* ---- publication.c ---- */
/* Its descriptors become the publication's. NULL: no memory, and they stay the caller's. */
struct publication *publication_new(struct store *store, uint32_t layers, int table_fd,
                                    int slot_fd);
/* Copy table_fd if it is not sealed, map and check it. 0 or -errno, *why in words. */
int publication_take_table(struct publication *publication, uint64_t size, const char **why);
/* Its layers from this one on, among those that are here. 0; -ESTALE: one is not. */
int publication_find_layers(struct store *store, struct publication *publication, uint32_t first,
                            const char **why);
/* From the keeper; the descriptors become the publication's only on success, else NULL. */
struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds);
void publication_free(struct publication *publication);

#endif
