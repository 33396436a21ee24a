/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_internal.h - between store.c (lives and leases) and store_take.c (what a
 * publication is made of). Worker thread only.
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
	uint32_t readers, ttl_ms, admitted;
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

/* ---- store_take.c ---- */
/*
 * The same file, but nobody who gets this descriptor can write: some kernels refuse
 * mappings of writable ones. The new descriptor; fd is closed then, and not on failure.
 */
int file_reopen(int fd);
bool file_sealed(int fd, int seals, uint64_t length);
/* From the keeper; the descriptors become the publication's only on success, else NULL. */
struct publication *publication_from_record(struct store *store,
                                            const struct publication_record *record,
                                            const int *fds);
void publication_free(struct publication *publication);

#endif
